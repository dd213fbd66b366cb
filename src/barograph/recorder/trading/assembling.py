"""From a plan to an engine: a fresh one, or one that goes on where the ledger says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec
import numpy as np

from barograph.clock import MINUTE_US
from barograph.log import get_logger
from barograph.paper.ledger import Ledger
from barograph.recorder.places import Places
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.account import is_bar
from barograph.recorder.trading.bar_part import BarPart, History, SharedPart
from barograph.recorder.trading.beginning import at_present, at_start, begin, beginning, market_at
from barograph.recorder.trading.control import Action, Applied, applied
from barograph.recorder.trading.engine import CHECKPOINT, Engine, Parts, Standing, standing
from barograph.recorder.trading.market import MarketState, MarketView, Minute
from barograph.recorder.trading.specs import BarStrategy, Market, Plan, TickStrategy
from barograph.recorder.trading.tick_part import TickPart
from barograph.rows import Floats
from barograph.snapshot import pack, unpack
from barograph.store import Scan
from barograph.store.arrays import values
from barograph.store.store import Reader
from barograph.strategies.prices import Prices
from barograph.tables import MARKET_MICROSTRUCTURE
from barograph.tape import TapeReader

WARM_MINUTES = 1_500
"""Recorded minutes that warm a new account up; a strategy that looks back further begins to trade later."""

log = get_logger()

_COLUMNS = ("timestamp", "open", "high", "low", "price", "volume", "exec_price", "bid_ask_spread")


class Assembled(NamedTuple):
    """Where trading goes on.

    Attributes:
        behind: engines of single strategies that have yet to come where the others stand, each up to there.
        main: makes the engine of all, once they have.
        stand_pos: where the others stand.
    """

    behind: tuple[Engine, ...]
    main: Callable[[], Engine]
    stand_pos: int


def assemble(
    plan: Plan,
    ledger: Ledger,
    settings: LineSettings,
    places: Places,
    *,
    from_start: bool,
    stopping: threading.Event,
) -> Assembled | None:
    """What trades ``plan`` on the tape of ``places``.

    Who was left out for a while goes on where it was left. Who has never traded begins with the tape
    (``from_start``), or where the others stand.

    Args:
        from_start: also where nobody has traded yet; else those begin at the present.
        stopping: gives up waiting for the present; then None is returned.

    Raises:
        SettingsError: other terms than those that the ledger knows the strategies by.
    """
    reader = TapeReader(places.tape)
    stand = standing(ledger, settings) or _first(
        ledger, settings, places, reader, from_start, stopping, minutes=bool(plan.bars)
    )
    if stand is None:
        return None
    _leave_behind(plan, ledger, stand)
    behind, new = [], []
    for spec in plan.strategies:
        minutes = isinstance(spec, BarStrategy)
        if spec.name in stand.names:
            begin(ledger, spec, plan.market, MarketView(settings, stand.market, minutes=False))
            continue
        at = _past(ledger, settings, spec.name, reader, from_start, minutes=minutes)
        if at is None:
            new.append(spec)
            continue
        begin(ledger, spec, plan.market, at)
        behind.append(_engine(ledger, places, plan, (spec,), at, left_note(spec.name)))

    def main() -> Engine:
        market = _market(settings, stand.market, behind, minutes=bool(plan.bars))
        for spec in new:
            begin(ledger, spec, plan.market, market)
        return _engine(ledger, places, plan, plan.strategies, market, CHECKPOINT)

    return Assembled(tuple(behind), main, stand.market.next_pos)


def _market(
    settings: LineSettings, stood: MarketState, behind: Sequence[Engine], *, minutes: bool
) -> MarketView:
    """Where all stand. If no minutes were made there, who comes from behind brings his; else they begin."""
    if minutes and not stood.bars:
        brought = (one.market.state() for one in behind)
        stood = next((one for one in brought if one.bars), stood)
    return MarketView(settings, stood, minutes=minutes)


def left_note(name: str) -> str:
    """Under which it stands where a strategy is that does not trade with the others."""
    return f"left/{name}"


def _first(
    ledger: Ledger,
    settings: LineSettings,
    places: Places,
    reader: TapeReader,
    from_start: bool,
    stopping: threading.Event,
    *,
    minutes: bool,
) -> Standing | None:
    """Where a ledger's trading begins, kept before anybody trades: who dies at once begins there again."""
    market = None if from_start else at_present(settings, places, reader, stopping)
    if market is None and stopping.is_set():
        return None
    state = (market or at_start(settings, reader)).state()
    stand = Standing((), state if minutes else MarketView(settings, state, minutes=False).state())
    ledger.note(CHECKPOINT, pack(stand))
    return stand


def _leave_behind(plan: Plan, ledger: Ledger, stand: Standing) -> None:
    """Keep where those stand who traded with the others and are not in the plan."""
    names = {spec.name for spec in plan.strategies}
    for name in stand.names:
        if name in names:
            continue
        ledger.note(left_note(name), pack(Standing((name,), stand.market)))
        held = [
            position for item in ledger.items() for position in item.positions if item.key.strategy == name
        ]
        if held:
            log.warning(
                "a strategy is left out that holds positions; nobody watches them. Trade it again, or say "
                "'barograph trade stop --flatten' and trade it until it is flat",
                strategy=name,
                positions=len(held),
            )


def _past(
    ledger: Ledger, settings: LineSettings, name: str, reader: TapeReader, from_start: bool, *, minutes: bool
) -> MarketView | None:
    """The market where a strategy was left, or begun, or is to begin; None: where the others stand."""
    left, known = standing(ledger, settings, left_note(name)), beginning(ledger, name)
    if left is not None:
        return MarketView(settings, left.market, minutes=minutes)
    if known is not None:
        return market_at(settings, known, reader)
    return at_start(settings, reader, minutes) if from_start else None


def _engine(
    ledger: Ledger,
    places: Places,
    plan: Plan,
    specs: Sequence[TickStrategy | BarStrategy],
    market: MarketView,
    note: str,
) -> Engine:
    words = applied(ledger)
    said = last_word(words, market.next_pos)
    histories = [Recorded(places, ledger, spec.name) for spec in specs]
    return Engine(ledger, market, parts_of(specs, plan.market, market, ledger, histories, said), words, note)


def parts_of(
    specs: Sequence[TickStrategy | BarStrategy],
    wanted: Market,
    market: MarketView,
    ledger: Ledger,
    histories: Sequence[History],
    said: Action | None,
) -> Parts:
    """Strategies as parts of an engine; a history belongs to each."""
    on_trades = tuple(TickPart(one, wanted, ledger) for one in specs if isinstance(one, TickStrategy))
    on_minutes = tuple(
        SharedPart(one, market, ledger, history, said)
        if one.shared
        else BarPart(one, wanted, market, ledger, history, said)
        for one, history in zip(specs, histories, strict=True)
        if isinstance(one, BarStrategy)
    )
    return Parts(on_trades, on_minutes)


def last_word(words: list[Applied], pos: int) -> Action | None:
    """What was said last before ``pos``."""
    before = [word.word.action for word in words if word.pos < pos]
    return before[-1] if before else None


class Kept(msgspec.Struct):
    """(8, n): starts in microseconds (exact as float64), then the columns of ``Minute``."""

    columns: Floats


class Recorded:
    """Recorded minutes that warm an account up; kept in the ledger, so that they stay as they were.

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
            with closing(self._places.store()) as store:
                kept = pack(Kept(_read(store, venue, symbol, before_us)))
            self._ledger.note(note, kept)
        columns = unpack(kept, Kept).columns
        return _prices(symbol, columns) if columns.shape[1] else None


def _read(store: Reader, venue: str, symbol: str, before_us: int) -> Floats:
    """(8, n) the newest minutes before a time that are bars; starts in microseconds, exact as float64."""
    until_us = min(before_us, 1 << 52)
    newest: list[Floats] = []
    scan = Scan(MARKET_MICROSTRUCTURE.name, list(_COLUMNS), [symbol], [venue], None, until_us)
    for batch in store.scan(scan):
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
