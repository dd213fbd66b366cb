"""The ledger of paper trading as pages show it: what was traded, what is held and what that is worth.

Nothing is reckoned here that ``barograph trades`` and ``barograph positions`` do not reckon with the same
functions. The ledger is read by itself: where the tables cannot be, what was traded still can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from barograph.clock import from_us
from barograph.dashboard.troubles import told_apart
from barograph.paper.positions import Position, Trade
from barograph.paper.prices import LAST_RECORDED, Seen, asked, mark_of, newest, recorded

if TYPE_CHECKING:
    from barograph.dashboard.data import Data
    from barograph.market import Market
    from barograph.paper.summary import Valued
    from barograph.recorder.trading.figures import Figures

PENDING_MOST = 1_000
"""Trades that wait for the archive are counted up to here."""


class Held(NamedTuple):
    """A position that is open, with the last price that its trader saw; None where it has seen none."""

    position: Position
    mark: Seen | None


class Book(NamedTuple):
    """The ledger as it stands.

    Attributes:
        trades: completed ones, in order of their exits.
        held: open ones.
        pending: trades that the archive does not have, counted up to :data:`PENDING_MOST`.
        word: what a person said last: ``stop``, ``flatten`` or ``resume``; empty: nothing ever.
    """

    trades: tuple[Trade, ...]
    held: tuple[Held, ...]
    pending: int
    word: str


class State(StrEnum):
    """What the trading process does."""

    NEVER = "never ran"
    TRADING = "trading"
    HALTED = "halted"
    """It runs, and a person has told it to enter no more."""
    STUCK = "in trouble"
    """It runs, and something keeps it from going on."""
    ENDED = "not running"
    LOST = "lost"
    """It has not ended in an orderly way, and says nothing any more."""


def book(folder: Path) -> Book | None:
    """The ledger of the data directory ``folder``, read once for each of its states; None: there is none.

    Raises:
        Unavailable: it cannot be read.
    """
    from barograph.store.layout import ledger_path

    path = ledger_path(folder / "lake")
    with told_apart():
        if not path.is_file():
            return None
        return _book(str(path), _stamp(path))


def _stamp(path: Path) -> str:
    """Changes with each write: those that are not in the file yet are in its log."""
    files = (path, path.with_name(path.name + "-wal"))
    stats = [each.stat() for each in files if each.exists()]
    return ",".join(f"{stat.st_ino}.{stat.st_mtime_ns}.{stat.st_size}" for stat in stats)


# The very same for all viewers: nobody can change it, and a copy for each would cost more than reading.
@st.cache_resource(show_spinner=False, max_entries=2)
def _book(path: str, stamp: str) -> Book:
    from barograph.paper.ledgers.sqlite import SqliteLedger
    from barograph.recorder.trading.control import heard

    del stamp  # it names the state
    ledger = SqliteLedger(Path(path), read_only=True)
    try:
        items, word = list(ledger.items()), heard(ledger)
        return Book(
            trades=tuple(ledger.trades()),
            held=tuple(Held(one, mark_of(item, one)) for item in items for one in item.positions),
            pending=len(ledger.pending(PENDING_MOST)),
            word="" if word is None else word.action,
        )
    finally:
        ledger.shut()


def valued(
    held: Iterable[Held], prices: Mapping[tuple[str, str], Seen]
) -> list[tuple[Position, Valued | None]]:
    """What is held at its last price: the trader's, or the close of a recorded minute that began after it.

    In order of strategy, venue, symbol and entry; None where no price is known.
    """
    from barograph.paper.summary import valued as at_price

    found: list[tuple[Position, Valued | None]] = []
    for one, mark in held:
        last = newest(mark, prices.get((one.venue, one.symbol)))
        found.append((one, None if last is None else at_price(one, last.price, last.ts_us)))
    return sorted(found, key=lambda pair: (*pair[0][:3], pair[0].entry_ts_us, pair[0].entry_id))


def recorded_prices(data: Data, held: Iterable[Held]) -> dict[tuple[str, str], Seen]:
    """The last recorded price of what is held, by venue and symbol; no minute before the entries is read.

    Raises:
        Unavailable: the tables cannot be read.
    """
    positions = [each.position for each in held]
    if not positions:
        return {}
    since_us, symbols = asked(positions)

    def read(market: Market) -> dict[tuple[str, str], Seen]:
        rows = market.sql(LAST_RECORDED, [from_us(since_us), list(symbols)])
        return recorded(rows.iter_rows(named=True))

    return data.ask("last prices", (since_us, symbols), read)


def state_of(figures: Figures | None, now_ns: int, word: str) -> State:
    """What the process does, by what it said last."""
    from barograph.recorder.trading.figures import fresh

    if figures is None:
        return State.NEVER
    if not fresh(figures, now_ns):
        return State.ENDED if figures.ended else State.LOST
    if figures.problem:
        return State.STUCK
    return State.HALTED if figures.halted or word in ("stop", "flatten") else State.TRADING
