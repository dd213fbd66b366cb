"""The parent and its children, all of them real processes: deaths, ends, orphans, and one log."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from barograph.supervising.statefile import Stage, fresh, read_state, state_path

from .conftest import WITHIN_S, House, is_gone, until
from .standing_in import LINES, WIDTH

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes")

Begin = Callable[..., House]
FOUR = (
    {"name": "record", "ends": 2},
    {"name": "trade", "ends": 1, "after": "record"},
    {"name": "serve", "ends": 0},
    {"name": "dashboard", "ends": 0},
)


@pytest.mark.parametrize("name", ["record", "trade", "serve", "dashboard"])
def test_given_a_process_that_is_killed_then_it_comes_back_and_the_others_stay(
    house: Begin, name: str
) -> None:
    running = house(*FOUR)
    before = running.until_up()
    os.kill(before[name], signal.SIGKILL)
    back = running.until_stage(name, Stage.RUNNING, not_pid=before[name])
    assert back.restarts == 1
    assert back.code == -signal.SIGKILL
    assert {part.name: part.pid for part in running.state.parts if part.name != name} == {
        other: pid for other, pid in before.items() if other != name
    }
    assert f"{name} was killed by SIGKILL; it is begun again" in running.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_given_one_signal_then_those_who_look_end_first_and_who_records_last(
    house: Begin, number: int
) -> None:
    running = house(*FOUR)
    pids = running.until_up()
    running.process.send_signal(number)
    assert running.process.wait(WITHIN_S) == 0
    ends = [turn.removesuffix(" ends") for turn in running.turns if turn.endswith(" ends")]
    assert set(ends[:2]) == {"serve", "dashboard"}
    assert ends[2:] == ["trade", "record"]
    assert all(map(is_gone, pids.values()))
    assert running.state.ended
    assert {part.stage for part in running.state.parts} == {Stage.ENDED}


def test_given_one_that_does_not_hear_then_it_is_killed_after_its_patience_and_the_rest_ends(
    house: Begin,
) -> None:
    running = house({"name": "a", "how": ["deaf"], "patience_s": 0.3}, {"name": "b", "ends": 1})
    pids = running.until_up()
    assert running.interrupt() == 1
    assert running.turns[-1] == "b ends"
    assert all(map(is_gone, pids.values()))
    assert "a is killed: it has not ended within 0.3 s" in running.log


def test_given_a_second_interrupt_then_all_end_at_once(house: Begin) -> None:
    running = house({"name": "a", "how": ["deaf"], "patience_s": 3600}, {"name": "b", "ends": 1})
    pids = running.until_up()
    running.process.send_signal(signal.SIGINT)
    running.until_stage("a", Stage.ENDING)
    assert running.interrupt() == 1
    assert all(map(is_gone, pids.values()))


@pytest.mark.parametrize("code", [2, 3, 4])
def test_given_one_that_needs_a_person_then_it_is_told_and_not_begun_again(house: Begin, code: int) -> None:
    running = house({"name": "a", "how": ["ends", str(code)]}, {"name": "b"})
    ended = running.until_stage("a", Stage.ENDED)
    running.until_up()
    assert ended.code == code
    assert ended.problem
    assert f"a ended with code {code}: {ended.problem}" in running.log
    assert "up, with 1 of 2 processes" in running.log
    assert running.interrupt() == code
    assert running.turns.count("a begins") == 1


def test_given_that_all_have_ended_then_the_parent_ends_with_the_worst_code(house: Begin) -> None:
    running = house(*({"name": f"p{code}", "how": ["ends", str(code)]} for code in (3, 0, 2)))
    assert running.process.wait(WITHIN_S) == 3
    assert "p0 has ended by itself, in order" in running.log
    assert not fresh(running.state, running.state.now_ns)


@pytest.mark.parametrize("code", [1, 75])
def test_given_one_that_dies_again_and_again_then_it_is_begun_again_and_again(
    house: Begin, code: int
) -> None:
    running = house({"name": "a", "how": ["ends", str(code)]}, {"name": "b"})
    until(lambda: running.turns.count("a begins") >= 4, lambda: running.log)
    assert running.interrupt() == 0


def test_given_the_parent_killed_then_nobody_is_left_not_even_the_deaf(house: Begin) -> None:
    running = house(
        {"name": "a", "how": ["works"]},
        {"name": "b", "how": ["deaf"], "patience_s": 0.2},
        {"name": "c", "how": ["has-a-child"], "patience_s": 0.2},
    )
    pids = running.until_up()
    inner = until(lambda: list(running.folder.glob("c-inner.*.ready")), "the child's child is not there")
    running.process.kill()
    running.process.wait()
    everybody = [*pids.values(), int(inner[0].name.split(".")[1])]
    until(lambda: all(map(is_gone, everybody[:3])), f"of {pids} some are left")
    assert {"a ends", "c ends"} <= set(running.turns), "they were not let end in order"
    until(lambda: is_gone(everybody[3]), "the child's child is left")


def test_given_a_process_killed_then_what_it_has_begun_goes_with_it(house: Begin) -> None:
    running = house({"name": "a", "how": ["has-a-child"]})
    pids = running.until_up()
    [inner] = until(lambda: list(running.folder.glob("a-inner.*.ready")), "the child's child is not there")
    os.kill(pids["a"], signal.SIGKILL)
    running.until_stage("a", Stage.RUNNING, not_pid=pids["a"])
    assert is_gone(int(inner.name.split(".")[1]))


def test_given_one_that_waits_for_another_then_it_begins_when_that_is_ready(house: Begin) -> None:
    running = house(*FOUR[:2])
    running.until_up()
    assert running.turns == ["record begins", "trade begins"]
    log = running.log
    assert log.index("record is ready") < log.index("trade begins")


def test_given_that_who_is_waited_for_has_ended_for_good_then_it_begins_nevertheless(house: Begin) -> None:
    running = house({"name": "record", "how": ["ends", "3"]}, FOUR[1])
    running.until_stage("trade", Stage.RUNNING)


def test_given_one_that_does_not_get_ready_then_that_is_told(house: Begin) -> None:
    running = house({"name": "a", "how": ["idles"]})
    until(lambda: "a: it is not ready after 0 s" in running.log, lambda: running.log)
    assert running.interrupt() == 0


def test_given_a_watchdog_then_it_is_fed(house: Begin, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WITHIN_S)
        house({"name": "a"}, environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        fed = 0
        while fed < 3:
            fed += manager.recv(4096) == b"WATCHDOG=1"


def test_given_many_who_talk_at_once_then_each_line_is_whole_and_has_a_name(house: Begin) -> None:
    names = ["a", "b", "c"]
    running = house(*({"name": name, "how": ["talks"]} for name in names))
    running.until_up()
    running.interrupt()
    lines = running.log.splitlines()
    for name in names:
        whole = re.compile(rf"{name}  \| <{name} (\d+) {name}{{{WIDTH}}}>")
        said = [match[1] for line in lines if (match := whole.fullmatch(line))]
        assert sorted(map(int, said)) == list(range(LINES))
        assert lines.count(f"{name}  | ä without an end") == 1
    assert len(lines) == len([line for line in lines if re.match(r"(up|a |b |c ) \| ", line)])


def test_given_json_then_every_line_is_an_object_with_its_process(house: Begin) -> None:
    running = house({"name": "a", "how": ["talks"]}, form="json")
    running.until_up()
    running.interrupt()
    lines = [json.loads(line) for line in running.log.splitlines()]
    assert {line["process"] for line in lines} == {"a", "up"}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)


def test_given_a_service_manager_then_it_hears_from_the_parent_alone(house: Begin, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WITHIN_S)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        vital = {"name": "a", "how": ["tells", "NOTIFY_SOCKET"], "vital": True}
        running = house(vital, {"name": "b", "how": ["ends", "75"]}, environ=environ)
        assert manager.recv(4096).decode().startswith("READY=1")
        running.interrupt()
        assert manager.recv(4096).decode().startswith("STOPPING=1")
    assert "a  | nothing" in running.log


def test_given_sighup_then_the_recorder_alone_hears_of_it(house: Begin) -> None:
    running = house(*FOUR)
    running.until_up()
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "record reloads" in running.turns, lambda: running.log)
    assert running.interrupt() == 0
    assert [turn for turn in running.turns if "reloads" in turn] == ["record reloads"]


def test_given_no_data_directory_yet_then_nothing_was_run_there(tmp_path: Path) -> None:
    assert read_state(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"pid": "one"}', b'{"pid": 1, "started_ns": 1, "x": "\xff"}']
)
def test_given_a_damaged_file_then_it_tells_of_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").mkdir()
    state_path(tmp_path).write_bytes(content)
    assert read_state(tmp_path) is None
