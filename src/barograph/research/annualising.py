"""How many bars a year of this data has: from its bar length and its own calendar, never a silent 252.

A year is Julian: 365.25 days. What counts is the market's schedule, not how many rows there
are, so that a gap in a recording does not make a strategy look calmer than it is:

- *around the clock, all week*: a year / the bar's length (525,960 minutes);
- *daily sessions*: sessions per year, counted from the data's own dates, weekends and holidays missing.
  A step of more than 12 days from one session to the next is a gap in the data, not the market's:
  no exchange with regular sessions closes that long;
- *intraday sessions*: the bars of the week in which the market usually trades (weekday by weekday,
  those present on at least half of the days, relative to the bar that is present most often, so that
  lunch breaks, clock changes and sessions across midnight need no calendar) times the weeks of a
  year, less the holidays seen;
- *longer than a day*: a year / the mean step.

Where the data is too short to show its calendar, something must be assumed; ``reason`` says what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barograph.clock import DAY_US
from barograph.research.spans import span
from barograph.rows import Floats, Ints, Mask
from barograph.strategies.prices import Prices

YEAR_DAYS = 365.25
YEAR_US = int(YEAR_DAYS * DAY_US)
WEEKS = YEAR_DAYS / 7
ASSUMED_SESSIONS = 252.0
"""Assumed, aloud, of a five-day week where there is less than a year of data to count holidays in."""

_LONGEST_CLOSURE = 12
_ENOUGH_DAYS = 350
_FIRST_MONDAY_US = 4 * DAY_US
_WEEK_US = 7 * DAY_US
_SATURDAY_US = 5 * DAY_US
_WEEKEND_US = 44 * 60 * 60 * 1_000_000
"""Saturday 00:00 to Sunday 20:00 UTC: when markets that close at weekends are closed, currencies too."""


@dataclass(frozen=True, slots=True)
class Annualisation:
    """Periods per year, and in words why, for printing beside the results."""

    periods_per_year: float
    reason: str


def periods_per_year(prices: Prices) -> float:
    """How many bars like these a year has; see :func:`annualisation` for the reason.

    >>> minutes = np.arange(10 * 1_440) * 60_000_000
    >>> flat = np.ones(len(minutes))
    >>> periods_per_year(Prices("X", 60_000_000, minutes, flat, flat, flat, flat, flat))
    525960.0
    """
    return annualisation(prices).periods_per_year


def annualisation(prices: Prices) -> Annualisation:
    """How many bars like these a year has, and why."""
    ts_us, interval_us = prices.ts_us, prices.interval_us
    if interval_us > DAY_US:
        return _long(ts_us, interval_us)
    if interval_us == DAY_US:
        return _daily(ts_us)
    return _intraday(ts_us, interval_us)


def _long(ts_us: Ints, interval_us: int) -> Annualisation:
    """Weeks, months: their mean length, gaps aside."""
    steps = np.diff(ts_us)
    steps = steps[2 * steps < 3 * interval_us]
    mean_us = float(np.mean(steps)) if len(steps) else float(interval_us)
    return Annualisation(
        YEAR_US / mean_us, f"a bar lasts {mean_us / DAY_US:.2f} days, and a year {YEAR_DAYS:g}"
    )


def _daily(ts_us: Ints) -> Annualisation:
    days = np.unique(ts_us // DAY_US)
    seen = _regular(np.bincount(_weekday(days), minlength=7))
    if np.count_nonzero(seen) == 7 or (seen[5] and seen[6] and not _fortnight(days)):
        return Annualisation(YEAR_DAYS, f"daily bars on all seven days of the week: {YEAR_DAYS:g} a year")
    sessions, reason = _sessions(days, int(np.count_nonzero(seen)))
    return Annualisation(sessions, f"daily sessions; {reason}")


def _intraday(ts_us: Ints, interval_us: int) -> Annualisation:
    round_the_clock = YEAR_US / interval_us
    every = f"bars of {span(interval_us)}"
    if len(ts_us) < 2 or ts_us[-1] - ts_us[0] < 2 * DAY_US:
        reason = (
            f"{every} over less than two days do not show a calendar: trading all day, all week is assumed"
        )
        return Annualisation(round_the_clock, reason)
    present = _presence(ts_us, interval_us)
    if _all_day(present):
        weekends = _weekend_share(ts_us, interval_us)
        if weekends is None:
            reason = f"{every} all day and no weekend among them: trading at weekends too is assumed"
            return Annualisation(round_the_clock, reason)
        if weekends >= 0.2:
            return Annualisation(
                round_the_clock, f"{every} all day on all seven days: {round_the_clock:,.6g} a year"
            )
    return _in_sessions(ts_us // DAY_US, present, every)


def _in_sessions(day_of_bar: Ints, present: Floats, every: str) -> Annualisation:
    """Intraday bars of a market that closes."""
    days = np.unique(day_of_bar)
    weekday = _weekday(days)
    seen = _regular(np.bincount(weekday, minlength=7))
    open_bars = present >= 0.5 * present[seen].max()
    if not _fortnight(days):
        per_day = np.count_nonzero(open_bars.sum(axis=0) * 2 >= np.count_nonzero(seen))
        assumed = f"{ASSUMED_SESSIONS:g} sessions a year assumed"
        return Annualisation(
            per_day * ASSUMED_SESSIONS, f"{every}, {per_day} a day; less than two weeks of them: {assumed}"
        )
    week = int(np.count_nonzero(open_bars[seen]))
    weekdays = int(np.count_nonzero(seen))
    sessions, reason = _sessions(days[seen[weekday]], weekdays)
    share = min(1.0, sessions / (weekdays * WEEKS))
    return Annualisation(week * WEEKS * share, f"{every}, {week:,} in a full week; {reason}")


def _sessions(days: Ints, weekdays: int) -> tuple[float, str]:
    """Sessions per year of a market that is open on so many days a week, and how that is known."""
    steps = np.diff(days)
    own = steps[steps <= _LONGEST_CLOSURE]
    observed = int(own.sum())
    if observed >= _ENOUGH_DAYS:
        sessions = len(own) * YEAR_DAYS / observed
        gaps = len(steps) - len(own)
        without = f" (without {gaps} gaps of more than {_LONGEST_CLOSURE} days)" if gaps else ""
        return (
            sessions,
            f"{sessions:.1f} sessions a year, counted over {observed / YEAR_DAYS:.1f} years{without}",
        )
    if weekdays <= 5:
        assumed = f"{ASSUMED_SESSIONS:g} sessions a year assumed"
        return ASSUMED_SESSIONS, f"less than a year of them, too short to count holidays in: {assumed}"
    return weekdays * WEEKS, f"less than a year of them: {weekdays} days a week without holidays assumed"


def _weekday(days: Ints) -> Ints:
    """0 is Monday; days count from Thursday 1970-01-01."""
    return (days + 3) % 7


def _fortnight(days: Ints) -> bool:
    """Whether every weekday could be seen twice."""
    return bool(days[-1] - days[0] >= 13)


def _regular(by_weekday: Ints) -> Mask:
    """Which weekdays trade regularly: now and then a special Saturday is none."""
    return np.asarray(by_weekday * 10 >= max(int(by_weekday.max()), 1))


def _presence(ts_us: Ints, interval_us: int) -> Floats:
    """(7, bars of a day): on which part of the days of a weekday that have any bar each bar is there."""
    slots = -(-DAY_US // interval_us)
    day = ts_us // DAY_US
    slot = _weekday(day) * slots + ts_us % DAY_US // interval_us
    counts = np.bincount(slot, minlength=7 * slots).reshape(7, slots)
    days = np.bincount(_weekday(np.unique(day)), minlength=7)
    return np.asarray(counts / np.maximum(days, 1)[:, None])


def _all_day(present: Floats) -> bool:
    """Whether nearly every time of day is traded at, on some weekday."""
    times = present.max(axis=0)
    return bool(np.mean(times >= 0.5 * times.max()) >= 0.95)


def _weekend_share(ts_us: Ints, interval_us: int) -> float | None:
    """How densely bars lie at weekends, relative to the rest of the week; None: there was no weekend."""
    since_monday = (ts_us - _FIRST_MONDAY_US) % _WEEK_US
    inside = (since_monday >= _SATURDAY_US) & (since_monday + interval_us <= _SATURDAY_US + _WEEKEND_US)
    first, stop = int(ts_us[0]), int(ts_us[-1]) + interval_us
    weekend = _weekends_before(stop) - _weekends_before(first)
    if weekend < 6 * 60 * 60 * 1_000_000:
        return None
    bars = int(np.count_nonzero(inside))
    others = (len(ts_us) - bars) / max(stop - first - weekend, 1)
    return float(bars / weekend / others) if others else 1.0


def _weekends_before(us: int) -> int:
    """Microseconds of weekend before a moment, since the first Monday."""
    weeks, since_monday = divmod(us - _FIRST_MONDAY_US, _WEEK_US)
    return weeks * _WEEKEND_US + min(max(since_monday - _SATURDAY_US, 0), _WEEKEND_US)
