"""One part's way through its lives. Time and chance are handed in; nothing here touches a process."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from random import Random

from barograph.errors import DataError, SettingsError, UsageError
from barograph.recorder.live.backoff import Backoff
from barograph.supervising.plan import Part
from barograph.supervising.statefile import PartState, Stage

NEEDS_A_PERSON = {
    UsageError.exit_code: "it was told something that cannot be",
    SettingsError.exit_code: "a setting is missing or wrong",
    DataError.exit_code: "its data is not what it must be",
}
"""Codes after which beginning again would not help: those of the service's unit, too."""
_GONE = (Stage.WAITING, Stage.RESTING, Stage.ENDED)


@dataclass(frozen=True, slots=True)
class Waits:
    """Between two lives of a part.

    Attributes:
        min_s, max_s: bounds of the wait, which doubles with each death.
        sustained_s: a life that lasted so long makes the waits begin anew.
        ready_s: a part that is not ready after so long is told of.
    """

    min_s: float = 1.0
    max_s: float = 60.0
    sustained_s: float = 60.0
    ready_s: float = 60.0


USUAL = Waits()


@dataclass(slots=True)
class Run:
    """A part, and how it does.

    Attributes:
        due_s: when a resting part is begun again, on the monotonic clock.
        began_s: when its present process was begun.
        code: with which its last process ended.
        verdict: the code with which it has ended for good; 0 while it has not, or in order.
        slow: whether it was told of as not ready in time.
    """

    part: Part
    backoff: Backoff
    stage: Stage = Stage.WAITING
    since_ns: int = 0
    pid: int = 0
    restarts: int = -1
    due_s: float = 0.0
    began_s: float = 0.0
    code: int | None = None
    verdict: int = 0
    problem: str = ""
    slow: bool = False

    @classmethod
    def of(cls, part: Part, waits: Waits, random: Random) -> Run:
        """One that has not begun."""
        return cls(part, Backoff(waits.min_s, waits.max_s, waits.sustained_s, random))

    @property
    def gone(self) -> bool:
        """Whether it has no process."""
        return self.stage in _GONE

    def go(self, stage: Stage, now_ns: int) -> None:
        """It is in ``stage`` from now on."""
        self.stage, self.since_ns = stage, now_ns

    def began(self, pid: int, now_s: float, now_ns: int) -> None:
        """It has a process."""
        self.pid, self.began_s, self.slow = pid, now_s, False
        self.restarts += 1
        self.backoff.data(now_s)
        self.go(Stage.STARTING, now_ns)

    def ended(self, code: int, now_s: float, now_ns: int) -> float | None:
        """Its process has ended by itself; the seconds until it is begun again, None: it is not."""
        self.code, self.pid = code, 0
        self.backoff.data(now_s)
        if code == 0 or code in NEEDS_A_PERSON:
            self.verdict, self.problem = code, NEEDS_A_PERSON.get(code, "")
            self.go(Stage.ENDED, now_ns)
            return None
        wait_s = self.backoff.failed()
        self.problem = f"it {died(code)}"
        self.due_s = now_s + wait_s
        self.go(Stage.RESTING, now_ns)
        return wait_s

    def over(self, code: int | None, now_ns: int) -> None:
        """It has ended as it was told; its process, if it had one, with ``code``."""
        self.code, self.pid = code if code is not None else self.code, 0
        self.go(Stage.ENDED, now_ns)

    def state(self) -> PartState:
        """As others are told."""
        part = self.part
        restarts = max(self.restarts, 0)
        return PartState(
            part.name, self.stage, self.pid, self.since_ns, restarts, self.code, part.address, self.problem
        )


def died(code: int) -> str:
    """How a process ended, for people.

    >>> died(75), died(-9)
    ('ended with code 75', 'was killed by SIGKILL')
    """
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
