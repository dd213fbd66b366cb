"""From values to places on paper, and where a scale carries its marks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.clock import DAY_US
from barograph.rows import Floats, Ints

_HOUR_US, _MINUTE_US = DAY_US // 24, 60_000_000
_EVEN_BELOW = 4.0
"""A logarithmic scale over less than this factor carries even steps; they are easier to read."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = (
    *(_MINUTE_US * n for n in (1, 5, 15, 30)),
    *(_HOUR_US * n for n in (1, 3, 6, 12)),
    *(DAY_US * n for n in (1, 2, 7, 14)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` on pixels from ``start`` to ``end``, evenly or by their logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: npt.ArrayLike) -> Floats:
        """The pixels of ``values``; those outside lie outside."""
        at = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            at, low, high = np.log(at), math.log(low), math.log(high)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def at(self, value: float) -> float:
        """The pixel of one value."""
        return float(self(value))


def bounds(values: npt.ArrayLike, *, pad: float = 0.04, zero: bool = False) -> tuple[float, float]:
    """The lowest and highest finite value, moved apart a little; ``zero`` takes 0 in as well.

    Nothing at all, or one value only, gives a range around it, so that a scale can always be made.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high == 0.0:
        return -1.0, 1.0
    room = (high - low) * pad or abs(high) * 0.1
    return low - room * (low != 0.0 or not zero), high + room * (high != 0.0 or not zero)


def log_bounds(values: npt.ArrayLike) -> tuple[float, float] | None:
    """As ``bounds`` for a logarithmic scale; None where a value is not above 0."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known) or known.min() <= 0.0:
        return None
    low, high = bounds(np.log(known))
    return math.exp(low), math.exp(high)


def ticks(scale: Scale, count: int = 5, least: float = 0.0) -> Floats:
    """About ``count`` round values on the scale, at least ``least`` apart."""
    if scale.log and scale.high / scale.low > _EVEN_BELOW:
        found = _log_ticks(scale.low, scale.high, count)
        if len(found) >= 3:
            return found
    return _even_ticks(scale.low, scale.high, count, least)


def _even_ticks(low: float, high: float, count: int, least: float) -> Floats:
    raw = max((high - low) / count, least)
    power = 10.0 ** math.floor(math.log10(raw))
    whole = least >= 1.0 and power < 10.0  # no 2.5 of what is counted
    step = next(m for m in _STEPS if raw <= m * power * (1 + 1e-9) and not (whole and m % 1.0)) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return np.arange(first, last + 1, dtype=np.float64) * step


def _log_ticks(low: float, high: float, count: int) -> Floats:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (
        (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
        (1.0, 2.0, 3.0, 5.0),
        (1.0, 2.0, 5.0),
        (1.0, 3.0),
        (1.0,),
    ):
        found = np.array([d * 10.0**p for p in powers for d in digits])
        found = found[(found >= low) & (found <= high)]
        if len(found) <= count + 2:
            return found
    every = math.ceil(len(found) / count)
    return found[::every]


def step_of(marks: Floats) -> float:
    """The distance between marks, which says how many digits their labels need."""
    return float(np.min(np.diff(marks))) if len(marks) > 1 else abs(float(marks[0])) if len(marks) else 1.0


def decimals(marks: Floats, factor: float = 1.0) -> int:
    """Digits after the point that tell ``marks`` times ``factor`` apart."""
    step = step_of(marks) * factor
    if step <= 0.0:
        return 0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return digits + (
        digits < 6 and not math.isclose(step * 10**digits, round(step * 10**digits), rel_tol=1e-6)
    )


def time_ticks(start_us: float, end_us: float, count: int = 8) -> tuple[Ints, list[str]]:
    """At most about ``count`` round moments (UTC) from start to end, and what is written under them."""
    span = end_us - start_us
    for step in _TIME_STEPS:
        if span / step <= count:
            found = np.arange(-(-start_us // step) * step, end_us + 1, step).astype(np.int64)
            return found, _labels(found, "%H:%M" if step < DAY_US else "day", days=span > DAY_US)
    for unit, step, length in _calendar_steps(count, span):
        if span / (step * length) <= count:
            return _calendar(start_us, end_us, unit, step)
    raise AssertionError("the last step fits every span")


def _calendar_steps(count: int, span: float) -> list[tuple[str, int, float]]:
    month, year = DAY_US * 30.44, DAY_US * 365.25
    widest = max(1, math.ceil(span / year / count))
    years = (1, 2, 5, 10, 20, 50, 100, widest)
    return [("M", n, month) for n in (1, 2, 3, 6)] + [("Y", n, year) for n in years]


def _calendar(start_us: float, end_us: float, unit: str, step: int) -> tuple[Ints, list[str]]:
    first, last = (
        int(np.datetime64(int(t), "us").astype(f"datetime64[{unit}]").astype(np.int64))
        for t in (start_us, end_us)
    )
    offset = 1970 if unit == "Y" else 0
    whole = [n for n in range(first, last + 1) if (n + offset) % step == 0]
    dates = np.array(whole, dtype=f"datetime64[{unit}]")
    at = dates.astype("datetime64[us]").astype(np.int64)
    names = [
        str(d) if unit == "Y" else f"{_MONTHS[n % 12]} {1970 + n // 12}"
        for n, d in zip(whole, dates, strict=True)
    ]
    inside = [i for i, t in enumerate(at) if start_us <= t <= end_us]
    return at[inside], [names[i] for i in inside]


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _labels(at: Ints, form: str, *, days: bool) -> list[str]:
    shown = []
    for t in at:
        day = np.datetime64(int(t), "us").astype("datetime64[D]")
        date = f"{int(str(day)[8:])} {_MONTHS[int(str(day)[5:7]) - 1]}"
        clock = str(np.datetime64(int(t), "us"))[11:16]
        shown.append(date if form == "day" else f"{date} {clock}" if days and clock == "00:00" else clock)
    return shown


Format = Callable[[float], str]
AxisFormat = Callable[[Floats], Format]


def number_format(marks: Floats) -> Format:
    """Plain numbers with as many digits as tell the marks apart."""
    digits = decimals(marks)
    return lambda value: f"{value + 0.0:,.{digits}f}".replace("-", "−")


def percent_format(marks: Floats) -> Format:
    """The same in percent."""
    digits = decimals(marks, 100.0)
    return lambda value: f"{value * 100 + 0.0:,.{digits}f}".replace("-", "−") + " %"


class Unit(NamedTuple):
    """How a quantity is written: by itself, and along an axis."""

    write: Format
    axis: AxisFormat


PLAIN = Unit(lambda value: f"{value:,.2f}".replace("-", "−"), number_format)
