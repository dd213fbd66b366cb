from __future__ import annotations

from pathlib import Path

import pytest

from barograph.clock import NS_PER_S, ManualClock
from barograph.recorder.live.steady import PATIENCE_S, STEP_S, SteadyClock

START_S = 1_000_000


class Times:
    """The machine's clock and the one that nobody sets."""

    def __init__(self) -> None:
        self.wall = ManualClock(START_S * NS_PER_S)
        self.beside = ManualClock()

    def pass_s(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self.beside.advance(seconds)

    def clock(self, path: Path, boot: str = "this") -> SteadyClock:
        return SteadyClock(self.wall, path, self.beside.now_ns, boot)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.mark.parametrize("jump_s", [-90.0, -STEP_S * 2, STEP_S * 2, 90.0])
def test_a_jump_away_and_back_is_not_seen(times: Times, tmp_path: Path, jump_s: float) -> None:
    clock = times.clock(tmp_path / "clock")
    times.pass_s(100)
    assert clock.now_ns() == (START_S + 100) * NS_PER_S
    times.wall.advance(jump_s)
    for second in range(1, int(PATIENCE_S)):
        times.pass_s(1)
        assert clock.now_ns() == (START_S + 100 + second) * NS_PER_S
    times.wall.advance(-jump_s)
    assert clock.now_ns() == times.wall.now_ns()


def test_a_jump_that_lasts_is_followed(times: Times, tmp_path: Path) -> None:
    clock = times.clock(tmp_path / "clock")
    times.pass_s(100)
    times.wall.advance(-3600)
    clock.now_ns()
    times.pass_s(PATIENCE_S + 1)
    assert clock.now_ns() == times.wall.now_ns()


def test_small_differences_are_followed_at_once(times: Times, tmp_path: Path) -> None:
    clock = times.clock(tmp_path / "clock")
    for _ in range(100):
        times.pass_s(10)
        times.wall.advance(STEP_S / 2)
        assert clock.now_ns() == times.wall.now_ns()


def test_a_clock_that_was_wrong_at_the_start_is_believed_no_longer_than_it_was_right(
    times: Times, tmp_path: Path
) -> None:
    clock = times.clock(tmp_path / "clock")
    times.pass_s(2)
    times.wall.advance(86_400)
    clock.now_ns()
    times.pass_s(3)
    assert clock.now_ns() == times.wall.now_ns()


def test_a_start_within_a_jump_is_not_deceived(times: Times, tmp_path: Path) -> None:
    times.clock(tmp_path / "clock").save()
    times.pass_s(60)
    times.wall.advance(-90)
    clock = times.clock(tmp_path / "clock")
    assert clock.now_ns() == (START_S + 60) * NS_PER_S
    times.pass_s(5)
    times.wall.advance(90)
    assert clock.now_ns() == times.wall.now_ns()


@pytest.mark.parametrize("boot", ["another", ""])
def test_what_was_remembered_counts_for_one_boot_only(times: Times, tmp_path: Path, boot: str) -> None:
    times.clock(tmp_path / "clock").save()
    times.wall.advance(5000)
    assert times.clock(tmp_path / "clock", boot).now_ns() == times.wall.now_ns()


def test_an_unreadable_memory_is_no_memory(times: Times, tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(b"\x00")
    assert times.clock(tmp_path / "clock").now_ns() == times.wall.now_ns()
