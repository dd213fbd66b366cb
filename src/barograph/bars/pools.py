"""The kernel's memory: minutes and rows in pools of equal slots, linked by slot number.

A **minute** of an instrument is a row of ``minutes`` and of ``values``; those of one
instrument form a list in order of time, so that a late minute is put in between without
moving the others. Its rows hang on it as a list in tape order while it is *hot*; a *cold*
minute has values only. Freed slots are linked through AFTER or NEXT and used again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.bars.order import POS, QUOTE, ROW_COLUMNS, SEQ, SIDE, TS, sort_rows
from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats, Ints

NONE = -1
NEVER = -(2**62)
FOREVER = 2**62

# Columns of `minutes`.
START, BEFORE, AFTER, FIRST_ROW, LAST_ROW, N_TRADES, N_QUOTES, REVISION, STATUS = range(9)
MINUTE_COLUMNS = 9

# Bits of STATUS.
CLOSED = 1  # has been emitted
COLD = 2  # its rows are no longer here
STALE = 4  # has to be made again
MARKED = 8  # was made again and is different; the roll must start here
EMIT = 16  # to be emitted by this crossing
WARMING = 32  # its rows are being brought back
THINNED = 64  # quotes that no trade so far needs are no longer here

# A row of `rows` has the columns of :mod:`barograph.bars.order`, and the slot of the next one.
NEXT = ROW_COLUMNS

# Columns of `instruments`.
SEEN, WATERMARK, HEAD, TAIL, CURSOR, COUNT, DUE_US, STALE_US = range(8)
MARKED_FROM, MARKED_TO, HOT_US, FORGOTTEN, FLOOR_US, FIRST_US, DEEP, DONE_POS, DONE_US = range(8, 17)
UNSIDED = 17  # it has had a trade without an aggressor, which has to look for its quote
INSTRUMENT_COLUMNS = 18
NEW_INSTRUMENT = (
    *(0, NEVER, NONE, NONE, NONE, 0, FOREVER, FOREVER),
    *(FOREVER, NEVER, FOREVER, 0, NEVER, FOREVER, 0, NONE, NEVER, 0),
)

# Entries of `meta`: slots ever used, head of the free list, its length; minutes, then rows.
MINUTES_USED, MINUTE_FREE, MINUTES_FREE, ROWS_USED, ROW_FREE, ROWS_FREE = range(6)
META = 6


class Pools(NamedTuple):
    """All arrays of the kernel.

    ``streams`` and ``lanes`` belong to :mod:`barograph.bars.watermark`; ``carried`` says
    which lane (a live stream) has brought rows of which instrument.
    """

    meta: Ints
    instruments: Ints
    minutes: Ints
    values: Floats
    rows: Ints
    amounts: Floats
    streams: Ints
    lanes: Ints
    carried: npt.NDArray[np.uint8]


class Limits(NamedTuple):
    """The settings as the compiled functions take them; ``recalls``: a Recall is at hand."""

    lateness_us: int
    max_ahead_us: int
    grace_us: int
    unused_flags: int
    window: int
    min_bars: int
    retain_us: int
    recalls: int


Row = tuple[int, int, int, int, float, float]
"""Time, sequence number, tape position, side; price and size, or bid and ask."""


# What happens to every row takes plain arrays: numba counts references to each array of a
# tuple wherever the tuple is handed on, which would cost more than the work itself.


@compiled_part
def seek(k: int, start_us: int, instruments: Ints, minutes: Ints) -> int:
    """The first minute of instrument ``k`` at or after ``start_us``; NONE if there is none."""
    here: int = instruments[k, CURSOR]
    if here == NONE:
        return NONE
    while here != NONE and minutes[here, START] < start_us:
        here = minutes[here, AFTER]
    if here == NONE:
        return NONE
    before = minutes[here, BEFORE]
    while before != NONE and minutes[before, START] >= start_us:
        here = before
        before = minutes[before, BEFORE]
    return here


@compiled_part
def insert_minute(k: int, start_us: int, after: int, meta: Ints, instruments: Ints, minutes: Ints) -> int:
    """A new minute of instrument ``k`` in front of the minute ``after`` (NONE: at the end)."""
    here: int = meta[MINUTE_FREE]
    if here == NONE:
        here = meta[MINUTES_USED]
        meta[MINUTES_USED] += 1
    else:
        meta[MINUTE_FREE] = minutes[here, AFTER]
        meta[MINUTES_FREE] -= 1
    before = instruments[k, TAIL] if after == NONE else minutes[after, BEFORE]
    minutes[here, START] = start_us
    minutes[here, BEFORE] = before
    minutes[here, AFTER] = after
    minutes[here, FIRST_ROW] = NONE
    minutes[here, LAST_ROW] = NONE
    for column in (N_TRADES, N_QUOTES, REVISION, STATUS):
        minutes[here, column] = 0
    if before == NONE:
        instruments[k, HEAD] = here
    else:
        minutes[before, AFTER] = here
    if after == NONE:
        instruments[k, TAIL] = here
    else:
        minutes[after, BEFORE] = here
    instruments[k, COUNT] += 1
    instruments[k, HOT_US] = min(instruments[k, HOT_US], start_us)
    return here


@compiled
def place(k: int, start_us: int, meta: Ints, instruments: Ints, minutes: Ints) -> int:
    """The minute of instrument ``k`` that starts at ``start_us``, put in where it is missing.

    NONE when there is no room for a new one.
    """
    here = seek(k, start_us, instruments, minutes)
    if here == NONE or minutes[here, START] != start_us:
        if meta[MINUTE_FREE] == NONE and meta[MINUTES_USED] == len(minutes):
            return NONE
        here = insert_minute(k, start_us, here, meta, instruments, minutes)
    instruments[k, CURSOR] = here
    return here


@compiled_part
def append_row(here: int, row: Row, meta: Ints, minutes: Ints, rows: Ints, amounts: Floats) -> None:
    """Hang a row on the minute ``here``, behind those it has."""
    slot = meta[ROW_FREE]
    if slot == NONE:
        slot = meta[ROWS_USED]
        meta[ROWS_USED] += 1
    else:
        meta[ROW_FREE] = rows[slot, NEXT]
        meta[ROWS_FREE] -= 1
    rows[slot, TS] = row[0]
    rows[slot, SEQ] = row[1]
    rows[slot, POS] = row[2]
    rows[slot, SIDE] = row[3]
    rows[slot, NEXT] = NONE
    amounts[slot, 0] = row[4]
    amounts[slot, 1] = row[5]
    last = minutes[here, LAST_ROW]
    if last == NONE:
        minutes[here, FIRST_ROW] = slot
    else:
        rows[last, NEXT] = slot
    minutes[here, LAST_ROW] = slot
    minutes[here, N_QUOTES if row[3] == QUOTE else N_TRADES] += 1


@compiled_part
def free_rows(here: int, meta: Ints, minutes: Ints, rows: Ints) -> None:
    """Give the rows of the minute ``here`` back."""
    if minutes[here, FIRST_ROW] == NONE:
        return
    rows[minutes[here, LAST_ROW], NEXT] = meta[ROW_FREE]
    meta[ROW_FREE] = minutes[here, FIRST_ROW]
    meta[ROWS_FREE] += minutes[here, N_TRADES] + minutes[here, N_QUOTES]
    minutes[here, FIRST_ROW] = NONE
    minutes[here, LAST_ROW] = NONE
    minutes[here, N_TRADES] = 0
    minutes[here, N_QUOTES] = 0


@compiled_part
def gather(here: int, pools: Pools) -> tuple[Ints, Floats, int]:
    """The rows of the minute ``here``, trades before quotes, both in the order (ts, seq, tape).

    With them how many are trades.
    """
    rows, amounts = pools.rows, pools.amounts
    n_trades: int = pools.minutes[here, N_TRADES]
    n: int = n_trades + pools.minutes[here, N_QUOTES]
    found, given = np.empty((n, ROW_COLUMNS), np.int64), np.empty((n, 2))
    trade, quote = 0, n_trades
    slot = pools.minutes[here, FIRST_ROW]
    while slot != NONE:
        if rows[slot, SIDE] == QUOTE:
            at = quote
            quote += 1
        else:
            at = trade
            trade += 1
        for column in range(ROW_COLUMNS):
            found[at, column] = rows[slot, column]
        given[at, 0] = amounts[slot, 0]
        given[at, 1] = amounts[slot, 1]
        slot = rows[slot, NEXT]
    sort_rows(found, given, trade - n_trades, n_trades)
    sort_rows(found, given, n_trades, n)
    return found, given, n_trades
