"""Trading: how the process does, what was earned, what is open, and every completed trade."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from barograph.clock import NS_PER_S
from barograph.dashboard import empty
from barograph.dashboard.book import (
    PENDING_MOST,
    Book,
    State,
    book,
    recorded_prices,
    state_of,
    valued,
)
from barograph.dashboard.completed import completed, curves, money
from barograph.dashboard.formats import DASH, amount, length, percent, price
from barograph.dashboard.sheets import Cell, Column, sheet
from barograph.dashboard.telling import as_it_is
from barograph.dashboard.troubles import Unavailable
from barograph.paper.summary import Summary, Valued, summarise

if TYPE_CHECKING:
    from barograph.dashboard.house import House
    from barograph.paper.positions import Position
    from barograph.recorder.trading.figures import Figures

_BADGES = {
    State.NEVER: ("gray", ":material/hourglass_empty:"),
    State.TRADING: ("green", ":material/play_arrow:"),
    State.HALTED: ("orange", ":material/pan_tool:"),
    State.STUCK: ("red", ":material/error:"),
    State.ENDED: ("gray", ":material/stop:"),
    State.LOST: ("red", ":material/link_off:"),
}
_HELD = (
    Column("strategy", "left"),
    Column("symbol", "left"),
    Column("quantity", is_less=True),
    Column("entry", is_less=True),
    Column("last price"),
    Column("value"),
    Column("unrealised"),
    Column("%", is_less=True),
    Column("held", is_less=True),
)
_SUMS = (
    Column("strategy", "left"),
    Column("trades"),
    Column("win rate"),
    Column("profit"),
    Column("fees", is_less=True),
    Column("profit factor"),
    Column("best", is_less=True),
    Column("worst", is_less=True),
    Column("furthest fall", is_less=True),
    Column("held, mean", is_less=True),
    Column("open", is_less=True),
)


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Trading", anchor=False)
    found = book(house.data.folder)
    if found is None or not (found.trades or found.held):
        _process(house, found)
        empty.nothing(
            "No trades yet",
            "Paper trading follows what is recorded, with your strategies and pretended money. "
            "It buys dips, or trades the winner of a study; over a recording it does so at once.",
            *_first_steps(house),
        )
        return
    house.live(partial(_now, house))
    house.live(partial(completed, house))


def _first_steps(house: House) -> tuple[str, ...]:
    data = f" --data {house.data.folder}"
    has_tape = (house.data.folder / "tape").is_dir()
    follow = f"barograph trade --strategy dip{data}"
    if has_tape:
        return (follow, f"barograph trade --strategy dip --drop-pct 0.5 --replay {house.data.folder}")
    return (f"barograph record --feed sim{data}", follow)


def _now(house: House) -> None:
    """What changes while it trades."""
    found = book(house.data.folder)
    if found is None:
        return
    values, trouble = _values(house, found)
    _process(house, found)
    _totals(found, values)
    _equity(house, found, values)
    st.markdown("##### Open positions")
    _held(house, values)
    if trouble:
        st.caption(f"Prices are those that the traders saw last: {as_it_is(trouble)}")
    st.markdown("##### By strategy")
    _strategies(house, found)


def _values(house: House, found: Book) -> tuple[list[tuple[Position, Valued | None]], str]:
    """What is open at its last price, and why recorded prices are not among these."""
    try:
        recorded = recorded_prices(house.data, found.held)
    except Unavailable as unavailable:
        return valued(found.held, {}), unavailable.reason
    return valued(found.held, recorded), ""


def _process(house: House, found: Book | None) -> None:
    """The trading process: whether it runs, how far it is behind, what waits for the archive."""
    figures = house.data.trader()
    state = state_of(figures, time.time_ns(), found.word if found else "")
    colour, icon = _BADGES[state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(f"trading process: {state}", icon=icon, color=colour)  # type: ignore[arg-type]
        if found and found.word in ("stop", "flatten") and state is not State.HALTED:
            st.badge("kill switch is on", icon=":material/pan_tool:", color="orange")
        if found and found.pending:
            waiting = f"{found.pending:,}" + ("+" if found.pending >= PENDING_MOST else "")
            st.badge(f"{waiting} trades wait for the archive", icon=":material/inbox:", color="orange")
    if figures is not None:
        _told(house, figures, state, found)


def _told(house: House, figures: Figures, state: State, found: Book | None) -> None:
    """What the process says of itself, and what helps it."""
    if state in (State.TRADING, State.HALTED):
        told = [f"lag {length(figures.lag_s)}"]
    else:
        told = [f"last seen {length(max(time.time_ns() - figures.now_ns, 0) / NS_PER_S)} ago"]
    if figures.orders_ms is not None:
        median, tail = figures.orders_ms
        told.append(f"orders in the ledger after {median:.1f} ms (p99 {tail:.1f} ms)")
    told.append(f"archived {figures.archived:,} since its start")
    if found and not found.pending:
        told.append("nothing waits for the archive")
    st.caption(" · ".join(told))
    if figures.problem:
        st.markdown(f":material/error: {as_it_is(figures.problem)}")
    if state is State.LOST:
        st.markdown("It has stopped without a word; started again, it goes on where it was.")
        st.code(f"barograph trade --data {house.data.folder}", language="bash")
    elif state is State.HALTED:
        st.caption("No new positions are entered. `barograph trade resume` lets it enter again.")


def _totals(found: Book, values: Sequence[tuple[Position, Valued | None]]) -> None:
    known = [value for _, value in values if value is not None]
    worth = sum(abs(value.position.quantity) * value.price for value in known)
    profit = sum(one.profit for one in found.trades)
    wins = sum(one.profit > 0 for one in found.trades)
    rate = percent(100.0 * wins / len(found.trades)) if found.trades else DASH
    figures = [
        ("Earned, after fees", money(profit)),
        ("Unrealised", money(sum(value.unrealised for value in known)) if known else DASH),
        ("Open", f"{len(values):,}"),
        ("Value of it", money(worth) if known else DASH),
        ("Trades", f"{len(found.trades):,}"),
        ("Win rate", rate),
        ("Fees", money(sum(one.fees for one in found.trades))),
    ]
    with st.container(horizontal=True, gap="medium"):
        for name, value in figures:
            st.metric(name, value, width="content")


def _equity(house: House, found: Book, values: Sequence[tuple[Position, Valued | None]]) -> None:
    from barograph.dashboard.charts.equity import Look, equity

    drawn = curves(found.trades, values)
    if not drawn:
        st.caption("No trade is completed yet; the curve begins with the first.")
        return
    look = Look(house.theme, floor=0.0, height=400 if house.is_phone else 440)
    st.plotly_chart(
        equity(drawn, look),
        key="equity",
        config={"displayModeBar": False, "scrollZoom": False},
        alt="Profit of completed trades over time, per strategy and together, and how far below its peak",
    )
    st.caption(
        "Profit after fees, summed over completed trades, in the currency of the prices; the dotted end is "
        "what it would be with all that is open sold at its last price, before the fee of the exit."
    )


def _held(house: House, values: Sequence[tuple[Position, Valued | None]]) -> None:
    if not values:
        st.caption("Nothing is open.")
        return
    known = [value for _, value in values if value is not None]
    worth = sum(value.position.quantity * value.price for value in known)
    gain = sum(value.unrealised for value in known)
    total: list[Cell | str] = ["together", "", "", "", "", money(worth), _signed(house, gain), "", ""]
    rows = [_position(house, position, value) for position, value in values]
    st.html(sheet(_HELD, rows, total=total if len(rows) > 1 else None))


def _position(house: House, one: Position, value: Valued | None) -> list[Cell | str]:
    head: list[Cell | str] = [one.strategy, one.symbol, amount(one.quantity), price(one.entry_price)]
    if value is None:
        return [*head, "unknown", DASH, DASH, DASH, DASH]
    return [
        *head,
        price(value.price),
        money(one.quantity * value.price),
        _signed(house, value.unrealised),
        _signed(house, value.unrealised_pct, percent(value.unrealised_pct, signed=True)),
        length(value.held_s),
    ]


def _strategies(house: House, found: Book) -> None:
    summaries = summarise(found.trades)
    held = [each.position.strategy for each in found.held]
    if not summaries:
        st.caption("No trade is completed yet.")
        return
    rows = [_summary(house, one, held.count(one.strategy)) for one in summaries]
    total: list[Cell | str] | None = None
    if len(summaries) > 1:
        together = summarise(one._replace(strategy="together") for one in found.trades)[0]
        total = _summary(house, together, len(held))
    st.html(sheet(_SUMS, rows, total=total))


def _summary(house: House, one: Summary, held: int) -> list[Cell | str]:
    return [
        one.strategy,
        f"{one.trades:,}",
        percent(100.0 * one.win_rate),
        _signed(house, one.profit),
        money(one.fees),
        DASH if one.profit_factor is None else f"{one.profit_factor:.2f}",
        money(one.best),
        money(one.worst),
        money(-one.max_drawdown),
        length(one.average_hold_s),
        f"{held:,}",
    ]


def _signed(house: House, value: float, text: str = "") -> Cell:
    colour = house.theme.up if value > 0 else house.theme.down if value < 0 else ""
    return Cell(text or money(value), colour)
