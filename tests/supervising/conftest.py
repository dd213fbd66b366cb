"""A parent and its children as real processes, and how a test looks at them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from barograph.supervising.statefile import HouseState, PartState, Stage, read_state

HOUSE = Path(__file__).with_name("house.py")
WITHIN_S = 30.0


def until(holds: Callable[[], Any], what: str | Callable[[], str]) -> Any:
    """What ``holds`` returns once it is true."""
    limit = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < limit, what if isinstance(what, str) else what()
        time.sleep(0.01)
    return found


def is_gone(pid: int) -> bool:
    """Whether there is no process ``pid`` any more, or only its name, which nobody has taken away."""
    status = Path(f"/proc/{pid}/status")
    if Path("/proc/self").exists():
        try:
            return "\nState:\tZ" in status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@dataclass
class House:
    """A running parent."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def turns(self) -> list[str]:
        path = self.folder / "turns"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def state(self) -> HouseState:
        state = read_state(self.folder)
        assert state is not None
        return state

    def part(self, name: str) -> PartState | None:
        state = read_state(self.folder)
        if state is None or state.pid != self.process.pid:
            return None
        return next(part for part in state.parts if part.name == name)

    def until_stage(self, name: str, stage: Stage, *, not_pid: int = -1) -> PartState:
        def there() -> PartState | None:
            found = self.part(name)
            return found if found is not None and found.stage is stage and found.pid != not_pid else None

        found: PartState = until(there, lambda: f"{name} is not {stage}:\n{self.log}")
        return found

    def until_up(self) -> dict[str, int]:
        """The numbers of the processes, once all are up."""
        until(lambda: b"up" in (self.folder / "out").read_bytes(), lambda: self.log)
        until(
            lambda: all(part.pid for part in self.state.parts if part.stage is Stage.RUNNING),
            lambda: self.log,
        )
        return {part.name: part.pid for part in self.state.parts}

    def interrupt(self) -> int:
        """Ctrl-C, and the code with which it ends."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(WITHIN_S)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """``house({"name": "a", "how": ["works"]}, ...)``: a parent that has begun."""
    begun: list[House] = []

    def begin(*parts: dict[str, Any], form: str = "console", environ: dict[str, str] | None = None) -> House:
        with (tmp_path / "log").open("wb") as log, (tmp_path / "out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, HOUSE, tmp_path, json.dumps(parts), form],
                stdout=out,
                stderr=log,
                env=os.environ | (environ or {}),
            )
        begun.append(House(tmp_path, process))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        state = read_state(each.folder)
        for part in state.parts if state is not None else ():
            if part.pid and not is_gone(part.pid):
                with suppress(ProcessLookupError):
                    os.killpg(part.pid, signal.SIGKILL)
