"""All bars of many rows at once: one pass, the same functions as the resumable kernel."""

from __future__ import annotations

import numpy as np

from barograph.bars.aggregate import VALUES
from barograph.bars.columns import as_bars
from barograph.bars.incoming import quote_columns, tick_columns
from barograph.bars.order import ROW_COLUMNS, Rows, group_quotes, group_ticks, sort_rows
from barograph.bars.series import Series
from barograph.bars.settings import BarSettings
from barograph.clock import DAY_US, MINUTE_US, US_PER_S
from barograph.errors import UsageError
from barograph.rows import Bars, Codes, Ints, Quotes, Ticks, none_of
from barograph.tables import Flag


def unused_flags(settings: BarSettings) -> int:
    """The cleaning bits that keep a row out of the bars."""
    return Flag.NONPOSITIVE | Flag.CROSSED | (Flag.OUTLIER if settings.exclude_outliers else 0)


def _ends(instrument: Codes, n_instruments: int, first: int) -> Ints:
    """Where the rows of each instrument end when they are put together from ``first`` on."""
    return first + np.cumsum(np.bincount(instrument, minlength=n_instruments))


def _group(ticks: Ticks, quotes: Quotes, n_instruments: int) -> tuple[Rows, Ints, Ints]:
    """Rows by instrument, each in order; where the trades, and where the quotes of each end."""
    n = len(ticks)
    rows, amounts = np.empty((n + len(quotes), ROW_COLUMNS), dtype=np.int64), np.empty((n + len(quotes), 2))
    trade_ends = _ends(ticks.instrument, n_instruments, 0)
    quote_ends = _ends(quotes.instrument, n_instruments, n)
    group_ticks(tick_columns(ticks), np.append(0, trade_ends[:-1]), rows, amounts)
    group_quotes(quote_columns(quotes), np.append(n, quote_ends[:-1]), rows, amounts)
    first = 0
    for last in np.append(trade_ends, quote_ends).tolist():
        sort_rows(rows, amounts, first, last)
        first = last
    return Rows(rows, amounts, n), trade_ends, quote_ends


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
    rows, trade_ends, quote_ends = _group(ticks, quotes, n_instruments)
    return _all_series(rows, np.column_stack([trade_ends, quote_ends]), settings, interval_us)


def _all_series(rows: Rows, ends: Ints, settings: BarSettings, interval_us: int) -> Bars:
    """Each instrument's series, one after the other."""
    keys, values = [np.empty((0, 3), dtype=np.int64)], [np.empty((0, VALUES))]
    trade, quote = 0, rows.n_trades
    for k, (trade_end, quote_end) in enumerate(ends.tolist()):
        span = (trade, trade_end, quote, quote_end)
        trade, quote = trade_end, quote_end
        if span[0] == span[1] and span[2] == span[3]:
            continue
        starts, made = Series(settings, interval_us).advance(rows.rows, rows.amounts, span)
        keys.append(np.column_stack([starts, np.full(len(starts), k), np.zeros(len(starts), dtype=np.int64)]))
        values.append(made)
    key = np.concatenate(keys)
    zeros = np.zeros(len(key), dtype=np.int64)
    return as_bars(key, np.concatenate(values), zeros, zeros.copy())
