"""Chores: each at its turn, again after a failure, and an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from structlog.testing import capture_logs

from barograph.clock import ManualClock, to_us
from barograph.errors import StorageError
from barograph.recorder.live.housekeeping import Chores, Housekeeper

NOON_NS = to_us(datetime(2026, 11, 18, 12, tzinfo=UTC)) * 1_000


class Done:
    """What was done, and what goes wrong."""

    def __init__(self) -> None:
        self.compacted = self.pruned = 0
        self.sealed: list[date] = []
        self.wrong: Exception | None = None

    def chores(self) -> Chores:
        return Chores(self.compact, self.seal, self.prune)

    def compact(self) -> None:
        self.compacted += 1
        self._fail()

    def seal(self, before: date) -> None:
        self.sealed.append(before)
        self._fail()

    def prune(self) -> None:
        self.pruned += 1
        self._fail()

    def _fail(self) -> None:
        if self.wrong is not None:
            raise self.wrong

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)


@contextmanager
def keeping(done: Done, clock: ManualClock, seal_after_s: float = 3600.0) -> Iterator[Housekeeper]:
    keeper = Housekeeper(done.chores(), clock, seal_after_s=seal_after_s, compact_s=0.002, tidy_s=0.01)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop(5.0)


def test_hot_parts_are_merged_more_often_than_the_rest_is_done() -> None:
    done = Done()
    with keeping(done, ManualClock(NOON_NS)):
        done.until(lambda: done.pruned >= 2)
    assert done.compacted >= 4 * done.pruned
    assert done.sealed == [date(2026, 11, 18)]


def test_a_day_is_sealed_once_and_only_so_long_after_its_end() -> None:
    done, clock = Done(), ManualClock(NOON_NS)
    with keeping(done, clock):
        done.until(lambda: len(done.sealed) == 1)
        clock.advance(12 * 3600 + 3599)
        turns = done.pruned
        done.until(lambda: done.pruned > turns + 1)
        assert done.sealed == [date(2026, 11, 18)]
        clock.advance(2)
        done.until(lambda: len(done.sealed) == 2)
        turns = done.pruned
        done.until(lambda: done.pruned > turns + 1)
    assert done.sealed == [date(2026, 11, 18), date(2026, 11, 19)]


@pytest.mark.parametrize("wrong", [StorageError("the disk is full"), ValueError("a bug")])
def test_a_chore_that_fails_is_told_and_done_again(wrong: Exception) -> None:
    done = Done()
    done.wrong = wrong
    with capture_logs() as logs, keeping(done, ManualClock(NOON_NS)):
        done.until(lambda: done.pruned >= 2 and len(done.sealed) >= 2)
        done.wrong = None
        sealed = len(done.sealed)
        done.until(lambda: len(done.sealed) > sealed)
        turns = done.pruned
        done.until(lambda: done.pruned > turns + 1)
        assert len(done.sealed) <= sealed + 2, "once it has gone well it is done"
    told = {line["chore"] for line in logs}
    assert told == {"merging hot parts", "sealing finished days", "deleting old tape"}


def test_it_ends_at_once_when_there_is_nothing_in_hand() -> None:
    keeper = Housekeeper(Done().chores(), ManualClock(NOON_NS), seal_after_s=0, compact_s=60)
    keeper.start()
    begun = time.monotonic()
    keeper.stop(5.0)
    assert time.monotonic() - begun < 1.0
    assert not [thread for thread in threading.enumerate() if thread.name == "housekeeping"]
