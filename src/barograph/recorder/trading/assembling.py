"""From a plan to an engine: a fresh one, or one that goes on where the ledger says."""

from __future__ import annotations

import threading

import msgspec
import numpy as np

from barograph.clock import MINUTE_US
from barograph.paper.ledger import Ledger
from barograph.recorder.line import LineSettings
from barograph.recorder.resuming import Places
from barograph.recorder.trading.account import is_bar
from barograph.recorder.trading.bar_part import BarPart, History, SharedPart
from barograph.recorder.trading.beginning import at_present, at_start, begin, beginning
from barograph.recorder.trading.control import Action, Applied, applied
from barograph.recorder.trading.engine import Engine, Trading, market_state
from barograph.recorder.trading.market import MarketView, Minute
from barograph.recorder.trading.specs import BarStrategy, Market, Plan, TickStrategy
from barograph.recorder.trading.tick_part import TickPart
from barograph.rows import Floats
from barograph.snapshot import pack, unpack
from barograph.store import Scan
from barograph.store.arrays import values
from barograph.store.lake import Lake
from barograph.strategies.prices import Prices
from barograph.tables import MARKET_MICROSTRUCTURE
from barograph.tape import TapeReader

JOINING, JOINING_NAMES = "engine/joining", "engine/joining/names"
WARM_MINUTES = 1_500
"""Recorded minutes that warm a new account up; a strategy that looks back further begins to trade later."""

_COLUMNS = ("timestamp", "open", "high", "low", "price", "volume", "exec_price", "bid_ask_spread")


def assemble(
    plan: Plan,
    ledger: Ledger,
    settings: LineSettings,
    places: Places,
    *,
    from_start: bool,
    stopping: threading.Event,
) -> Engine | None:
    """The engine of ``plan`` on the tape of ``places``.

    Args:
        from_start: a plan that never traded begins with the tape; else at the present.
        stopping: gives up waiting for the present; then None is returned.

    Raises:
        SettingsError: other terms than those that the ledger knows the strategies by.
    """
    reader = TapeReader(places.tape)
    state = market_state(ledger, settings)
    if state is not None:
        market, fresh = MarketView(settings, state), False
    else:
        present = None if from_start else at_present(settings, places, reader, stopping)
        if present is None and stopping.is_set():
            return None
        fresh = present is None
        market = present or at_start(settings, reader)
    words = applied(ledger)
    said = last_word(words, market.next_pos)
    parts = []
    for spec in plan.strategies:
        begin(ledger, spec, plan.market, market, fresh)
        history = Recorded(places, ledger, spec.name)
        parts.append(part_of(spec, plan.market, market, ledger, history, said))
    return Engine(ledger, market, parts, words)


def joining(plan: Plan, ledger: Ledger, settings: LineSettings, places: Places) -> Engine | None:
    """The engine of those strategies of ``plan`` that have yet to come where the others stand.

    A replay trades a new strategy from the tape's start, also where others have been there before. It
    trades alone (nobody else's position may move meanwhile) up to their position; then :func:`joined`.
    None where there is nobody to wait for, or nobody to come.
    """
    if market_state(ledger, settings) is None:
        return None
    names = joining_names(ledger)
    new = [spec for spec in plan.strategies if spec.name in names or beginning(ledger, spec.name) is None]
    if not new:
        return None
    state = market_state(ledger, settings, JOINING)
    if state is None or set(names) != {spec.name for spec in new}:
        state = None
        ledger.note(JOINING, b"")
        ledger.note(JOINING_NAMES, msgspec.json.encode([spec.name for spec in new]))
    market = at_start(settings, TapeReader(places.tape)) if state is None else MarketView(settings, state)
    words, parts = applied(ledger), []
    for spec in new:
        begin(ledger, spec, plan.market, at_start(settings, TapeReader(places.tape)), fresh=True)
        history = Recorded(places, ledger, spec.name)
        parts.append(part_of(spec, plan.market, market, ledger, history, last_word(words, market.next_pos)))
    return Engine(ledger, market, parts, words, note=JOINING)


def joining_names(ledger: Ledger) -> list[str]:
    """Who is on the way to where the others stand."""
    data = ledger.noted(JOINING_NAMES)
    return msgspec.json.decode(data, type=list[str]) if data else []


def joined(ledger: Ledger) -> None:
    """Those who were on the way are there, and kept."""
    ledger.note(JOINING_NAMES, b"")
    ledger.note(JOINING, b"")


def part_of(
    spec: TickStrategy | BarStrategy,
    wanted: Market,
    market: MarketView,
    ledger: Ledger,
    history: History,
    said: Action | None,
) -> Trading:
    """A strategy as a part of an engine."""
    if isinstance(spec, TickStrategy):
        return TickPart(spec, wanted, ledger)
    if spec.shared:
        return SharedPart(spec, market, ledger, history, said)
    return BarPart(spec, wanted, market, ledger, history, said)


def last_word(words: list[Applied], pos: int) -> Action | None:
    """What was said last before ``pos``."""
    before = [word.word.action for word in words if word.pos < pos]
    return before[-1] if before else None


class Kept(msgspec.Struct):
    """(8, n): starts in microseconds (exact as float64), then the columns of ``Minute``."""

    columns: Floats


class Recorded:
    """Minutes out of the lake that warm an account up; kept in the ledger, so that they stay as they were.

    Without ``places`` only those that are kept.
    """

    def __init__(self, places: Places | None, ledger: Ledger, name: str) -> None:
        self._places, self._ledger, self._name = places, ledger, name

    def __call__(self, venue: str, symbol: str, before_us: int) -> Prices | None:
        note = f"history/{self._name}/{venue}/{symbol}"
        kept = self._ledger.noted(note)
        if kept is None:
            if self._places is None:
                return None
            kept = pack(Kept(_read(Lake(self._places.lake), venue, symbol, before_us)))
            self._ledger.note(note, kept)
        columns = unpack(kept, Kept).columns
        return _prices(symbol, columns) if columns.shape[1] else None


def _read(lake: Lake, venue: str, symbol: str, before_us: int) -> Floats:
    """(8, n) the newest minutes before a time that are bars; starts in microseconds, exact as float64."""
    until_us = min(before_us, 1 << 52)
    newest: list[Floats] = []
    scan = Scan(MARKET_MICROSTRUCTURE.name, list(_COLUMNS), [symbol], [venue], None, until_us)
    for batch in lake.scan(scan):
        newest = [
            *newest[-1:],
            np.array([values(batch[name], np.nan) for name in _COLUMNS], dtype=np.float64),
        ]
    if not newest:
        return np.empty((8, 0))
    table = np.concatenate(newest, axis=1)
    bars = [is_bar(Minute(0, 0, 0, int(row[0]), *row[1:])) for row in table.T.tolist()]
    return np.ascontiguousarray(table[:, bars][:, -WARM_MINUTES:])


def _prices(symbol: str, columns: Floats) -> Prices:
    ts_us, opened, high, low, close, volume, exec_price, spread = columns
    return Prices(
        symbol, MINUTE_US, ts_us.astype(np.int64), opened, high, low, close, volume, exec_price, spread
    )
