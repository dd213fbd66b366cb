"""Is the ledger what the tape says? Everything is traded again, from the beginnings on, and compared.

Two questions. Whether the process did what it had to: the same strategies over the same tape must give the
same positions and trades, to the bit; what does not agree is a **difference**, and none is allowed. And what
hindsight would have changed: bars that a late trade revised after the decision on them. Over the tables as
they stand now the same strategies may have traded otherwise; such trades are **revised**, told one by one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from barograph.paper.ledger import Key, Ledger
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.account import BarAccount, Slot, is_bar
from barograph.recorder.trading.assembling import Recorded, last_word, left_note, parts_of
from barograph.recorder.trading.beginning import Beginning, begun, market_at
from barograph.recorder.trading.control import applied
from barograph.recorder.trading.engine import Engine, Standing, standing
from barograph.recorder.trading.market import Minute
from barograph.recorder.trading.specs import BarStrategy
from barograph.store import Scan
from barograph.store.arrays import values
from barograph.store.opening import Location
from barograph.store.store import Reader
from barograph.tables import MARKET_MICROSTRUCTURE
from barograph.tape import TapeReader

Progress = Callable[[int, int], None]

_COLUMNS = (
    *("timestamp", "open", "high", "low", "price", "volume", "exec_price", "bid_ask_spread"),
    *("tape_pos", "revision"),
)


class Entry(NamedTuple):
    """What a position is known by."""

    strategy: str
    venue: str
    symbol: str
    entry_id: str


class Difference(msgspec.Struct, frozen=True):
    """Something on which ledger and tape do not agree.

    Attributes:
        what: ``position`` or ``trade``; ``field``: of it, empty where one side lacks it.
        ledger, tape: what each side has; None: nothing.
    """

    strategy: str
    venue: str
    symbol: str
    entry_id: str
    what: str
    field: str
    ledger: Any
    tape: Any


class Revised(msgspec.Struct, frozen=True):
    """A trade that hindsight would have made otherwise.

    Attributes:
        trade_key: of the trade in the ledger, or of that which the tables would give.
        live: whether it was made.
        minute_us: of the first bar of the symbol, up to the trade's end, that was revised since; None where
            none was: then an earlier trade, or the shared cash, is the cause.
    """

    trade_key: str
    strategy: str
    venue: str
    symbol: str
    live: bool
    minute_us: int | None


class Report(msgspec.Struct, frozen=True):
    """What came out.

    Attributes:
        positions, trades: compared.
        from_pos, to_pos: the stretch of the tape.
        rows: differences, one a field.
        revised: None where the tables do not reach so far.
    """

    positions: int
    trades: int
    from_pos: int
    to_pos: int
    rows: tuple[Difference, ...]
    revised: tuple[Revised, ...] | None

    @property
    def differences(self) -> int:
        """How many there are."""
        return len(self.rows)


class Sides(NamedTuple):
    """Positions and trades of one side, by entry."""

    positions: dict[Entry, Position]
    trades: dict[Entry, Trade]


def reconcile(
    data: Path,
    ledger: Ledger,
    settings: LineSettings,
    progress: Progress | None = None,
    tables: Location | None = None,
) -> Report:
    """Compare ``ledger`` with what the tape of ``data`` gives, up to the last checkpoint.

    What the ledger holds beyond the checkpoint must be what the tape gives by its present end.

    Args:
        tables: where the tables are that hindsight looks at; None: the lake of ``data``.

    Raises:
        SettingsError: rows are shaped otherwise than when trading began.
        DataError: the tape does not reach back to where a strategy began.
    """
    reader = TapeReader(data / "tape")
    beginnings, stand = begun(ledger), standing(ledger, settings)
    if stand is None or not beginnings:
        return Report(0, 0, reader.begin, reader.begin, (), None)
    end, reached = reader.end, {one.spec.name: _reached(one, ledger, settings, stand) for one in beginnings}
    upto = min(max(reached.values()), end)
    mine, due, known = sides(ledger), Sides({}, {}), Sides({}, {})
    with tempfile.TemporaryDirectory(prefix="barograph-reconcile-") as folder:
        for number, one in enumerate(beginnings):
            again = SqliteLedger(Path(folder) / f"{number}.sqlite")
            engine = _engine(one, ledger, again, settings, reader)
            _run(engine, reader, min(reached[one.spec.name], end), progress)
            _add(due, sides(again))
            _run(engine, reader, end, progress)
            _add(known, sides(again))
            again.shut()
    rows = tuple(_differences(mine, due, known))
    with closing((tables or Location(data)).open()) as store:
        revised = _revised(store, ledger, settings, beginnings) if store.committed() >= upto else None
    first = min(one.pos for one in beginnings)
    return Report(len(mine.positions), len(mine.trades), first, upto, rows, revised)


def _reached(one: Beginning, ledger: Ledger, settings: LineSettings, stand: Standing) -> int:
    """How far a strategy has traded, as far as is kept: with the others, or to where it was left."""
    name = one.spec.name
    left = stand if name in stand.names else standing(ledger, settings, left_note(name))
    return one.pos if left is None else left.market.next_pos


def sides(ledger: Ledger) -> Sides:
    """All positions and trades of a ledger."""
    open_ones = [position for item in ledger.items() for position in item.positions]
    return Sides(
        {entry_of(position): position for position in open_ones},
        {entry_of(trade): trade for trade in ledger.trades()},
    )


def entry_of(one: Position | Trade) -> Entry:
    """What it is known by."""
    return Entry(one.strategy, one.venue, one.symbol, one.entry_id)


def _add(all_of: Sides, more: Sides) -> None:
    all_of.positions.update(more.positions)
    all_of.trades.update(more.trades)


def _engine(
    one: Beginning, ledger: Ledger, again: SqliteLedger, settings: LineSettings, reader: TapeReader
) -> Engine:
    """A strategy as it began, with an empty ledger; what warmed it up is what the true one has kept."""
    market, spec, words = market_at(settings, one, reader), one.spec, applied(ledger)
    history = Recorded(None, ledger, spec.name)
    parts = parts_of((spec,), one.wanted, market, again, (history,), last_word(words, one.pos))
    return Engine(again, market, parts, words)


def _run(engine: Engine, reader: TapeReader, upto: int, progress: Progress | None) -> None:
    begin = engine.next_pos
    if upto <= begin:
        return
    for run in reader.read(begin, upto):
        engine.advance(run)
        if progress is not None:
            progress(run.next_pos - begin, upto - begin)


def _differences(mine: Sides, due: Sides, known: Sides) -> Iterator[Difference]:
    """What is due must be mine, as it was made; what is mine must be known."""
    for entry, trade in due.trades.items():
        yield from _compared(entry, "trade", mine.trades.get(entry), trade)
    for entry, position in due.positions.items():
        closed_since = entry in mine.trades and entry in known.trades
        if not closed_since:
            yield from _compared(entry, "position", mine.positions.get(entry), position)
    for entry, one in mine.trades.items():
        if entry not in due.trades:
            yield from _compared(entry, "trade", one, known.trades.get(entry))
    for entry, held in mine.positions.items():
        if entry not in due.positions:
            begun_later = known.positions.get(entry) or _as_position(known.trades.get(entry), held)
            yield from _compared(entry, "position", held, begun_later)


def _as_position(trade: Trade | None, held: Position) -> Position | None:
    """The position that a trade has ended; its fee is one of two that are only known together."""
    if trade is None:
        return None
    return held._replace(
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        entry_ts_us=trade.entry_ts_us,
        bar_version=trade.bar_version,
    )


def _compared(
    entry: Entry, what: str, ledger: Position | Trade | None, tape: Position | Trade | None
) -> Iterator[Difference]:
    if ledger is None or tape is None:
        sides = [None if one is None else one._asdict() for one in (ledger, tape)]
        yield Difference(*entry, what, "", *sides)
        return
    for field, here, there in zip(ledger._fields, ledger, tape, strict=True):
        if here != there:
            yield Difference(*entry, what, field, here, there)


# -- hindsight ----------------------------------------------------------------------------------------------


def _revised(
    store: Reader, ledger: Ledger, settings: LineSettings, beginnings: Iterable[Beginning]
) -> tuple[Revised, ...]:
    """Trades of bar strategies that the tables as they stand now would have given otherwise."""
    found: list[Revised] = []
    for one in beginnings:
        spec = one.spec
        if isinstance(spec, BarStrategy) and not spec.shared:
            for item in ledger.items():
                if item.key.strategy == spec.name:
                    found += _hindsight(store, ledger, settings, spec, item.key)
    return tuple(found)


def _hindsight(
    store: Reader, ledger: Ledger, settings: LineSettings, spec: BarStrategy, key: Key
) -> Iterator[Revised]:
    """One account over the final bars, beside what it did."""
    mine = [t for t in ledger.trades() if (t.strategy, t.venue, t.symbol) == key]
    item = ledger.read(key)
    with tempfile.TemporaryDirectory(prefix="barograph-hindsight-") as folder:
        again = SqliteLedger(Path(folder) / "ledger.sqlite")
        before = Recorded(None, ledger, spec.name)(key.venue, key.symbol, 0)
        account = BarAccount(
            again,
            key,
            [Slot(spec.name, spec.members[0].strategy, key.venue, key.symbol)],
            spec.costs,
            spec.bounds,
            settings.bars.allowed_lateness_us,
            () if before is None else (before,),
        )
        late: list[int] = []
        for minute, revision in _final(store, key, item.newest_ts_us):
            if revision:
                late.append(minute.ts_us)
            if is_bar(minute):
                account.step(minute.ts_us, [minute])
        final = list(again.trades())
        again.shut()
    yield from _otherwise(mine, final, live=True, late=late)
    yield from _otherwise(final, mine, live=False, late=late)


def _otherwise(these: list[Trade], those: list[Trade], *, live: bool, late: list[int]) -> Iterator[Revised]:
    """Trades among ``these`` that are not, with the same fills, among ``those``."""
    known = {_fills(trade) for trade in those}
    for trade in these:
        if _fills(trade) not in known:
            before = [ts_us for ts_us in late if ts_us <= trade.exit_ts_us]
            first = before[0] if before else None
            yield Revised(trade.trade_key, trade.strategy, trade.venue, trade.symbol, live, first)


def _fills(trade: Trade) -> tuple[object, ...]:
    return trade.quantity, trade.entry_ts_us, trade.entry_price, trade.exit_ts_us, trade.exit_price


def _final(store: Reader, key: Key, upto_us: int) -> Iterator[tuple[Minute, int]]:
    """Minutes of an instrument as the tables have them, with their revisions, oldest first."""
    scan = Scan(MARKET_MICROSTRUCTURE.name, list(_COLUMNS), [key.symbol], [key.venue], None, upto_us + 1)
    for batch in store.scan(scan):
        columns = [values(batch[name], np.nan).tolist() for name in _COLUMNS]
        for ts_us, opened, high, low, close, volume, exec_price, spread, version, revision in zip(
            *columns, strict=True
        ):
            prices = (opened, high, low, close, volume, exec_price, spread)
            yield Minute(0, int(version), 0, int(ts_us), *prices), int(revision)
