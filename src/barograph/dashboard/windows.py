"""How much of a chart is drawn: a stretch of time, and bars of a length that the browser can take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

POINTS_MOST = 2_000
"""Bars in a chart, at the most."""
POINTS_WELL = 500
"""Bars in a chart that are still told apart: what "auto" aims at."""

LADDER = {
    "1s": 1,
    "5s": 5,
    "15s": 15,
    "30s": 30,
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "12h": 43_200,
    "1d": 86_400,
}
"""Intervals that are offered, with their seconds."""

SPANS = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "1 d": timedelta(days=1),
    "1 w": timedelta(days=7),
    "1 mo": timedelta(days=30),
    "1 y": timedelta(days=365),
    "all": None,
}
"""Stretches of time that are offered; None is all there is."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time and the interval of its bars.

    Attributes:
        wanted: the interval that was asked for, where it would have been too many bars; else empty.
    """

    start: datetime
    end: datetime
    every: str
    wanted: str = ""

    @property
    def interval_us(self) -> int:
        """Length of a bar."""
        return LADDER[self.every] * 1_000_000


def window(start: datetime, end: datetime, wanted: str, least_s: int) -> Window:
    """The stretch from ``start`` to ``end`` in bars of ``wanted``, or longer ones where those are too many.

    Args:
        wanted: one of :data:`LADDER`, or "auto".
        least_s: the shortest bars that there can be: 1 where there are ticks.

    >>> hour = window(datetime(2024, 8, 8), datetime(2024, 8, 8, 1), "auto", 1)
    >>> hour.every, window(hour.start, hour.end, "1s", 1).every, window(hour.start, hour.end, "1s", 1).wanted
    ('15s', '5s', '1s')
    """
    span_s = (end - start).total_seconds()
    most = POINTS_WELL if wanted == "auto" else POINTS_MOST
    least_s = least_s if wanted == "auto" else max(least_s, LADDER[wanted])
    fitting = [name for name, seconds in LADDER.items() if seconds >= least_s and span_s / seconds <= most]
    every = fitting[0] if fitting else "1d"
    return Window(start, end, every, wanted if wanted not in {"auto", every} else "")


def spans_for(whole: timedelta) -> list[str]:
    """Those of :data:`SPANS` that are shorter than ``whole``, and all of it."""
    return [name for name, span in SPANS.items() if span is None or span < whole]
