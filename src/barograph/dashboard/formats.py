"""Numbers, times and lengths as people read them."""

from __future__ import annotations

import json
import math
from datetime import datetime

from barograph.clock import NS_PER_US, from_us

_BIG = ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k"))
DASH = "–"
"""Stands for what is not known."""


def price(value: float | None) -> str:
    """A price, to five significant figures and at least two decimals.

    >>> price(65409.65), price(0.62203), price(None)
    ('65,409.65', '0.62203', '–')
    """
    if not _is_number(value):
        return DASH
    assert value is not None
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(2, 4 - size), 12)}f}"


def amount(value: float | None) -> str:
    """A volume or a count, in thousands and millions where it is large.

    >>> amount(1304.84), amount(0.25), amount(26_400_000)
    ('1.30 k', '0.25', '26.4 M')
    """
    if not _is_number(value):
        return DASH
    assert value is not None
    for size, sign in _BIG:
        if abs(value) >= size:
            return _three(value / size) + sign
    return _three(value)


def percent(value: float | None, signed: bool = False) -> str:
    """A percentage, with its sign where it is a change.

    >>> percent(1.834, signed=True), percent(99.95), percent(-0.001, signed=True)
    ('+1.83 %', '99.95 %', '0.00 %')
    """
    if not _is_number(value):
        return DASH
    assert value is not None
    value = round(value, 2) + 0.0  # no minus before a zero
    return f"{value:{'+' if signed and value else ''}.2f} %"


def size(count: float) -> str:
    """Bytes.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def length(seconds: float | None) -> str:
    """A length of time.

    >>> length(0.4), length(75), length(3_700), length(200_000), length(None)
    ('0.4 s', '1.2 min', '1.0 h', '2.3 d', '–')
    """
    if seconds is None:
        return DASH
    for least, unit in ((86_400 * 2, "d"), (3_600, "h"), (60, "min")):
        if seconds >= least:
            return f"{seconds / (86_400 if unit == 'd' else least):.1f} {unit}"
    return f"{seconds:.1f} s"


def moment(at: datetime | None) -> str:
    """A moment, to the second, UTC.

    >>> moment(datetime(2024, 8, 8, 23, 59))
    '2024-08-08 23:59:00'
    """
    return DASH if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def moment_ns(ns: int) -> str:
    """The same of nanoseconds since 1970.

    >>> moment_ns(1_723_161_540_999_999_999)
    '2024-08-08 23:59:00'
    """
    return moment(from_us(ns // NS_PER_US))


def words(name: str) -> str:
    """A name of code in words.

    >>> words("one_sided_flow")
    'one-sided flow'
    """
    return name.replace("one_sided", "one-sided").replace("_", " ")


def detail(text: str) -> str:
    """What a rule says of a crossing, a line.

    >>> detail('{"volume":1304.84,"mean_volume":466.091}')
    'volume 1,304.84, mean volume 466.091'
    """
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if not isinstance(found, dict):
        return text
    return ", ".join(f"{words(name)} {_plain(value)}" for name, value in found.items())


def _plain(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _three(value: float) -> str:
    """Three figures, no more decimals than are needed for them."""
    if value and abs(value) < 0.01:
        return f"{value:.2g}"
    whole = abs(value)
    return f"{value:.2f}" if whole < 10 else f"{value:.1f}" if whole < 100 else f"{value:.0f}"


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
