"""What keeps the data directory in order while the recorder runs, on a thread of its own.

Hot parts of the lake are merged every second, finished days sealed, old tape deleted. None of it
is on the way of a frame or a row: when it is in trouble it says so, and tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from barograph.clock import NS_PER_S, Clock, day_of
from barograph.errors import BarographError
from barograph.log import get_logger
from barograph.recorder.live.memory import give_back

GIVE_BACK_EVERY = 5
"""Rounds between two returns of memory to the system."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Chores:
    """What is to be done. Each may raise a BarographError: it is told, and done again at its next turn.

    Attributes:
        compact: merge hot parts, a bounded amount of work.
        seal: seal the days before this one.
        prune: delete old tape.
    """

    compact: Callable[[], object]
    seal: Callable[[date], object]
    prune: Callable[[], object]


class Housekeeper:
    """Does the chores until it is stopped.

    Args:
        chores: what to do.
        clock: tells which days are over.
        seal_after_s: how long after its end a day is sealed.
        compact_s: between two compactions.
        tidy_s: between two looks for days to seal and tape to delete.
    """

    def __init__(
        self,
        chores: Chores,
        clock: Clock,
        *,
        seal_after_s: float,
        compact_s: float = 1.0,
        tidy_s: float = 60.0,
    ) -> None:
        self._chores, self._clock = chores, clock
        self._seal_after_ns = int(seal_after_s * NS_PER_S)
        self._compact_s, self._tidy_s = compact_s, tidy_s
        self._stop = threading.Event()
        self._sealed_before: date | None = None
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin on a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Finish what is in hand and end."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        turns = max(round(self._tidy_s / self._compact_s), 1)
        turn = 0
        while not self._stop.wait(self._compact_s):
            self._do("merging hot parts", self._chores.compact)
            turn += 1
            if turn % GIVE_BACK_EVERY == 0:
                self._do("giving memory back", give_back)
            if turn % turns == 0:
                self._do("sealing finished days", self._seal)
                self._do("deleting old tape", self._chores.prune)

    def _seal(self) -> None:
        before = day_of((self._clock.now_ns() - self._seal_after_ns) // 1_000)
        if before != self._sealed_before:
            self._chores.seal(before)
            self._sealed_before = before

    def _do(self, what: str, chore: Callable[[], object]) -> None:
        try:
            chore()
        except BarographError as error:
            log.warning("housekeeping failed and is tried again", chore=what, problem=str(error))
        except Exception:
            # A bug here must not leave the directory to itself for months.
            log.exception("housekeeping failed and is tried again", chore=what)
