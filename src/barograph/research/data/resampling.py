"""Longer bars out of candles: aligned to UTC, unfinished ones at either end left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barograph.clock import DAY_US
from barograph.errors import UsageError
from barograph.research.data.checking import moment
from barograph.research.data.source import Rows
from barograph.research.spans import span
from barograph.rows import Floats, Ints


def longer(rows: Rows, base_us: int, interval_us: int) -> Rows:
    """Bars of ``interval_us`` out of rows of ``base_us``, in order.

    Open is the first, close the last that is known, high and low the extremes, volume the sum (NaN where
    one of them is), ``exec_price`` the first that is known, the spread the last. A bar that holds any
    validation row is validation: training must not see it. An interval without known rows makes no bar.

    Raises:
        UsageError: the interval is not a whole number of theirs.
    """
    if interval_us < base_us or interval_us % base_us:
        raise UsageError(
            f"{rows.name} has bars of {span(base_us)}; {span(interval_us)} is not a whole number of them"
        )
    known = rows.take(~np.isnan(rows.close))
    starts = known.ts_us - known.ts_us % interval_us
    first = np.flatnonzero(np.diff(starts, prepend=-1))
    return replace(
        known,
        ts_us=starts[first],
        open=known.open[first],
        high=np.maximum.reduceat(known.high, first),
        low=np.minimum.reduceat(known.low, first),
        close=known.close[np.append(first[1:], len(known)) - 1],
        volume=np.add.reduceat(known.volume, first),
        exec_price=None if known.exec_price is None else _first_known(known.exec_price, first),
        spread=None if known.spread is None else _last_known(known.spread, first),
        split=None if known.split is None else np.maximum.reduceat(known.split, first),
    ).with_(f"made from bars of {span(base_us)}")


def _first_known(values: Floats, first: Ints) -> Floats:
    """Of each group the first value that is not NaN."""
    rows = np.where(np.isnan(values), len(values), np.arange(len(values)))
    found = np.minimum.reduceat(rows, first)
    return np.append(values, np.nan)[found]


def _last_known(values: Floats, first: Ints) -> Floats:
    """Of each group the last value that is not NaN."""
    rows = np.where(np.isnan(values), -1, np.arange(len(values)))
    found = np.maximum.reduceat(rows, first)
    return np.where(found < first, np.nan, values[found])


def finished(made: Rows, base_ts_us: Ints, base_us: int, interval_us: int) -> Rows:
    """Without a first and a last bar that lack rows which the others of their time of day have.

    ``base_ts_us`` are the starts of the rows of ``base_us`` that the bars were made from. Of a market with
    sessions the last bar of a day is whole when the session's usual last row is there.
    """
    if not len(made):
        return made
    first = np.searchsorted(base_ts_us, made.ts_us)
    last = np.searchsorted(base_ts_us, made.ts_us + interval_us) - 1
    begins, ends = base_ts_us[first] - made.ts_us, base_ts_us[last] - made.ts_us
    time_of_day = made.ts_us % DAY_US
    kept, remarks = slice(0, len(made)), []
    if ends[-1] < _usual(ends, time_of_day, len(made) - 1, interval_us - base_us):
        kept = slice(0, len(made) - 1)
        remarks.append(
            f"the last {span(interval_us)}, from {moment(made.ts_us[-1])}, is unfinished and left out"
        )
    if kept.stop and begins[0] > _usual(begins, time_of_day, 0, 0):
        kept = slice(1, kept.stop)
        remarks.append(
            f"the first {span(interval_us)}, from {moment(made.ts_us[0])}, begins late and is left out"
        )
    return made.take(kept).with_(*remarks)


def _usual(values: Ints, time_of_day: Ints, row: int, otherwise: int) -> float:
    """The median of the other bars at the same time of day."""
    others = time_of_day == time_of_day[row]
    others[row] = False
    return float(np.median(values[others])) if others.any() else float(otherwise)
