"""The line: records in, rows of every table out.

Decode, drop duplicates, flag, build minutes, look for anomalies, keep the ledger of what is
complete: one object that a replay drives with runs of many thousand records and the live
recorder with runs of one.
It reads no clock, no file and no socket (calendars and models are handed in, by the names that
stand on the tape), so the same tape gives the same rows whatever the runs, and its whole state
can be saved between any two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from barograph.anomalies import Detector, DetectorState
from barograph.anomalies.models.promotion import STREAM, Promoted, RuleOf, no_models, promotions
from barograph.bars import KERNEL_VERSION, Advance, BarKernel, BarState, Recall
from barograph.coverage import Ledger, LedgerState
from barograph.coverage.hours import CalendarOf, OpenHours
from barograph.recorder.arrow import RunTables
from barograph.recorder.intake import Intake, IntakeState, kernel_run
from barograph.recorder.shaping import LineSettings
from barograph.records import Kind, Records
from barograph.snapshot import pack, unpack
from barograph.tables import Flag

if TYPE_CHECKING:
    import pyarrow as pa

RULES_VERSION = "rules-1"
"""``anomalies.model_version`` of what the rules find."""


class Counts(msgspec.Struct):
    """What the line has made and met since the tape began.

    ``unknown`` counts, by ``feed: event``, what venues sent that no table needs.
    ``unrevised`` counts minutes that late rows could not revise, ``uncovered`` rows that came so late that
    the coverage of their minutes stays as it was.
    """

    frames: int = 0
    ticks: int = 0
    quotes: int = 0
    bars: int = 0
    anomalies: int = 0
    candles: int = 0
    rejects: int = 0
    duplicates: int = 0
    late: int = 0
    unrevised: int = 0
    coverage: int = 0
    uncovered: int = 0
    unknown: dict[str, int] = msgspec.field(default_factory=dict)


class LineState(msgspec.Struct):
    """All that the line remembers: ``snapshot.pack`` makes a checkpoint of it."""

    shape: bytes
    kernel_version: int
    next_pos: int
    intake: IntakeState
    bars: bytes
    detector: bytes
    coverage: bytes
    counts: Counts


class Line:
    """Records to rows, resumable.

    Args:
        settings: what shapes rows.
        state: from :meth:`state`, to go on; None to begin at position 0.
        recall: reads back rows of minutes that are no longer in memory, so that very late
            trades can revise them; without it such minutes are counted as unrevised.
        calendar_of: gives the calendars that the tape names; the house's own when left out.
        rule_of: loads the anomaly models that the tape names; without it a tape that names one is refused.

    Attributes:
        ledger: of what is complete; asked by the recorder for gaps and mute symbols.
    """

    def __init__(
        self,
        settings: LineSettings,
        state: LineState | None = None,
        recall: Recall | None = None,
        calendar_of: CalendarOf | None = None,
        rule_of: RuleOf = no_models,
    ) -> None:
        self.settings = settings
        self._recall = recall
        self.next_pos = state.next_pos if state else 0
        self.counts = state.counts if state else Counts()
        self._intake = Intake(
            settings.outlier_pct, settings.bars.max_ahead_us, state.intake if state else None
        )
        self.instruments = self._intake.instruments
        self._bars = BarKernel(settings.bars, unpack(state.bars, BarState) if state else None, recall)
        self._detector = Detector(
            settings.rules,
            self.instruments.venues,
            unpack(state.detector, DetectorState) if state else None,
            self.instruments.symbols,
            rule_of,
        )
        self.ledger = Ledger(unpack(state.coverage, LedgerState) if state else None, calendar_of or _calendar)

    def advance(self, run: Records) -> dict[str, pa.Table]:
        """Take in the next records and return the rows that they made, by table.

        The run must begin at :attr:`next_pos`.

        Raises:
            DataError: an anomaly model that the tape names is not there any more.
        """
        if run.first_pos != self.next_pos:
            raise ValueError(f"the line stands at {self.next_pos}, the run begins at {run.first_pos}")
        rows = self._intake.advance(run)
        advance = self._bars.advance(kernel_run(run, rows))
        ticks, quotes, dropped = rows.ticks, rows.quotes, rows.dropped
        ticks = ticks.with_(flags=ticks.flags | np.where(advance.late, Flag.LATE, 0).astype(np.int16))
        anomalies = self._detector.advance(advance.bars, self._promotions(run))
        coverage = self.ledger.advance(run, ticks, quotes, self.instruments)

        tables = RunTables(run.first_pos, run.recv_ns, self.instruments)
        made = {
            "ticks": tables.ticks(ticks),
            "quotes": tables.quotes(quotes),
            "candles": tables.candles(rows.candles),
            "rejects": tables.rejects(rows.rejects),
            "market_microstructure": tables.bars(advance.bars, KERNEL_VERSION),
            "anomalies": tables.anomalies(anomalies, RULES_VERSION),
            "coverage": tables.coverage(coverage),
        }
        self.next_pos = run.next_pos
        self._met_unknown(rows.unknown)
        self._count(run, made, dropped.ticks + dropped.quotes, advance)
        return {name: table for name, table in made.items() if table.num_rows}

    def open_minutes(self, run: Records) -> pa.Table:
        """Rows of the minutes that are still open after ``run``, the last one taken in.

        They change nothing in the line: when a minute closes later, its row takes the
        place of the one made here.
        """
        rows = self._bars.peek()
        tables = RunTables(run.first_pos, run.recv_ns, self.instruments)
        return tables.bars(rows.with_(record=rows.record - run.first_pos), KERNEL_VERSION)

    def state(self) -> LineState:
        """All that is needed to go on from here, in another process if need be."""
        return LineState(
            shape=self.settings.shape(),
            kernel_version=KERNEL_VERSION,
            next_pos=self.next_pos,
            intake=self._intake.state(),
            bars=pack(self._bars.state if self._recall is None else self._bars.lean_state),
            detector=pack(self._detector.state),
            coverage=pack(self.ledger.state),
            counts=self.counts,
        )

    def _promotions(self, run: Records) -> list[tuple[int, Promoted]]:
        found = list(promotions(run))
        broken = sum(promoted is None for _, promoted in found)
        if broken:
            self._met_unknown({f"{STREAM.feed}: a promotion that cannot be read": broken})
        return [(at, promoted) for at, promoted in found if promoted is not None]

    def _met_unknown(self, events: dict[str, int]) -> None:
        unknown = self.counts.unknown
        for name, count in events.items():
            unknown[name] = unknown.get(name, 0) + count

    def _count(self, run: Records, made: dict[str, pa.Table], duplicates: int, advance: Advance) -> None:
        counts = self.counts
        counts.frames += int(np.count_nonzero(run.kind == Kind.FRAME))
        counts.ticks += made["ticks"].num_rows
        counts.quotes += made["quotes"].num_rows
        counts.bars += made["market_microstructure"].num_rows
        counts.anomalies += made["anomalies"].num_rows
        counts.candles += made["candles"].num_rows
        counts.rejects += made["rejects"].num_rows
        counts.duplicates += duplicates
        counts.late += int(np.count_nonzero(advance.late))
        counts.unrevised += len(advance.unrevised)
        counts.coverage += made["coverage"].num_rows
        counts.uncovered = self.ledger.state.lost_rows


def _calendar(name: str) -> OpenHours:
    """The house's calendar of that name, loaded when it is first asked for."""
    from barograph.calendars import calendar

    return calendar(name)
