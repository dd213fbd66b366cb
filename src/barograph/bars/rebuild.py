"""Late rows for minutes older than all that is kept: the instrument is made anew from its beginning.

Twice, side by side: of the rows that had been used when it was last settled, and of all.
What comes out different is emitted with its next revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from barograph.bars.aggregate import DIRECTION, GAIN
from barograph.bars.order import POS, Rows, sort_rows
from barograph.bars.recalling import Source
from barograph.bars.series import Series
from barograph.bars.settings import BarSettings
from barograph.clock import DAY_US, MINUTE_US
from barograph.rows import Floats, Ints, Mask


class Extent(NamedTuple):
    """What to make anew: the instrument, its first minute and the end of its last.

    The version to compare with: rows up to tape position ``done_pos``, minutes that start
    before ``done_us``.
    """

    instrument: int
    first_us: int
    end_us: int
    done_pos: int
    done_us: int


class Piece(NamedTuple):
    """Minutes made anew: starts, values, whether there was an earlier version, whether it differs."""

    starts: Ints
    values: Floats
    existed: Mask
    changed: Mask


def rebuild(extent: Extent, source: Source, settings: BarSettings) -> Iterator[Piece]:
    """The minutes of ``extent`` in order of time, a day of rows at a time."""
    new, old = Series(settings, MINUTE_US), Series(settings, MINUTE_US)
    begin = extent.first_us
    while begin < extent.end_us:
        end = min(begin - begin % DAY_US + DAY_US, extent.end_us)
        rows = source.rows(extent.instrument, begin, end)
        starts, values = _advance(new, rows)
        old_starts, old_values = _advance(old, rows.take(rows.rows[:, POS] <= extent.done_pos))
        was_closed = old_starts < extent.done_us
        yield _compare(starts, values, old_starts[was_closed], old_values[was_closed])
        begin = end


def _advance(series: Series, rows: Rows) -> tuple[Ints, Floats]:
    sort_rows(rows.rows, rows.amounts, 0, rows.n_trades)
    sort_rows(rows.rows, rows.amounts, rows.n_trades, len(rows.rows))
    return series.advance(rows.rows, rows.amounts, rows.span)


def _compare(starts: Ints, values: Floats, old_starts: Ints, old_values: Floats) -> Piece:
    """No minute is lost by more rows: every old one is among the new."""
    existed = np.isin(starts, old_starts)
    changed = ~existed
    visible = np.delete(np.arange(GAIN), DIRECTION)
    a, b = values[existed][:, visible], old_values[:, visible]
    changed[existed] = ~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    return Piece(starts, values, existed, changed)
