from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import DAY_US, ManualClock, day_of, day_start_us, from_us, to_us

MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_microseconds_and_datetimes_are_the_same_time(moment: datetime):
    us = to_us(moment)
    assert from_us(us) == moment
    assert day_of(us) == moment.date()
    assert 0 <= us - day_start_us(moment.date()) < DAY_US


def test_to_us_minds_the_zone_and_refuses_none():
    india = timezone(timedelta(hours=5, minutes=30))
    assert to_us(datetime(2024, 8, 8, 5, 30, tzinfo=india)) == day_start_us(date(2024, 8, 8))
    with pytest.raises(ValueError, match="no time zone"):
        to_us(datetime(2024, 8, 8))  # noqa: DTZ001 - that is the point


def test_a_manual_clock_moves_when_told():
    clock = ManualClock(5)
    clock.advance(1.5)
    assert clock.now_ns() == 1_500_000_005
