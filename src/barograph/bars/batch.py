"""All bars of many rows at once: one pass, the same functions as the resumable kernel."""

from __future__ import annotations

import numpy as np

from barograph.bars.aggregate import VALUES
from barograph.bars.columns import as_bars
from barograph.bars.order import RowColumns, group_rows, sort_rows
from barograph.bars.series import Series, quote_rows, trade_rows
from barograph.bars.settings import BarSettings
from barograph.clock import DAY_US, MINUTE_US, US_PER_S
from barograph.errors import UsageError
from barograph.rows import Bars, Codes, Ints, Quotes, Ticks, none_of
from barograph.tables import Flag


def unused_flags(settings: BarSettings) -> int:
    """The cleaning bits that keep a row out of the bars."""
    return Flag.NONPOSITIVE | Flag.CROSSED | (Flag.OUTLIER if settings.exclude_outliers else 0)


def _group(instrument: Codes, rows: RowColumns, n_instruments: int) -> tuple[RowColumns, Ints]:
    """Rows grouped by instrument, each group in order; ``ends[k]`` is where group k ends."""
    ends = np.cumsum(np.bincount(instrument, minlength=n_instruments))
    grouped = RowColumns(*(np.empty_like(column) for column in rows))
    next_at = np.concatenate([[0], ends[:-1]])
    group_rows(instrument, next_at, rows, grouped)
    first = 0
    for last in ends.tolist():
        sort_rows(grouped, first, last)
        first = last
    return grouped, ends


def batch(
    ticks: Ticks,
    quotes: Quotes | None = None,
    settings: BarSettings | None = None,
    interval_us: int = MINUTE_US,
) -> Bars:
    """The bars of ``ticks`` and ``quotes``, of any number of instruments, in any order.

    Args:
        ticks: trades; ``record`` is their order on the tape, where (ts, seq) leaves it open.
        quotes: best bids and asks; ``record`` counts on the same tape.
        settings: those of the kernel; the times of arrival play no part here.
        interval_us: 1 s to 1 day, a whole part of a day; bars are aligned to UTC.

    Returns the rows by instrument, then time: those that the kernel ends with, but for
    ``revision`` (0), ``record`` (0) and ``as_of_us`` (0).

    Raises:
        UsageError: the interval does not divide the day.
    """
    if not US_PER_S <= interval_us <= DAY_US or DAY_US % interval_us:
        raise UsageError(f"interval of {interval_us} us; take one of 1 s to 1 day that divides the day")
    settings = settings or BarSettings()
    quotes = none_of(Quotes) if quotes is None else quotes
    unused = unused_flags(settings)
    if np.any(ticks.flags & unused):
        ticks = ticks.take(ticks.flags & unused == 0)
    if np.any(quotes.flags & unused):
        quotes = quotes.take(quotes.flags & unused == 0)
    if not len(ticks) and not len(quotes):
        return none_of(Bars)
    n_instruments = 1 + max(int(rows.instrument.max()) for rows in (ticks, quotes) if len(rows))
    trades, trade_ends = _group(ticks.instrument, trade_rows(ticks), n_instruments)
    changes, quote_ends = _group(quotes.instrument, quote_rows(quotes), n_instruments)
    return _all_series(trades, changes, np.column_stack([trade_ends, quote_ends]), settings, interval_us)


def _all_series(
    trades: RowColumns, quotes: RowColumns, ends: Ints, settings: BarSettings, interval_us: int
) -> Bars:
    """Each instrument's series, one after the other."""
    keys, values = [np.empty((0, 3), dtype=np.int64)], [np.empty((0, VALUES))]
    trade, quote = 0, 0
    for k, (trade_end, quote_end) in enumerate(ends.tolist()):
        span = (trade, trade_end, quote, quote_end)
        trade, quote = trade_end, quote_end
        if span[0] == span[1] and span[2] == span[3]:
            continue
        starts, made = Series(settings, interval_us).advance(trades, quotes, span)
        keys.append(np.column_stack([starts, np.full(len(starts), k), np.zeros(len(starts), dtype=np.int64)]))
        values.append(made)
    key = np.concatenate(keys)
    zeros = np.zeros(len(key), dtype=np.int64)
    return as_bars(key, np.concatenate(values), zeros, zeros.copy())
