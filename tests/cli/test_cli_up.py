"""up: the real processes of the house under one parent, on free ports, over the simulated market."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from barograph.cli.house_view import house_fields, house_text
from barograph.cli.verbs import VERBS
from barograph.clock import NS_PER_S
from barograph.recorder.warming import warm
from barograph.supervising.statefile import HouseState, PartState, Stage, read_state

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes"),
]

WITHIN_S = 120.0
BUILT = {verb.words for verb in VERBS} & {"record", "trade", "serve", "dashboard"}
SETTINGS = """
[record]
feeds = ["sim"]
[feeds.sim]
events_per_s = 50
symbols = ["BTC-USD"]
[trade]
strategies = ["dip"]
[web]
api_port = 0
dashboard_port = 0
"""


def until(holds: Callable[[], Any], what: Callable[[], str]) -> Any:
    limit = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < limit, what()
        time.sleep(0.02)
    return found


@dataclass
class Up:
    """``barograph up`` in a folder of its own."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def state(self) -> HouseState | None:
        state = read_state(self.folder / "data")
        return state if state is not None and state.pid == self.process.pid else None

    def until_running(self, name: str, not_pid: int = 0) -> PartState:
        def there() -> PartState | None:
            parts = self.state.parts if self.state is not None else ()
            assert self.process.poll() is None, self.log
            running = (one for one in parts if one.stage is Stage.RUNNING and one.pid != not_pid)
            return next((one for one in running if one.name == name), None)

        found: PartState = until(there, lambda: f"{name} does not run:\n{self.log}")
        return found

    def until_up(self) -> dict[str, Any]:
        out = self.folder / "out"
        until(lambda: b"\n" in out.read_bytes(), lambda: self.log)
        told: dict[str, Any] = json.loads(out.read_text().splitlines()[0])
        return told

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(WITHIN_S)


@pytest.fixture(scope="module")
def warmed() -> None:
    warm()


@pytest.fixture
def up(tmp_path: Path, warmed: None) -> Iterator[Callable[..., Up]]:
    begun: list[Up] = []

    def begin(*words: str, settings: str = SETTINGS) -> Up:
        (tmp_path / "barograph.toml").write_text(settings)
        with (tmp_path / "log").open("wb") as log, (tmp_path / "out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "barograph", "up", "--json", *words],
                cwd=tmp_path,
                stdout=out,
                stderr=log,
            )
        begun.append(Up(tmp_path, process))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        for part in each.state.parts if each.state is not None else ():
            with suppress(ProcessLookupError):
                if part.pid:
                    os.killpg(part.pid, signal.SIGKILL)


def group_is_gone(pid: int) -> bool:
    """Whether nobody is left of the process ``pid`` and of all that it began, the dead apart."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True)
    members = (line.split() for line in listed.stdout.splitlines())
    return not any(group == str(pid) and not state.startswith("Z") for group, state in members)


def test_recorder_and_trading_run_come_back_when_killed_and_end_with_one_interrupt(
    up: Callable[..., Up], call: Any
) -> None:
    house = up("--only", "record,trade")
    told = {one["name"]: one for one in house.until_up()["processes"]}
    assert {one["state"] for one in told.values()} == {"running"}
    for name in ("record", "trade"):
        os.kill(told[name]["pid"], signal.SIGKILL)
        assert house.until_running(name, not_pid=told[name]["pid"]).restarts == 1
    assert "house     running since" in call("status").out
    shown = {one["process"]: one for one in call("status", "--json").json["house"]["processes"]}
    assert shown["record"]["restarts"] == 1
    state = house.state
    assert state is not None
    assert house.end(signal.SIGINT) == 0, house.log
    assert all(group_is_gone(part.pid) for part in state.parts)
    assert house.log.index("trade has ended") < house.log.index("record has ended")
    assert "killed: " not in house.log
    assert call("status", "--json").json["house"]["state"] == "ended"
    assert call("symbols", "--json").json[0]["symbol"] == "BTC-USD"


def test_given_the_parent_killed_then_recorder_and_trading_end_in_order(up: Callable[..., Up]) -> None:
    house = up("--only", "record,trade")
    pids = [one["pid"] for one in house.until_up()["processes"]]
    house.end(signal.SIGKILL)
    until(lambda: all(map(group_is_gone, pids)), lambda: f"some of {pids} are left")
    lock = house.folder / "data" / "state" / "line.lock"
    assert lock.read_text() == "", "the recorder has not ended in order"


def test_given_a_wrong_setting_of_one_then_it_is_told_and_the_other_runs(up: Callable[..., Up]) -> None:
    house = up("--only", "record,trade", settings=SETTINGS.replace('"BTC-USD"', '"NIFTY"'))

    def recorder() -> PartState | None:
        return next((one for one in house.state.parts if one.code is not None), None) if house.state else None

    ended = until(recorder, lambda: house.log)
    assert (ended.name, ended.stage, ended.code) == ("record", Stage.ENDED, 3)
    assert "'NIFTY' is not simulated" in house.log
    assert "record ended with code 3: a setting is missing or wrong" in house.log
    house.until_running("trade")
    assert house.end(signal.SIGINT) == 3
    assert "begun again in" not in house.log


def test_given_a_second_one_on_the_same_data_then_it_says_who_has_it(
    up: Callable[..., Up], execute: Any
) -> None:
    house = up("--only", "record")
    house.until_up()
    refused = execute("up", "--only", "record", code=75)
    assert f"by process {house.process.pid}" in refused.err
    assert house.end(signal.SIGTERM) == 0


def test_given_nothing_to_run_then_it_says_why(call: Any) -> None:
    assert "record: no feed to record" in call("up", "--only", "record,trade", code=2).err
    assert "there are record, trade, serve, dashboard" in call("up", "--only", "api", code=2).err


@pytest.mark.skipif(len(BUILT) < 4, reason="API and dashboard are not there yet")
def test_all_four_run_answer_come_back_when_killed_and_end_with_one_signal(up: Callable[..., Up]) -> None:
    house = up()
    told = {one["name"]: one for one in house.until_up()["processes"]}
    assert {name: one["state"] for name, one in told.items()} == dict.fromkeys(BUILT, "running")
    for name in ("serve", "dashboard"):
        os.kill(told[name]["pid"], signal.SIGKILL)
        back = house.until_running(name, not_pid=told[name]["pid"])
        assert back.address == told[name]["address"]
        with (
            urllib.request.urlopen(back.address, timeout=30)
            if name == "dashboard"
            else (urllib.request.urlopen(f"{back.address}/healthz", timeout=30)) as answer
        ):
            assert answer.status == 200
    state = house.state
    assert state is not None
    assert house.end(signal.SIGTERM) == 0, house.log
    assert all(group_is_gone(part.pid) for part in state.parts)
    ends = [house.log.index(f"{name} has ended") for name in ("serve", "trade", "record")]
    assert ends == sorted(ends)


def test_the_parent_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pyarrow", "numba", "polars", "duckdb", "streamlit", "fastapi", "aiohttp", "pandas")
    code = (
        "import sys, barograph.cli.app, barograph.cli.logs, barograph.cli.commands.up, barograph.settings\n"
        "import barograph.supervising.supervisor, barograph.recorder.live.notify\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- what status shows -----------------------------------------------------------------------------------


def shown(now_ns: int, **more: Any) -> HouseState:
    record = PartState("record", Stage.RUNNING, 71, 0, 2, -9)
    serve = PartState("serve", Stage.ENDED, code=3, problem="a setting is missing or wrong")
    left_out = {"trade": "no strategy to trade"}
    return HouseState(70, now_ns - 60 * NS_PER_S, now_ns, (record, serve), left_out, **more)


def test_given_a_house_that_runs_then_each_process_has_a_line() -> None:
    now_ns = 1_732_000_000 * NS_PER_S
    text = house_text(shown(now_ns), now_ns)
    assert "house     running since 2024-11-19T07:05:40Z, process 70" in text
    assert "a setting is missing or wrong" in text
    assert "left out  trade: no strategy to trade" in text
    fields = house_fields(shown(now_ns), now_ns)
    assert fields is not None
    assert fields["processes"][0]["restarts"] == 2


@pytest.mark.parametrize(("later_s", "ended"), [(0, True), (60, False)])
def test_given_a_house_that_has_ended_or_fallen_silent_then_nobody_is_said_to_run(
    later_s: int, ended: bool
) -> None:
    now_ns = 1_732_000_000 * NS_PER_S
    state = shown(now_ns, ended=ended)
    assert "barograph up does not run" in house_text(state, now_ns + later_s * NS_PER_S)
    fields = house_fields(state, now_ns + later_s * NS_PER_S)
    assert fields is not None
    assert fields["processes"] == []


def test_given_no_house_ever_then_nothing_is_said() -> None:
    assert (house_text(None, 0), house_fields(None, 0)) == ("", None)
