"""Completed trades: what they came to over time, and the list of them with its filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from barograph.clock import US_PER_S, from_us
from barograph.dashboard.book import book
from barograph.dashboard.formats import length, percent
from barograph.paper.positions import Position, Trade
from barograph.paper.summary import Valued

if TYPE_CHECKING:
    import polars as pl
    from streamlit.elements.lib.column_types import ColumnConfig

    from barograph.dashboard.charts.equity import Curve
    from barograph.dashboard.house import House

SHOWN_MOST = 2_000
"""Completed trades in the table, the newest; the file has all."""
ALL = "all strategies"

_SPANS_S = {"all": None, "1 h": 3_600, "1 d": 86_400, "7 d": 7 * 86_400, "30 d": 30 * 86_400}


def curves(trades: Sequence[Trade], values: Sequence[tuple[Position, Valued | None]]) -> list[Curve]:
    """Of each strategy with completed trades, and of all of them together where there are several."""
    by_name: dict[str, list[Trade]] = {}
    for one in trades:
        by_name.setdefault(one.strategy, []).append(one)
    open_: dict[str, list[Valued]] = {}
    for position, value in values:
        if value is not None:
            open_.setdefault(position.strategy, []).append(value)
    found = [_curve(name, each, open_.get(name, [])) for name, each in sorted(by_name.items())]
    if len(found) < 2:
        return [replace(each, is_main=True) for each in found]
    everything = [value for each in open_.values() for value in each]
    return [*found, replace(_curve(ALL, trades, everything), is_main=True)]


def _curve(name: str, trades: Sequence[Trade], open_: Sequence[Valued]) -> Curve:
    import numpy as np

    from barograph.dashboard.charts.equity import Curve
    from barograph.paper.summary import curve

    sums = curve(trades)
    exits = sorted(one.exit_ts_us for one in trades)
    begin = min(one.entry_ts_us for one in trades)
    last_us = max((value.price_ts_us for value in open_), default=exits[-1])
    ends = (last_us, sums[-1] + sum(value.unrealised for value in open_)) if open_ else None
    return Curve(
        name=name,
        times_us=np.array([begin, *exits], dtype=np.int64),
        values=np.array([0.0, *sums]),
        steps=True,
        ends=ends,
    )


def completed(house: House) -> None:
    """The list with its filters; a change of one draws only this part anew."""
    found = book(house.data.folder)
    if found is None or not found.trades:
        return
    st.markdown("##### Completed trades")
    chosen = _filtered(found.trades)
    if not chosen:
        st.caption("No trade is like that; choose less narrowly.")
        return
    profit, fees = sum(one.profit for one in chosen), sum(one.fees for one in chosen)
    wins = sum(one.profit > 0 for one in chosen)
    st.caption(
        f"{len(chosen):,} of {len(found.trades):,} trades: profit {money(profit)} after fees of "
        f"{money(fees)}, {percent(100.0 * wins / len(chosen))} won. {_reasons(chosen)}"
    )
    # Between the words and the table, whose tools lie over what stands above it.
    st.download_button(
        "All of these as CSV",
        partial(_csv, chosen),
        file_name="trades.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.dataframe(
        _frame(chosen[: -SHOWN_MOST - 1 : -1]),
        hide_index=True,
        height=420,
        key="trades",
        column_config=_columns(),
        alt="Completed trades, the newest first",
    )
    if len(chosen) > SHOWN_MOST:
        st.caption(f"The newest {SHOWN_MOST:,}; the file has all {len(chosen):,}.")


def _filtered(trades: Sequence[Trade]) -> list[Trade]:
    """What the viewer asks for, in order of exits."""
    columns = st.columns([2, 2, 2, 3], vertical_alignment="bottom")
    with columns[0]:
        strategies = st.multiselect("Strategy", sorted({one.strategy for one in trades}), placeholder="all")
    with columns[1]:
        symbols = st.multiselect("Symbol", sorted({one.symbol for one in trades}), placeholder="all")
    with columns[2]:
        reasons = st.multiselect("Reason", sorted({one.reason for one in trades}), placeholder="all")
    with columns[3]:
        span = st.segmented_control("Last", list(_SPANS_S), default="all", required=True, key="trades-span")
    seconds = _SPANS_S[span]
    since_us = 0 if seconds is None else trades[-1].exit_ts_us - seconds * US_PER_S
    return [
        one
        for one in trades
        if (not strategies or one.strategy in strategies)
        and (not symbols or one.symbol in symbols)
        and (not reasons or one.reason in reasons)
        and one.exit_ts_us >= since_us
    ]


def _reasons(trades: Sequence[Trade]) -> str:
    counts = Counter(one.reason.replace("_", " ") for one in trades)
    told = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    return f"Left by: {told}."


def _frame(trades: Sequence[Trade]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "exit_ts": [from_us(one.exit_ts_us) for one in trades],
            "strategy": [one.strategy for one in trades],
            "symbol": [one.symbol for one in trades],
            "profit": [one.profit for one in trades],
            "profit_pct": [one.profit_pct for one in trades],
            "reason": [one.reason.replace("_", " ") for one in trades],
            "quantity": [one.quantity for one in trades],
            "entry_price": [one.entry_price for one in trades],
            "exit_price": [one.exit_price for one in trades],
            "fees": [one.fees for one in trades],
            "held": [length((one.exit_ts_us - one.entry_ts_us) / US_PER_S) for one in trades],
            "venue": [one.venue for one in trades],
        }
    )


def _columns() -> dict[str, ColumnConfig]:
    number = st.column_config.NumberColumn
    return {
        "exit_ts": st.column_config.DatetimeColumn("exit, UTC", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
        "profit": number("profit", format="%.2f"),
        "profit_pct": number("%", format="%.2f"),
        "quantity": number("quantity", format="%.4g"),
        "entry_price": number("entry", format="%.6g"),
        "exit_price": number("exit", format="%.6g"),
        "fees": number("fees", format="%.2f"),
    }


def _csv(trades: Sequence[Trade]) -> str:
    """In the columns and words of ``barograph trades``."""
    import polars as pl

    from barograph.paper.trade_json import record

    return pl.DataFrame([record(one) for one in trades], infer_schema_length=None).write_csv()


def money(value: float) -> str:
    """An amount in the currency of the prices, with the true minus.

    >>> money(-1234.5), money(0.0)
    ('−1,234.50', '0.00')
    """
    value = round(value, 2) + 0.0
    return f"{'−' if value < 0 else ''}{abs(value):,.2f}"
