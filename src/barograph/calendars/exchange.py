"""The sessions of an exchange after ``exchange_calendars``, computed in a process of its own.

That library stands on pandas, which takes 80 MB of memory that a recorder does not have. So
this module is run as ``python -m barograph.calendars.exchange XNYS``: it prints a
:class:`Table` and ends, and the memory with it. Nothing here is imported by anybody else
but for the shape of the answer.
"""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import msgspec

FIRST, LAST = date(2000, 1, 1), date(2049, 12, 31)
"""The days that a table has, as far as the exchange's holidays are known."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One stretch of opening hours: the exchange's day, and two moments."""

    day: date
    open_us: int
    close_us: int


class Holiday(msgspec.Struct, frozen=True, array_like=True):
    """A day without trading that has a name."""

    day: date
    name: str


class Table(msgspec.Struct, frozen=True):
    """What the library knows of one exchange, or why it knows nothing.

    Attributes:
        timezone: the exchange's, by its IANA name.
        known_until: the last day whose holidays are known.
        names: every calendar that there is; only given when the one asked for is not among them.
        holidays: those whose names are known.
    """

    timezone: str = "UTC"
    known_until: date = LAST
    rows: tuple[Row, ...] = ()
    names: tuple[str, ...] = ()
    holidays: tuple[Holiday, ...] = ()


def compute(name: str) -> Table:
    """The table of the exchange called ``name`` (a market identifier code)."""
    import exchange_calendars as xc  # type: ignore[import-untyped]

    names = tuple(xc.get_calendar_names(include_aliases=False))
    if name not in names:
        return Table(names=names)
    kind = type(xc.get_calendar(name))
    known_from, known_until = (_date(bound) for bound in (kind.bound_min(), kind.bound_max()))
    first, last = max(FIRST, known_from or FIRST), min(LAST, known_until or LAST)
    found = xc.get_calendar(name, start=first.isoformat(), end=last.isoformat())
    return Table(
        timezone=str(found.tz),
        known_until=last,
        rows=tuple(_rows(found.schedule)),
        holidays=tuple(_holidays(found.regular_holidays, first, last)),
    )


def _date(bound: object) -> date | None:
    return None if bound is None else date.fromisoformat(str(bound)[:10])


def _holidays(rules: Any, first: date, last: date) -> list[Holiday]:
    """What the library's rules name; it has none for exchanges whose holidays are a list of dates."""
    if rules is None:
        return []
    named = rules.holidays(first.isoformat(), last.isoformat(), return_name=True)
    return [Holiday(day.date(), str(name)) for day, name in named.items()]


def _rows(schedule: object) -> list[Row]:
    """The rows of the library's table: columns open, break_start, break_end, close."""
    import pandas as pd

    assert isinstance(schedule, pd.DataFrame)
    rows: list[Row] = []
    for day, opens, breaks, resumes, closes in schedule[
        ["open", "break_start", "break_end", "close"]
    ].itertuples():
        parts = [(opens, closes)] if pd.isna(breaks) else [(opens, breaks), (resumes, closes)]
        rows += [Row(day.date(), begin.value // 1_000, end.value // 1_000) for begin, end in parts]
    return rows


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(compute(sys.argv[1])))
