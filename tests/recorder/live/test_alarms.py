"""Alarms: each raised once, held by hysteresis, and told to be over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.alerts import Alert, Severity
from barograph.clock import NS_PER_S
from barograph.recorder.live.alarms import Bounds, Watch
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats
from barograph.settings.recording import RecordSection

START_S = 1_723_075_200
GIB = 1 << 30


class Looking:
    """A watch, the figures it looks at, and a clock of seconds."""

    def __init__(self, **bounds: Any) -> None:
        self.watch = Watch(Bounds(**bounds))
        self.feed = FeedStats("binance", FeedStage.LIVE, connections=1, planned=1)
        self.stats = Stats(1, "0", START_S * NS_PER_S, feeds={"binance": self.feed})
        self.stats.disk_free_bytes = 100 * GIB
        self.open = {"binance"}
        self.second = 0

    def at(self, second: float, *, frames: bool = True) -> list[Alert]:
        self.stats.now_ns = int((START_S + second) * NS_PER_S)
        if frames:
            self.feed.last_recv_ns = self.stats.now_ns
        return self.watch.look(self.stats, self.open)

    def kinds(self, second: float, *, frames: bool = True) -> list[tuple[str, Severity]]:
        return [(alert.kind, alert.severity) for alert in self.at(second, frames=frames)]


STALE = ("feed_stale", Severity.ERROR)
STALE_OVER = ("feed_stale", Severity.INFO)


def test_given_all_is_well_then_nothing_is_told() -> None:
    looking = Looking()
    assert [looking.at(second) for second in range(1000)] == [[]] * 1000


def test_given_a_mute_feed_then_it_is_told_once_and_its_end_once() -> None:
    looking = Looking()
    looking.at(0)
    told = [(second, kind) for second in range(1, 400) for kind in looking.kinds(second, frames=False)]
    assert told == [(121, STALE)]
    assert looking.watch.raised == ["feed_stale:binance"]
    assert looking.kinds(400) == [STALE_OVER]
    assert looking.kinds(401) == []


def test_given_a_feed_that_never_connects_then_it_is_stale_from_the_start_on() -> None:
    looking = Looking()
    looking.feed.stage, looking.feed.connections, looking.feed.problem = FeedStage.STARTING, 0, "refused"
    [alert] = [alert for second in range(130) for alert in looking.at(second, frames=False)]
    assert alert.message.startswith("binance: no frame for 121 s")
    assert "0 of 1" in alert.message
    assert "refused" in alert.message
    assert alert.ts_us == (START_S + 121) * 1_000_000


def test_given_a_closed_market_then_silence_is_no_alarm_and_counts_from_its_opening() -> None:
    looking = Looking()
    looking.at(0)
    looking.open = set()
    assert not any(looking.at(second, frames=False) for second in range(1, 70_000, 60))
    looking.open = {"binance"}
    told = [
        (second, kind) for second in range(70_000, 70_200) for kind in looking.kinds(second, frames=False)
    ]
    assert told == [(70_121, STALE)]
    looking.open = set()
    assert looking.kinds(70_300, frames=False) == [], "a closing market ends it without a word"
    assert looking.watch.raised == []


def test_given_a_feed_that_stopped_then_its_reason_is_told_at_once_and_nothing_about_silence() -> None:
    looking = Looking()
    looking.at(0)
    looking.feed.stage, looking.feed.problem = FeedStage.STOPPED, "set POLYGON_API_KEY"
    [alert] = [alert for second in range(1, 500) for alert in looking.at(second, frames=False)]
    assert (alert.kind, alert.venue, alert.severity) == ("feed_stopped", "binance", Severity.ERROR)
    assert "set POLYGON_API_KEY" in alert.message
    looking.feed.stage = FeedStage.LIVE
    assert looking.kinds(500) == [("feed_stopped", Severity.INFO)]


Change = Callable[[Stats, float], None]


def lag(stats: Stats, value: float) -> None:
    stats.tables.lag_s = value


def free(stats: Stats, value: float) -> None:
    stats.disk_free_bytes = int(value * GIB)


def days(stats: Stats, value: float) -> None:
    stats.disk_used_per_day_bytes = stats.disk_free_bytes / value


@pytest.mark.parametrize(
    ("kind", "change", "good", "bad", "between", "hold_s", "severity"),
    [
        ("store_behind", lag, 1, 61, 30, 30, Severity.WARNING),
        ("disk_low", free, 2, 0.9, 1.2, 0, Severity.ERROR),
        ("disk_full_soon", days, 10, 2.9, 4, 600, Severity.WARNING),
    ],
)
def test_given_a_figure_that_dances_on_its_bound_then_it_rings_once(
    kind: str, change: Change, good: float, bad: float, between: float, hold_s: int, severity: Severity
) -> None:
    looking = Looking()

    def run(begin: int, count: int, *values: float) -> list[tuple[int, Severity]]:
        told = []
        for second in range(begin, begin + count):
            change(looking.stats, values[second % len(values)])
            told += [(second, level) for name, level in looking.kinds(second) if name == kind]
        return told

    assert run(0, 700, good) == []
    if hold_s:
        assert run(1000, 700, bad, good) == [], "it must last"
    assert run(2000, 700, bad) == [(2000 + hold_s, severity)]
    assert run(3000, 700, bad, between) == []
    assert run(4000, 10, good) == [(4000, Severity.INFO)]
    assert run(5000, 10, between) == []


def test_given_a_store_that_is_dead_then_its_problem_is_told_and_it_is_not_over_before_it_is_gone() -> None:
    looking = Looking()
    looking.stats.tables.problem = "connection refused"
    looking.stats.tables.lag_s = 100
    [alert] = [alert for second in range(32) for alert in looking.at(second)]
    assert alert.message == (
        "the tables are 100 s behind the tape: connection refused; "
        "recording goes on, and they catch up from it"
    )
    looking.stats.tables.lag_s = 0
    assert looking.at(40) == []
    looking.stats.tables.problem = ""
    assert looking.kinds(41) == [("store_behind", Severity.INFO)]


def test_given_a_disk_that_takes_no_records_then_it_is_told_at_once() -> None:
    looking = Looking()
    looking.stats.journal.problem, looking.stats.journal.waiting_records = "no space left", 1234
    [alert] = looking.at(0)
    assert alert.kind == "journal_problem"
    assert "no space left; 1,234 wait" in alert.message
    looking.stats.journal.problem = ""
    assert looking.kinds(1) == [("journal_problem", Severity.INFO)]


def test_given_a_disk_that_was_not_measured_yet_then_it_is_not_called_full() -> None:
    looking = Looking()
    looking.stats.disk_free_bytes = 0
    assert looking.at(0) == []
    looking.stats.disk_free_bytes = 5 * GIB
    assert looking.at(1) == []
    looking.stats.disk_free_bytes = 0
    assert looking.kinds(2) == [("disk_low", Severity.ERROR)]


def test_given_an_alarm_that_lasts_then_it_is_told_again_after_hours() -> None:
    looking = Looking(remind_s=3600)
    looking.stats.journal.problem = "no space left"
    told = [second for second in range(0, 4 * 3600, 60) for alert in looking.at(second)]
    assert told == [0, 3600, 7200, 10_800]


def test_the_settings_bound_what_they_name() -> None:
    bounds = Bounds.of(RecordSection(disk_low_mb=5, stale_after_s=45))
    assert (bounds.disk_low_bytes, bounds.mute_s) == (5 * 1024 * 1024, 90)


@given(st.lists(st.sampled_from([1.0, 30.0, 61.0]), max_size=300))
def test_raising_and_ending_take_turns(lags: list[float]) -> None:
    looking = Looking(hold_s=0, remind_s=1e9)
    told = []
    for second, value in enumerate(lags):
        looking.stats.tables.lag_s = value
        told += [severity for kind, severity in looking.kinds(second) if kind == "store_behind"]
    assert told == [Severity.WARNING, Severity.INFO] * (len(told) // 2) + [Severity.WARNING] * (len(told) % 2)
