"""Free space, growth, and the day on which both meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from barograph.clock import NS_PER_S
from barograph.recorder.live.disk import DAY_NS, Growth, days_until_full, disk_use

MINUTE_NS = 60 * NS_PER_S


def test_a_data_directory_is_counted_with_all_below_it(tmp_path: Path) -> None:
    assert disk_use(tmp_path)[1:] == (0, 0)
    for name, size in (("tape/a", 10), ("lake/ticks/day/b", 200), ("lake/.hot/c", 3000), ("state/d", 7)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    use = disk_use(tmp_path)
    assert (use.tape_bytes, use.lake_bytes, use.used_bytes) == (10, 3200, 3210)
    assert use.free_bytes > 0


def test_given_less_than_ten_minutes_then_no_growth_is_claimed() -> None:
    growth = Growth()
    assert growth.bytes_per_day == 0
    for minute in range(10):
        growth.add(minute * MINUTE_NS, minute * 1000)
        assert growth.bytes_per_day == 0
    growth.add(10 * MINUTE_NS, 10_000)
    assert growth.bytes_per_day == pytest.approx(1_440_000)


def test_given_a_sealing_each_hour_then_growth_is_what_remains() -> None:
    """A segment of 60 MB shrinks to 12 MB each hour: 288 MB a day stay."""
    growth, sealed, live = Growth(), 0, 0
    for minute in range(30 * 60):
        live += 1_000_000
        if minute % 60 == 59:
            sealed, live = sealed + 12_000_000, 0
        growth.add(minute * MINUTE_NS, sealed + live)
    assert growth.bytes_per_day == pytest.approx(288e6, rel=0.05)


def test_given_days_of_looks_then_only_the_last_one_counts_and_memory_is_bounded() -> None:
    growth = Growth()
    for second in range(0, 3 * 86_400, 20):
        rate = 1 if second < 86_400 else 5
        growth.add(second * NS_PER_S, rate * second)
    assert len(growth._looks) <= DAY_NS // MINUTE_NS + 1
    assert growth.bytes_per_day == pytest.approx(5 * 86_400, rel=0.01)


def test_given_a_shrinking_directory_or_a_clock_set_back_then_nothing_is_claimed() -> None:
    growth = Growth()
    for minute in range(60):
        growth.add(minute * MINUTE_NS, 1_000_000 - minute)
    assert growth.bytes_per_day == 0
    growth.add(0, 5)
    growth.add(MINUTE_NS, 500_000)
    assert growth.bytes_per_day == 0


def test_days_until_full() -> None:
    assert days_until_full(10_000, 2500.0) == 4.0
    assert days_until_full(10_000, 0.0) is None
