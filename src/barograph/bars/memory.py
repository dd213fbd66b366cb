"""The pools of a kernel, grown where a run needs more room, and their copy as a state."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from barograph.bars.pools import (
    CLOSED,
    COLD,
    FIRST_ROW,
    LAST_ROW,
    MINUTES_FREE,
    MINUTES_USED,
    N_QUOTES,
    N_TRADES,
    NEW_INSTRUMENT,
    NONE,
    ROW_FREE,
    ROWS_FREE,
    ROWS_USED,
    STATUS,
    THINNED,
    Pools,
)
from barograph.bars.run import Run
from barograph.bars.settings import BarSettings
from barograph.bars.state import BarState, check_state
from barograph.bars.watermark import LANE, NEW_STREAM
from barograph.rows import Ints

_LEAST_ROOM = 64


def _grown(array: npt.NDArray[Any], length: int, filled: Any = None) -> npt.NDArray[Any]:
    """A longer copy of ``array``; the new rows hold ``filled``, or zeros.

    Zeros even where they are written before they are read: equal states are equal bytes.
    """
    longer = np.zeros((length, *array.shape[1:]), dtype=array.dtype)
    longer[: len(array)] = array
    if filled is not None:
        longer[len(array) :] = filled
    return longer


class Memory:
    """What a kernel holds; ``pools`` is replaced when one of them grows."""

    def __init__(self, state: BarState, settings: BarSettings) -> None:
        check_state(state, settings)
        self.pools: Pools = state.pools
        self.revisions: dict[int, Ints] = dict(state.revisions)
        self.next_pos = state.next_pos
        self.as_of_us = state.as_of_us
        self._run_rows = 0

    @property
    def nbytes(self) -> int:
        """Bytes held by all arrays."""
        arrays: list[npt.NDArray[Any]] = [*self.pools, *self.revisions.values()]
        return sum(array.nbytes for array in arrays)

    @property
    def rows(self) -> int:
        """Rows held."""
        return int(self.pools.meta[ROWS_USED] - self.pools.meta[ROWS_FREE])

    def state(self, settings: BarSettings) -> BarState:
        """A copy of everything, without the room that is not used."""
        pools, meta = self.pools, self.pools.meta
        n_minutes, n_rows = int(meta[MINUTES_USED]), int(meta[ROWS_USED])
        used = pools._replace(
            minutes=pools.minutes[:n_minutes],
            values=pools.values[:n_minutes],
            rows=pools.rows[:n_rows],
            amounts=pools.amounts[:n_rows],
        )
        return BarState(
            settings.rules,
            **{name: array.copy() for name, array in used._asdict().items()},
            next_pos=self.next_pos,
            as_of_us=self.as_of_us,
            revisions={k: stretches.copy() for k, stretches in self.revisions.items()},
        )

    @property
    def lacks_open_rows(self) -> bool:
        """Whether there are open minutes whose rows are not here."""
        status = self.pools.minutes[: int(self.pools.meta[MINUTES_USED]), STATUS]
        return bool((status & (COLD | CLOSED) == COLD).any())

    def lean_state(self, settings: BarSettings) -> BarState:
        """A copy of everything but the rows: every minute has to have its own recalled."""
        lean = copy(self)
        minutes, meta = self.pools.minutes.copy(), self.pools.meta.copy()
        hot = np.flatnonzero(minutes[:, FIRST_ROW] != NONE)
        minutes[hot, STATUS] = minutes[hot, STATUS] & ~THINNED | COLD
        minutes[hot[:, None], [FIRST_ROW, LAST_ROW]] = NONE
        minutes[hot[:, None], [N_TRADES, N_QUOTES]] = 0
        meta[[ROWS_USED, ROWS_FREE]], meta[ROW_FREE] = 0, NONE
        lean.pools = self.pools._replace(minutes=minutes, meta=meta)
        return lean.state(settings)

    def room_for(self, run: Run) -> None:
        """Make room for everything in ``run`` but its minutes, whose number only the scan finds."""
        self._run_rows = len(run.ticks) + len(run.quotes)
        self.room_for_rows(0)
        self.room_for_minutes(_LEAST_ROOM)
        highest = max(
            (int(rows.instrument.max()) for rows in (run.ticks, run.quotes) if len(rows)), default=-1
        )
        if highest >= len(self.pools.instruments):
            self._more_instruments(highest + 1)
        n_streams = int(run.stream.max()) + 1
        if n_streams > len(self.pools.streams):
            longer = _grown(self.pools.streams, n_streams + n_streams // 2, NEW_STREAM)
            self.pools = self.pools._replace(streams=longer)
        self._room_for_lanes(run)

    def room_for_rows(self, n: int) -> None:
        """Make room for ``n`` more rows, beside those of the run in hand."""
        n += self._run_rows
        pools = self.pools
        used = int(pools.meta[ROWS_USED])
        if len(pools.rows) - used + int(pools.meta[ROWS_FREE]) >= n:
            return
        length = used + n + used // 8
        self.pools = pools._replace(rows=_grown(pools.rows, length), amounts=_grown(pools.amounts, length))

    def room_for_minutes(self, n: int) -> None:
        """Make room for ``n`` more minutes."""
        pools = self.pools
        used = int(pools.meta[MINUTES_USED])
        if len(pools.minutes) - used + int(pools.meta[MINUTES_FREE]) >= n:
            return
        length = used + n + used // 4
        self.pools = pools._replace(
            minutes=_grown(pools.minutes, length), values=_grown(pools.values, length)
        )

    def _more_instruments(self, n: int) -> None:
        pools, length = self.pools, n + n // 2
        carried = np.zeros((len(pools.lanes), length), dtype=np.uint8)
        carried[:, : len(pools.instruments)] = pools.carried
        instruments = _grown(pools.instruments, length, NEW_INSTRUMENT)
        self.pools = pools._replace(instruments=instruments, carried=carried)

    def _room_for_lanes(self, run: Run) -> None:
        pools = self.pools
        without = run.stream[pools.streams[run.stream, LANE] == NONE]
        if not len(without):
            return
        needed = len(np.unique(without)) - int(np.count_nonzero(pools.lanes == NONE))
        if needed > 0:
            length = len(pools.lanes) + needed
            lanes, carried = _grown(pools.lanes, length, NONE), _grown(pools.carried, length, 0)
            self.pools = pools._replace(lanes=lanes, carried=carried)
