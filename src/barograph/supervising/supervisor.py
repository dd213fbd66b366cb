"""The parent: begins the parts of a plan, begins again those that die, ends all in order.

One thread, the main one, decides everything; it takes what happened from a queue. Signals, deaths and
readiness are put there by others. See docs/up.md for the rules.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from barograph.clock import Clock, SystemClock
from barograph.errors import StorageError
from barograph.recorder.live.notify import Notifier
from barograph.supervising.children import Child
from barograph.supervising.logs import Log
from barograph.supervising.plan import RECORD, Plan
from barograph.supervising.runs import USUAL, Run, Waits, died
from barograph.supervising.statefile import HouseState, PartState, Stage, write_state

TELL_S = 1.0
"""Between two writings of the status file."""
ASK_S = 0.1
"""Between two questions whether a part is ready."""
BEGIN_FAILED = 75
KILLED = 1
"""The parent's code when a part had to be killed at the end."""
_KILLED_BY_US = "it had to be killed"
_STOPS = ("SIGINT", "SIGTERM", "SIGBREAK")


class _Exited(NamedTuple):
    name: str
    pid: int
    code: int


class _Ready(NamedTuple):
    name: str
    pid: int


class _Signalled(NamedTuple):
    number: int


_Event = _Exited | _Ready | _Signalled


class Supervisor:
    """Runs a plan until it is told to end, or until all its parts have ended for good.

    Args:
        plan: what is run.
        data: the data directory, for the status file.
        log: where all lines go.
        on_up: called once, when every part is ready or has ended for good.
        notifier: the service manager.
    """

    def __init__(
        self,
        plan: Plan,
        data: Path,
        log: Log,
        on_up: Callable[[Sequence[PartState]], None] = lambda _parts: None,
        notifier: Notifier | None = None,
        waits: Waits = USUAL,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self._plan, self._data, self._log, self._on_up = plan, data, log, on_up
        self._notifier = notifier or Notifier(None)
        self._waits, self._clock = waits, clock or SystemClock()
        chance = random or Random()  # noqa: S311 - spreads restarts
        self._runs = {part.name: Run.of(part, waits, chance) for part in plan.parts}
        self._children: dict[str, Child] = {}
        # Its put may be called by a signal handler in the midst of its get.
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._started_ns = self._clock.now_ns()
        self._told_up = self._told_ready = self._refused = False
        self._hurry = self._killed = False
        self._in_terminal = sys.stderr.isatty()

    def run(self) -> int:
        """Run; the exit code: the worst of the parts that ended for good, 1 if one had to be killed."""
        with self._signals():
            for name, why in self._plan.left_out:
                self._log.say("info", f"{name} is left out: {why}")
            try:
                self._watch_over()
            finally:
                self._end_all()
        self._write(ended=True)
        self._notifier.close()
        return max(KILLED if self._killed else 0, *(run.verdict for run in self._runs.values()))

    # -- while they run -------------------------------------------------------------------------------------

    def _watch_over(self) -> None:
        while True:
            self._begin_due()
            self._tell()
            if all(run.stage is Stage.ENDED for run in self._runs.values()):
                self._log.say("error", "all processes have ended")
                return
            due = [run.due_s for run in self._runs.values() if run.stage is Stage.RESTING]
            event = self._next(_rest_s(due, self._notifier.watchdog_s))
            if isinstance(event, _Signalled) and not self._is_reload(event.number):
                return
            self._take(event)

    def _begin_due(self) -> None:
        now_s = time.monotonic()
        for run in self._runs.values():
            due = run.stage is Stage.RESTING and now_s >= run.due_s
            if due or (run.stage is Stage.WAITING and not self._held_back(run)):
                self._begin(run)

    def _held_back(self, run: Run) -> bool:
        before = self._runs.get(run.part.after)
        return before is not None and before.stage not in (Stage.RUNNING, Stage.ENDED)

    def _begin(self, run: Run) -> None:
        name = run.part.name
        pid: list[int] = []
        begun = threading.Event()

        def gone(code: int) -> None:
            begun.wait()
            self._events.put(_Exited(name, pid[0], code))

        try:
            child = Child(run.part, lambda text: self._log.line(name, text), gone)
        except OSError as error:
            self._log.say("error", f"{name} could not be begun: {error}")
            run.ended(BEGIN_FAILED, time.monotonic(), self._clock.now_ns())
            return
        pid.append(child.pid)
        begun.set()
        self._children[name] = child
        run.began(child.pid, time.monotonic(), self._clock.now_ns())
        self._log.say("info", f"{name} begins", pid=child.pid)
        asking = threading.Thread(target=self._ask, args=(run, child), name=f"is {name} ready", daemon=True)
        asking.start()

    def _ask(self, run: Run, child: Child) -> None:
        """Ask until it is ready or dead; a thread of its own, since an answer may take its time."""
        while child.alive:
            if run.part.ready(child.pid):
                self._events.put(_Ready(run.part.name, child.pid))
                return
            time.sleep(ASK_S)

    def _take(self, event: _Event | None) -> None:
        match event:
            case _Ready(name, pid) if self._runs[name].pid == pid:
                self._ready(self._runs[name])
            case _Exited(name, pid, code) if self._runs[name].pid == pid:
                self._exited(self._runs[name], code)

    def _ready(self, run: Run) -> None:
        if run.stage is not Stage.STARTING:
            return
        run.problem = ""
        run.go(Stage.RUNNING, self._clock.now_ns())
        values = {"address": run.part.address} if run.part.address else {}
        self._log.say("info", f"{run.part.name} is ready", pid=run.pid, **values)

    def _exited(self, run: Run, code: int) -> None:
        name = run.part.name
        del self._children[name]
        wait_s = run.ended(code, time.monotonic(), self._clock.now_ns())
        if wait_s is not None:
            self._log.say("warning", f"{name} {died(code)}; it is begun again in {wait_s:.1f} s")
        elif code:
            self._log.say(
                "error",
                f"{name} ended with code {code}: {run.problem}; its last lines say what. "
                "It is not begun again: mend it, then start barograph up anew",
            )
        else:
            self._log.say("warning", f"{name} has ended by itself, in order; it is not begun again")

    # -- what is told ---------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """What is due to be told: the status file, the service manager, that all are up."""
        now_s = time.monotonic()
        runs = list(self._runs.values())
        for run in runs:
            if run.stage is Stage.STARTING and not run.slow and now_s - run.began_s > self._waits.ready_s:
                run.slow, run.problem = True, f"it is not ready after {self._waits.ready_s:.0f} s"
                self._log.say("warning", f"{run.part.name}: {run.problem}; its lines may say why")
        settled = [run.stage in (Stage.RUNNING, Stage.ENDED) for run in runs]
        up = sum(run.stage is Stage.RUNNING for run in runs)
        vital = [done for run, done in zip(runs, settled, strict=True) if run.part.vital]
        if up and all(vital) and not self._told_ready:
            self._told_ready = True
            self._notifier.ready(f"{up} of {len(runs)} processes are ready")
        if up and all(settled) and not self._told_up:
            self._told_up = True
            self._log.say("info", "up" if up == len(runs) else f"up, with {up} of {len(runs)} processes")
            self._on_up([run.state() for run in runs])
        self._alive()
        self._write()

    def _alive(self) -> None:
        if self._notifier.watchdog_s is not None:
            self._notifier.watchdog()

    def _write(self, *, ended: bool = False) -> None:
        parts = tuple(run.state() for run in self._runs.values())
        left_out = dict(self._plan.left_out)
        now_ns = self._clock.now_ns()
        try:
            write_state(self._data, HouseState(os.getpid(), self._started_ns, now_ns, parts, left_out, ended))
            self._refused = False
        except StorageError as error:
            if not self._refused:
                self._log.say("warning", "status not written", error=error)
            self._refused = True

    # -- the end --------------------------------------------------------------------------------------------

    def _end_all(self) -> None:
        """End all in their turns; whoever takes longer than its patience is killed."""
        if self._children:
            self._notifier.stopping("ending in order")
            self._log.say("info", "ending in order; another Ctrl-C ends at once")
        for turn in sorted({part.ends for part in self._plan.parts}):
            self._end([run for run in self._runs.values() if run.part.ends == turn])

    def _end(self, runs: Sequence[Run]) -> None:
        """End those of one turn, together."""
        limits: dict[str, float] = {}
        for run in runs:
            if run.gone:
                run.over(None, self._clock.now_ns())
            else:
                limits[run.part.name] = time.monotonic() + run.part.patience_s
                run.go(Stage.ENDING, self._clock.now_ns())
                self._children[run.part.name].end()
        while limits:
            for name in [
                each for each, limit_s in limits.items() if self._hurry or time.monotonic() > limit_s
            ]:
                self._kill(name)
                limits[name] = float("inf")
            self._alive()
            self._write()
            match self._next(_rest_s(limits.values())):
                case _Signalled(number):
                    self._hurry = self._hurry or number == signal.SIGINT
                case _Exited(name, _, code):
                    # One whose turn has not come may die meanwhile.
                    limits.pop(name, None)
                    del self._children[name]
                    self._runs[name].over(code, self._clock.now_ns())
                    self._log.say("info", f"{name} has ended", code=code)

    def _kill(self, name: str) -> None:
        run = self._runs[name]
        if run.problem == _KILLED_BY_US:
            return
        run.problem, self._killed = _KILLED_BY_US, True
        why = "you are in a hurry" if self._hurry else f"it has not ended within {run.part.patience_s:g} s"
        self._log.say("warning", f"{name} is killed: {why}")
        self._children[name].kill()

    # -- signals and events ---------------------------------------------------------------------------------

    def _next(self, within_s: float) -> _Event | None:
        try:
            return self._events.get(timeout=within_s)
        except queue.Empty:
            return None

    def _is_reload(self, number: int) -> bool:
        """Whether a signal asks for the settings to be read again: the recorder can do that."""
        if sys.platform == "win32" or number != signal.SIGHUP or self._in_terminal:
            return False  # a terminal that hangs up ends what was begun in it
        if RECORD in self._children and self._runs[RECORD].stage is Stage.RUNNING:
            self._notifier.reloading()
            self._log.say("info", "the recorder reads its settings again; the others keep theirs")
            self._children[RECORD].send(number)
            self._notifier.ready()
        return True

    @contextmanager
    def _signals(self) -> Iterator[None]:
        numbers = [getattr(signal, name) for name in (*_STOPS, "SIGHUP") if hasattr(signal, name)]

        def note(number: int, _frame: object) -> None:
            self._events.put(_Signalled(number))

        former = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _rest_s(due_s: Iterable[float], watchdog_s: float | None = None) -> float:
    """How long nothing is due by the clock; ``due_s`` are moments of the monotonic one."""
    now_s = time.monotonic()
    rests = [TELL_S, *(moment_s - now_s for moment_s in due_s)]
    return max(min([*rests, watchdog_s / 2] if watchdog_s else rests), 0.0)
