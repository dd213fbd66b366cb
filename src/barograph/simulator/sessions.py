"""When the simulated instruments are traded, and how busily: a factor for every minute.

Around the clock: always open; a gentle swell over the day, busiest at 15:00 UTC. New York:
Monday to Friday, 09:30 to 16:00, shaped like a U, since trading gathers at the open and the
close (Admati and Pfleiderer 1988). Holidays are not known.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from barograph.clock import DAY_US, MINUTE_US, from_us
from barograph.rows import Floats

_OPEN_MINUTE, _CLOSE_MINUTE = 9 * 60 + 30, 16 * 60
_SATURDAY = 5
_SWELL, _BUSIEST_HOUR = 0.15, 15.0
_FLOOR, _WALLS = 0.7, 1.5
# The mean of floor + walls x^4 over the session is floor + walls / 5: it is made 1.
_MEAN = _FLOOR + _WALLS / 5


def activity(new_york: bool, start_us: int, minutes: int) -> Floats:
    """How busy each of ``minutes`` from ``start_us`` is: 0 while closed, on average 1 while open."""
    shape = _new_york if new_york else _around_the_clock
    return np.array([shape(start_us + n * MINUTE_US) for n in range(minutes)])


def _around_the_clock(us: int) -> float:
    hour = us % DAY_US / DAY_US * 24
    return 1 + _SWELL * math.cos((hour - _BUSIEST_HOUR) / 24 * 2 * math.pi)


def _new_york(us: int) -> float:
    local: datetime = from_us(us).astimezone(_zone())
    minute = local.hour * 60 + local.minute
    if local.weekday() >= _SATURDAY or not _OPEN_MINUTE <= minute < _CLOSE_MINUTE:
        return 0.0
    through = (minute - _OPEN_MINUTE + 0.5) / (_CLOSE_MINUTE - _OPEN_MINUTE)
    return (_FLOOR + _WALLS * (2 * through - 1) ** 4) / _MEAN


@lru_cache(maxsize=1)
def _zone() -> ZoneInfo:
    return ZoneInfo("America/New_York")
