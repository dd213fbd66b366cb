"""The resumable kernel: runs of the tape in, minutes out, closed by watermark and revised by late rows.

What it promises, and the exact meaning of every step, is in ``docs/bars.md``. In short:
any cutting of the tape into runs gives the same bits in every column, and a batch pass
over the sorted rows the same in all but ``revision``, ``as_of`` and ``tape_pos``.
"""

from __future__ import annotations

import numpy as np

from barograph.bars.batch import unused_flags
from barograph.bars.closing import pending, waiting
from barograph.bars.columns import as_bars
from barograph.bars.crossing import Crossings, Emitted
from barograph.bars.eviction import cool, forget, thin
from barograph.bars.incoming import owned, quote_columns, tick_columns
from barograph.bars.intake import (
    CURSOR_ENTRIES,
    DUE,
    FINISHED,
    INSTRUMENT,
    LATENESS,
    MINUTES_FULL,
    ON_TIME,
    OUT_OF_REACH,
    RECORDS_SEEN,
    ROW_SIDE,
    ROW_TS,
    Intake,
    RunColumns,
    join,
    scan,
)
from barograph.bars.memory import Memory
from barograph.bars.order import QUOTE
from barograph.bars.pools import COUNT, DEEP, FOREVER, SEEN, UNSIDED, Limits
from barograph.bars.recalling import Source
from barograph.bars.revisions import assign, no_stretches
from barograph.bars.run import Advance, Recall, Run, Unrevised
from barograph.bars.settings import BarSettings
from barograph.bars.state import BarState, new_state
from barograph.clock import MINUTE_US, NS_PER_US
from barograph.errors import UsageError
from barograph.rows import Bars, Ints, none_of

_FORGET_AT_ONCE = 64
_NO_BARS = none_of(Bars)


class BarKernel:
    """Bars of all instruments of a tape, run by run.

    Args:
        settings: :class:`BarSettings`.
        state: to go on from; None before the first record of a tape. It is taken over.
        recall: where rows are read back that have left memory. Without one, minutes that
            would need them are left unrevised and named in :class:`Advance`.
    """

    def __init__(
        self, settings: BarSettings, state: BarState | None = None, recall: Recall | None = None
    ) -> None:
        self._settings = settings
        self._recall = recall
        self._memory = Memory(state or new_state(settings), settings)
        self._crowded = settings.kept_rows
        if recall is None and self._memory.lacks_open_rows:
            raise UsageError("this state was saved without rows; going on from it needs a Recall")
        self._limits = Limits(
            settings.allowed_lateness_us,
            settings.max_ahead_us,
            settings.quiet_grace_us,
            unused_flags(settings),
            settings.spike_window,
            settings.spike_min_bars,
            settings.retain_us,
            int(recall is not None),
        )

    @property
    def state(self) -> BarState:
        """A copy of everything that the kernel remembers."""
        return self._memory.state(self._settings)

    @property
    def lean_state(self) -> BarState:
        """As :attr:`state`, without a single row: small, for one who goes on with a Recall.

        Raises:
            UsageError: this kernel has none, so its rows would be gone.
        """
        if self._recall is None:
            raise UsageError("a state without rows needs a Recall that brings them back")
        return self._memory.lean_state(self._settings)

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return self._memory.nbytes

    def advance(self, run: Run) -> Advance:
        """Take in ``run``: the minutes that it closes and revises, and which of its ticks were late.

        Raises:
            UsageError: ``run`` begins before the end of the last one.
        """
        if not len(run):
            return Advance(_NO_BARS, np.zeros(0, dtype=np.bool_))
        if run.first_pos < self._memory.next_pos:
            raise UsageError(
                f"a run from tape position {run.first_pos} was given, the bars stand at "
                f"{self._memory.next_pos}; go on from there, or begin with a new state"
            )
        self._memory.room_for(run)
        intake = _intake(run, self._limits.unused_flags)
        emitted, unrevised = self._pass_over(run, intake)
        self._memory.next_pos = run.first_pos + len(run)
        self._memory.as_of_us = int(run.recv_ns[-1]) // NS_PER_US
        if self._recall is None:
            unrevised += _beyond_reach(intake)
        late = intake.rows[intake.rows[:, ROW_SIDE] < QUOTE, LATENESS] != ON_TIME
        return Advance(_in_order(emitted, run), late, tuple(dict.fromkeys(unrevised)))

    def peek(self) -> Bars:
        """Every row that is still to come, as it stands: open minutes, and revisions that wait.

        Changes nothing. ``record`` is the tape position itself of the last record taken in,
        ``as_of_us`` its receipt time. All rows given so far must be at hand for the recall.
        """
        due = np.empty(len(self._memory.pools.instruments), dtype=np.int64)
        due = due[: waiting(self._memory.pools, due)]
        if not len(due):
            return _NO_BARS
        emitted = self._look(due)
        if emitted is None:
            emitted = BarKernel(self._settings, self.state, self._recall)._work_to_the_end(due)  # noqa: SLF001
        keys, values = emitted
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        record = np.full(len(keys), self._memory.next_pos - 1, dtype=np.int64)
        as_of_us = np.full(len(keys), self._memory.as_of_us, dtype=np.int64)
        return as_bars(keys[order], values[order], record, as_of_us)

    def _look(self, due: Ints) -> Emitted | None:
        """Close everything, see, and put it back; None where rows would have to be recalled."""
        pools = self._memory.pools
        if pools.instruments[due, DEEP].any():
            return None
        found = np.empty(pending(due, pools, np.empty(0, dtype=np.int64)), dtype=np.int64)
        pending(due, pools, found)
        minutes, values, instruments = pools.minutes[found], pools.values[found], pools.instruments.copy()
        emitted = Crossings(self._settings, self._limits, self._memory).look(due, FOREVER)
        pools.minutes[found], pools.values[found], pools.instruments[:] = minutes, values, instruments
        return emitted

    def _work_to_the_end(self, due: Ints) -> Emitted:
        """Close everything for good, in a copy."""
        source = None if self._recall is None else Source(self._recall, self._limits.unused_flags)
        crossings = Crossings(self._settings, self._limits, self._memory, source)
        return crossings.work(due, self._memory.next_pos - 1, FOREVER)

    def _pass_over(self, run: Run, intake: Intake) -> tuple[list[tuple[int, Emitted]], list[Unrevised]]:
        """Scan the run, doing what is due wherever the scan stops for it."""
        memory, limits = self._memory, self._limits
        cursor = np.zeros(CURSOR_ENTRIES, dtype=np.int64)
        due = np.empty(len(memory.pools.instruments), dtype=np.int64)
        crossings = Crossings(self._settings, limits, memory)
        emitted, worked = [], []
        while (stopped := scan(cursor, intake, memory.pools, limits, due)) != FINISHED:
            if stopped == MINUTES_FULL:
                memory.room_for_minutes(len(memory.pools.minutes) // 2)
                continue
            record, now_due = int(cursor[RECORDS_SEEN]) - 1, due[: cursor[DUE]].copy()
            if self._recall is not None:
                crossings.source = Source(self._recall, limits.unused_flags, run, record)
            emitted.append((record, crossings.work(now_due, run.first_pos + record)))
            worked.append(now_due)
        if worked:
            self._evict(np.unique(np.concatenate(worked)))
        self._relieve()
        return emitted, crossings.unrevised

    def _relieve(self) -> None:
        """Let go of rows when there are too many: quotes that are superseded, then rows of closed minutes."""
        if self._recall is None or self._memory.rows <= self._crowded:
            return
        pools, kept = self._memory.pools, self._settings.kept_rows
        seen = np.flatnonzero(pools.instruments[:, SEEN])
        thin(seen[pools.instruments[seen, UNSIDED] == 0], pools)
        if self._memory.rows > kept // 2:
            cool(seen, pools, self._limits._replace(retain_us=0))
        # What is left may be needed: it is looked at again only once much has been added.
        self._crowded = max(kept, self._memory.rows + kept // 2)

    def _evict(self, worked: Ints) -> None:
        """Let go of old rows and old minutes of the instruments that closed some."""
        memory, settings = self._memory, self._settings
        cool(worked, memory.pools, self._limits)
        n_instruments = int(np.count_nonzero(memory.pools.instruments[:, SEEN]))
        keep = min(settings.history_bars, settings.kept_minutes // n_instruments)
        keep = max(keep, settings.spike_window + 1)
        crowded = worked[memory.pools.instruments[worked, COUNT] >= keep + _FORGET_AT_ONCE]
        for k in crowded.tolist():
            excess = int(memory.pools.instruments[k, COUNT]) - keep
            gone = np.empty((excess, 2), dtype=np.int64)
            gone = gone[: forget(k, keep, settings.spike_window, memory.pools, gone)]
            if gone[:, 1].any():
                stretches = memory.revisions.get(k, no_stretches())
                memory.revisions[k] = assign(stretches, gone[:, 0], gone[:, 1])


def _intake(run: Run, unused: int) -> Intake:
    """The rows of the run in one sequence."""
    ticks, quotes = run.ticks, run.quotes
    n_rows = len(ticks) + len(quotes) + len(run.mark_record)
    intake = Intake(
        np.empty((len(run), 3), dtype=np.int64),
        np.empty((n_rows, 8), dtype=np.int64),
        np.empty((n_rows, 2)),
    )
    run_columns = RunColumns(
        np.array([run.first_pos], dtype=np.int64),
        owned(run.recv_ns, np.int64),
        owned(run.kind, np.uint8),
        owned(run.stream, np.uint32),
        owned(run.mark_record, np.int64),
        owned(run.mark_ts_us, np.int64),
    )
    join(run_columns, tick_columns(ticks), quote_columns(quotes), unused, intake)
    return intake


def _in_order(emitted: list[tuple[int, Emitted]], run: Run) -> Bars:
    """Bars by record, then time, then instrument."""
    counts = [len(keys) for _, (keys, _) in emitted]
    if not sum(counts):
        return _NO_BARS
    keys = np.concatenate([keys for _, (keys, _) in emitted])
    values = np.concatenate([values for _, (_, values) in emitted])
    record = np.repeat(np.array([record for record, _ in emitted], dtype=np.int64), counts)
    order = np.lexsort((keys[:, 1], keys[:, 0], record))
    record = record[order]
    return as_bars(keys[order], values[order], record, run.recv_ns[record] // NS_PER_US)


def _beyond_reach(intake: Intake) -> list[Unrevised]:
    """The minutes of rows that came too late for what is in memory."""
    rows = intake.rows[intake.rows[:, LATENESS] == OUT_OF_REACH]
    starts = rows[:, ROW_TS] - rows[:, ROW_TS] % MINUTE_US
    pairs = zip(rows[:, INSTRUMENT].tolist(), starts.tolist(), strict=True)
    return [Unrevised(k, start) for k, start in pairs]
