"""What traders see of a tape: trades one by one, and minutes as they close.

Only the *first* version of a minute is seen: it is what was known when a decision had to be made. Later
revisions change the tables, never a decision.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from barograph.bars import BarKernel, BarState, Run
from barograph.clock import MINUTE_US, NS_PER_US
from barograph.paper.events import TradeEvent
from barograph.recorder.intake import Intake, IntakeState, kernel_run
from barograph.recorder.shaping import LineSettings
from barograph.records import Records
from barograph.rows import ABSENT, Bars, Ints, Quotes, Ticks
from barograph.snapshot import pack, unpack
from barograph.tables import Flag

UNSOUND = Flag.NONPOSITIVE | Flag.FUTURE | Flag.OUTLIER
"""Trades with one of these flags are on no trader's table."""


UNKNOWN = -1


class Minute(NamedTuple):
    """The first version of a symbol's minute.

    Attributes:
        record: which record of the run closed it.
        version: tape position of that record; names the version.
        instrument: its number.
        ts_us: its start.
        open, high, low, close, volume, exec_price, spread: as in ``market_microstructure``; NaN for null.
    """

    record: int
    version: int
    instrument: int
    ts_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    exec_price: float
    spread: float


class Closed(NamedTuple):
    """The minutes that a run closed, in order, and when each of its records was received."""

    minutes: list[Minute]
    recv_ns: Ints


class MarketState(msgspec.Struct):
    """All that a :class:`MarketView` remembers.

    Attributes:
        bars: open minutes, with every trade of theirs; empty where none were made.
        since_us: the first minute that was seen whole, of those that are made; ``UNKNOWN``: the next record
            tells.
    """

    shape: bytes
    next_pos: int
    intake: IntakeState
    half_spreads: dict[int, float]
    closed_us: dict[int, int]
    bars: bytes
    since_us: int = 0


class MarketView:
    """Records to trades and minutes, resumable.

    Args:
        settings: what shapes rows: those of the tables.
        state: from :meth:`state`, to go on; None to begin where the tape begins.
        minutes: whether to make any. Where ``state`` has none, the first is the first that is seen whole.
    """

    def __init__(
        self, settings: LineSettings, state: MarketState | None = None, *, minutes: bool = True
    ) -> None:
        self.settings = settings
        self.next_pos = state.next_pos if state else 0
        self._run: Run | None = None
        self._taken: list[tuple[TradeEvent, int]] = []
        self._intake = Intake(
            settings.outlier_pct, settings.bars.max_ahead_us, state.intake if state else None
        )
        self._half_spreads = dict(state.half_spreads) if state else {}
        self._closed_us = dict(state.closed_us) if state else {}
        self._bars: BarKernel | None = None
        self._since_us = 0
        if minutes:
            # Nobody here wants revisions: rows of closed minutes need not be kept for them.
            bars = msgspec.structs.replace(settings.bars, retain_us=0)
            kept = state.bars if state else b""
            self._bars = BarKernel(bars, unpack(kept, BarState) if kept else None)
            if state is not None:
                self._since_us = state.since_us if kept else UNKNOWN

    @property
    def venues(self) -> list[str]:
        """The venue of each instrument's number."""
        return self._intake.instruments.venues

    @property
    def symbols(self) -> list[str]:
        """The symbol of each instrument's number."""
        return self._intake.instruments.symbols

    def trades(self, run: Records) -> list[TradeEvent]:
        """Take in the next records, which begin at :attr:`next_pos`: their sound trades.

        :meth:`minutes` comes next, always.
        """
        if run.first_pos != self.next_pos or self._run is not None:
            raise ValueError(f"the market stands at {self.next_pos}, the run begins at {run.first_pos}")
        sound = self._intake.advance(run)
        self._run = kernel_run(run, sound)
        self._taken = self._trades(run.first_pos, sound.ticks, sound.quotes)
        return [event for event, _ in self._taken]

    def received_ns(self, venue: str, symbol: str, identity: str) -> int | None:
        """When the frame of a trade was received; None unless :meth:`trades` has just given it."""
        for event, record in self._taken:
            if event.identity == identity and event.symbol == symbol and event.venue == venue:
                assert self._run is not None
                return int(self._run.recv_ns[record])
        return None

    def minutes(self) -> Closed:
        """The minutes which the records just taken in have closed."""
        run, self._run, self._taken = self._run, None, []
        assert run is not None
        self.next_pos = run.first_pos + len(run)
        if self._bars is None:
            return Closed([], run.recv_ns)
        if self._since_us == UNKNOWN and len(run):
            # A stamp beyond that is a mistake of the clock, and moves no trade into a later minute.
            newest_us = int(run.recv_ns[0]) // NS_PER_US + self.settings.bars.max_ahead_us
            self._since_us = -(-newest_us // MINUTE_US) * MINUTE_US
        made = self._bars.advance(run)
        return Closed(self._first_versions(made.bars, run.first_pos), run.recv_ns)

    def state(self) -> MarketState:
        """All that is needed to go on from here."""
        return MarketState(
            self.settings.shape(),
            self.next_pos,
            self._intake.state(),
            dict(self._half_spreads),
            dict(self._closed_us),
            b"" if self._bars is None else pack(self._bars.state),
            self._since_us,
        )

    def _trades(self, first_pos: int, ticks: Ticks, quotes: Quotes) -> list[tuple[TradeEvent, int]]:
        """Sound trades, each with half of the spread of the last quote before it; and their records."""
        half_spreads = self._half_spreads
        found: list[tuple[TradeEvent, int]] = []
        spreads = ((quotes.ask_price - quotes.bid_price) / 2.0).tolist()
        quoted = list(zip(quotes.record.tolist(), quotes.instrument.tolist(), spreads, strict=True))
        at, venues, symbols = 0, self.venues, self.symbols
        for record, ts_us, k, price, size, number, flags in zip(
            ticks.record.tolist(),
            ticks.ts_us.tolist(),
            ticks.instrument.tolist(),
            ticks.price.tolist(),
            ticks.size.tolist(),
            ticks.trade_id.tolist(),
            ticks.flags.tolist(),
            strict=True,
        ):
            while at < len(quoted) and quoted[at][0] < record:
                _note_spread(half_spreads, quoted[at])
                at += 1
            if flags & UNSOUND:
                continue
            identity = f"t{number}" if number != ABSENT else f"s{first_pos + record}"
            half = half_spreads.get(k, 0.0)
            found.append((TradeEvent(symbols[k], price, size, ts_us, identity, venues[k], half), record))
        for one in quoted[at:]:
            _note_spread(half_spreads, one)
        return found

    def _first_versions(self, bars: Bars, first_pos: int) -> list[Minute]:
        """Minutes that have not been shown yet, oldest first where several close at once.

        A minute that appears behind one of its symbol that is closed already (its only trade came late) is
        no news to anybody: the decision after it has been made.
        """
        found = []
        for i in np.flatnonzero(bars.revision == 0).tolist():
            k, ts_us = int(bars.instrument[i]), int(bars.timestamp_us[i])
            if ts_us < self._since_us or ts_us <= self._closed_us.get(k, -1):
                continue
            self._closed_us[k] = ts_us
            found.append(_minute(bars, i, first_pos))
        return found


def _note_spread(half_spreads: dict[int, float], quoted: tuple[int, int, float]) -> None:
    _, k, half = quoted
    if half >= 0.0:  # a crossed quote tells nothing, NaN neither
        half_spreads[k] = half


def _minute(bars: Bars, i: int, first_pos: int) -> Minute:
    record = int(bars.record[i])
    return Minute(
        record,
        first_pos + record,
        int(bars.instrument[i]),
        int(bars.timestamp_us[i]),
        float(bars.open[i]),
        float(bars.high[i]),
        float(bars.low[i]),
        float(bars.price[i]),
        float(bars.volume[i]),
        float(bars.exec_price[i]),
        float(bars.bid_ask_spread[i]),
    )
