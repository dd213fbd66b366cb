"""Anomalies: when what was found, the minutes around each, and rules against the model."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from barograph.anomalies.models.rule import KIND as MODEL
from barograph.clock import to_us
from barograph.dashboard import empty, ledger
from barograph.dashboard.formats import detail, moment, percent, words
from barograph.dashboard.windows import SPANS, spans_for

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

    from barograph.dashboard.charts.candles import Look
    from barograph.dashboard.house import House
    from barograph.dashboard.theme import Theme
    from barograph.market import Market

LISTED_MOST = 500
AROUND = timedelta(minutes=45)
"""Shown before and after an anomaly."""


class Chosen(NamedTuple):
    """What the filters leave."""

    start: datetime
    end: datetime
    rows: pl.DataFrame


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Anomalies", anchor=False)
    house.live(partial(_found, house))


def _found(house: House) -> None:
    span = ledger.anomalies_span(house.data)
    if span is None:
        empty.nothing(
            "No anomalies yet",
            "Rules look at every minute while it is recorded; what they find appears here. "
            "They are silent until a symbol has 20 minutes to compare with.",
            f"barograph record --feed sim --data {house.data.folder}",
        )
        return
    chosen = _filters(house, *span)
    if chosen.rows.is_empty():
        empty.nothing("Nothing here", "No anomaly passes these filters: take a longer span, or more kinds.")
        return
    _counts(chosen.rows)
    figure = house.data.ask(
        "timeline",
        (chosen.start, chosen.end, _key(chosen.rows), house.theme),
        partial(_timeline, chosen, house.theme),
    )
    st.plotly_chart(figure, key="timeline", config={"displayModeBar": False}, alt="anomalies over time")
    _list(house, chosen.rows)
    _rules_and_model(chosen.rows)


def _key(rows: pl.DataFrame) -> tuple[int, int]:
    return rows.height, int(rows.select("symbol", "kind", "ts").hash_rows().sum())


def _filters(house: House, first: datetime, last: datetime) -> Chosen:
    end = last + timedelta(minutes=1)
    names = spans_for(end - first)
    usual = "1 w" if "1 w" in names else names[-1]
    span = (
        st.segmented_control("Span", names, default=usual, key=f"span-{len(names)}", required=True) or usual
    )
    length = SPANS[span]
    start = first if length is None else max(first, end - length)
    rows = ledger.anomalies(house.data, start, end)
    kinds, symbols, venues = (sorted(rows[name].unique().to_list()) for name in ("kind", "symbol", "venue"))
    kind = st.pills("Kind", kinds, selection_mode="multi", format_func=words, key="kinds")
    left, right = st.columns(2)
    symbol = left.multiselect("Symbol", symbols, placeholder="all", key="symbols")
    venue = right.multiselect("Venue", venues, placeholder="all", key="venues") if len(venues) > 1 else []
    for column, wanted in (("kind", kind), ("symbol", symbol), ("venue", venue)):
        if wanted:
            rows = rows.filter(rows[column].is_in(list(wanted)))
    return Chosen(start, end, rows)


def _counts(rows: pl.DataFrame) -> None:
    counted = rows.group_by("kind").len().sort("len", "kind", descending=[True, False])
    told = ", ".join(f"{words(kind)} {count:,}" for kind, count in counted.rows())
    st.caption(f"**{rows.height:,}** minutes: {told}.")


def _timeline(chosen: Chosen, theme: Theme, _: Market) -> go.Figure:
    from barograph.dashboard.charts.timeline import timeline

    return timeline(chosen.rows, chosen.start, chosen.end, theme)


def _list(house: House, rows: pl.DataFrame) -> None:
    """The newest ones, and the minutes around the one that is chosen."""
    import polars as pl

    newest = rows.sort("ts", descending=True).head(LISTED_MOST)
    shown = newest.select(
        pl.col("ts").alias("time, UTC"),
        "symbol",
        "venue",
        pl.Series("kind", list(map(words, newest["kind"]))),
        "score",
        "threshold",
        pl.Series("detail", list(map(detail, newest["detail"]))),
        pl.col("model_version").alias("found by"),
    )
    st.markdown("##### One by one")
    picked = st.dataframe(
        shown,
        key="listed",
        height=260,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "time, UTC": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", pinned=True),
            "score": st.column_config.NumberColumn(format="%.2f"),
            "threshold": st.column_config.NumberColumn(format="%.3g"),
            "detail": st.column_config.TextColumn(width="large"),
        },
    )
    more = f" The newest {LISTED_MOST} of {rows.height:,}." if rows.height > LISTED_MOST else ""
    st.caption(f"Choose a line to see the minutes around it.{more}")
    at = picked.selection["rows"][0] if picked.selection["rows"] else _strongest(newest)
    if at < newest.height:
        _around(house, newest.row(at, named=True))


def _strongest(rows: pl.DataFrame) -> int:
    """The first to look at: the highest score over its threshold."""
    import polars as pl

    over = rows.select(
        (pl.col("score").abs() / pl.col("threshold").abs()).fill_nan(0.0).fill_null(0.0)
    ).to_series()
    return over.arg_max() or 0


def _around(house: House, row: dict[str, object]) -> None:
    from barograph.dashboard.charts.candles import Look

    at, symbol, venue = row["ts"], str(row["symbol"]), str(row["venue"])
    assert isinstance(at, datetime)
    st.markdown(f"##### {words(str(row['kind'])).capitalize()} of {symbol}, {moment(at)} UTC")
    st.caption(f"Score {row['score']:.2f}, threshold {row['threshold']:.3g}: {detail(str(row['detail']))}.")
    look = Look(house.theme, height=480)
    figure = house.data.ask("around", (symbol, venue, at, look), partial(_minutes, symbol, venue, at, look))
    if figure is None:
        st.caption("There are no bars around it.")
        return
    st.plotly_chart(
        figure, key="around", config={"displayModeBar": False}, alt=f"{symbol} around {moment(at)}"
    )


def _minutes(symbol: str, venue: str, at: datetime, look: Look, market: Market) -> go.Figure | None:
    from barograph.dashboard.charts.candles import candles
    from barograph.market.intervals import bars, frame
    from barograph.store import Scan

    def scan(table: str) -> Scan:
        return Scan(table, None, [symbol], [venue], to_us(at - AROUND), to_us(at + AROUND))

    rows = bars(market.store, scan("market_microstructure"), "1m")
    if rows.is_empty():
        return None
    figure = candles(rows, frame(market.store, scan("anomalies")), 60_000_000, look)
    figure.add_vline(x=at, line={"color": look.theme.quiet, "width": 1, "dash": "dot"})
    return figure


def _rules_and_model(rows: pl.DataFrame) -> None:
    st.markdown("##### Rules against the model")
    minute = ["venue", "symbol", "ts"]
    by_model = rows.filter(rows["kind"] == MODEL).select(minute).unique()
    by_rules = rows.filter(rows["kind"] != MODEL).select(minute).unique()
    if by_model.is_empty():
        empty.nothing(
            "No model judges these minutes",
            "The rules' thresholds are fixed numbers. An isolation forest learns what is usual here, "
            "and its findings then stand beside theirs.",
            "barograph anomalies train",
            "barograph anomalies promote <version>",
        )
        return
    both = by_model.join(by_rules, on=minute, how="inner").height
    shares = {
        "Both": (both, "minutes that rules and model both find"),
        "Rules only": (by_rules.height - both, "minutes that the model finds usual"),
        "Model only": (by_model.height - both, "minutes that pass every rule, and are unusual together"),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, (count, told) in shares.items():
            st.metric(label, f"{count:,}", help=told, width="content")
    agreed = 100 * both / by_model.height
    st.caption(f"Of the minutes that the model finds, rules find {percent(agreed)} too.")
