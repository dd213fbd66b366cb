"""The work that is due when instruments have reached a new second."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from barograph.bars.aggregate import VALUES
from barograph.bars.closing import NEXT_DUE, TO_EMIT, close, collect, first_pending
from barograph.bars.eviction import cool
from barograph.bars.memory import Memory
from barograph.bars.pools import (
    CLOSED,
    COLD,
    DEEP,
    DONE_POS,
    DONE_US,
    DUE_US,
    FIRST_ROW,
    FIRST_US,
    FOREVER,
    HEAD,
    NEVER,
    NONE,
    REVISION,
    STALE,
    STALE_US,
    START,
    STATUS,
    TAIL,
    WATERMARK,
    Limits,
    place,
)
from barograph.bars.rebuild import Extent, Piece, rebuild
from barograph.bars.recalling import AT_ONCE_US, Source, bring_back, choose, made_hot
from barograph.bars.revisions import assign, look_up, no_stretches
from barograph.bars.run import Unrevised
from barograph.bars.settings import BarSettings
from barograph.clock import MINUTE_US
from barograph.rows import Floats, Ints

Emitted = tuple[Ints, Floats]
"""Keys (n, 3: start, instrument, revision) and values (n, VALUES) of minutes."""


@dataclass(slots=True)
class Crossings:
    """Closes and revises minutes in ``memory``.

    ``source`` has all rows up to the record of the crossing, or is None where nothing can be
    recalled: minutes that would need it are left as they are and noted in ``unrevised``.
    """

    settings: BarSettings
    limits: Limits
    memory: Memory
    source: Source | None = None
    unrevised: list[Unrevised] = field(default_factory=list)

    def work(self, due: Ints, pos: int, until_us: int = NEVER) -> Emitted:
        """Do what is due for the instruments ``due``, each up to its watermark or ``until_us`` if later."""
        deep = self.memory.pools.instruments[due, DEEP] == 1
        if not deep.any():
            return self._close(due, pos, until_us)
        parts = [self._close(due[~deep], pos, until_us)]
        parts += [part for k in due[deep].tolist() for part in self._rebuild(k, pos, until_us)]
        return np.concatenate([keys for keys, _ in parts]), np.concatenate([values for _, values in parts])

    def look(self, due: Ints, until_us: int) -> Emitted | None:
        """As :meth:`work`, for one who puts everything back afterwards; None where rows are not here."""
        progress = np.zeros(2, dtype=np.int64)
        if close(due, progress, until_us, self.memory.pools, self.limits) != NONE:
            return None
        return self._collect(due, progress, NONE)

    def _close(self, due: Ints, pos: int, until_us: int) -> Emitted:
        progress = np.zeros(2, dtype=np.int64)
        while (cold := close(due, progress, until_us, self.memory.pools, self.limits)) != NONE:
            self._bring_back(due, int(due[progress[NEXT_DUE]]), cold)
        return self._collect(due, progress, pos)

    def _collect(self, due: Ints, progress: Ints, pos: int) -> Emitted:
        n = int(progress[TO_EMIT])
        keys, values = np.empty((n, 3), dtype=np.int64), np.empty((n, VALUES))
        collect(due, pos, self.memory.pools, keys, values)
        return keys, values

    def _bring_back(self, due: Ints, k: int, cold: int) -> None:
        """Bring back the rows of the minute ``cold``, and of stale ones soon after it."""
        memory = self.memory
        minutes = memory.pools.minutes
        start_us = int(minutes[cold, START])
        if self.source is None:
            minutes[cold, STATUS] &= ~STALE
            self.unrevised.append(Unrevised(k, start_us))
            return
        cool(due, memory.pools, self.limits)
        end_us = choose(cold, AT_ONCE_US, memory.pools)
        rows = self.source.rows(k, start_us, end_us)
        memory.room_for_rows(len(rows.rows))
        bring_back(k, rows.rows, rows.amounts, memory.pools)
        made_hot(k, cold, memory.pools)

    def _rebuild(self, k: int, pos: int, until_us: int) -> list[Emitted]:
        """Make instrument ``k`` anew from its beginning."""
        assert self.source is not None
        instrument = self.memory.pools.instruments[k]
        until_us = max(until_us, int(instrument[WATERMARK]))
        parts = []
        for piece in rebuild(self._extent(k, until_us), self.source, self.settings):
            revision = self._store(k, piece)[piece.changed]
            keys = np.column_stack([piece.starts[piece.changed], np.full(len(revision), k), revision])
            parts.append((keys, piece.values[piece.changed]))
        pools = self.memory.pools
        instrument = pools.instruments[k]
        instrument[DEEP], instrument[STALE_US] = 0, FOREVER
        still_open = first_pending(k, pools)
        closes_us = self.limits.lateness_us + MINUTE_US
        instrument[DUE_US] = FOREVER if still_open == NONE else pools.minutes[still_open, START] + closes_us
        instrument[DONE_POS], instrument[DONE_US] = pos, instrument[WATERMARK]
        return parts

    def _extent(self, k: int, until_us: int) -> Extent:
        pools = self.memory.pools
        instrument = pools.instruments[k]
        before_us = until_us - self.limits.lateness_us
        end_us = min(
            before_us - before_us % MINUTE_US, int(pools.minutes[instrument[TAIL], START]) + MINUTE_US
        )
        done_us = int(instrument[DONE_US]) - self.limits.lateness_us - MINUTE_US + 1
        return Extent(k, int(instrument[FIRST_US]), end_us, int(instrument[DONE_POS]), done_us)

    def _store(self, k: int, piece: Piece) -> Ints:
        """Put the minutes of ``piece`` where they are kept; the revision of each."""
        memory = self.memory
        memory.room_for_minutes(len(piece.starts))
        minutes, values = memory.pools.minutes, memory.pools.values
        stretches = memory.revisions.get(k, no_stretches())
        revision = look_up(stretches, piece.starts)
        kept = piece.starts >= minutes[memory.pools.instruments[k, HEAD], START]
        slots = [place(k, start, *memory.pools[:3]) for start in piece.starts[kept].tolist()]
        revision[kept] = minutes[slots, REVISION]
        revision = np.where(piece.existed, revision + piece.changed, 0)
        values[slots], minutes[slots, REVISION] = piece.values[kept], revision[kept]
        # A minute that had no slot until now has its rows elsewhere.
        rowless = (minutes[slots, FIRST_ROW] == NONE) * COLD
        minutes[slots, STATUS] = minutes[slots, STATUS] & ~STALE | CLOSED | rowless
        gone = ~kept & piece.changed
        memory.revisions[k] = assign(stretches, piece.starts[gone], revision[gone])
        return revision
