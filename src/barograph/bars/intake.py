"""One pass over a run in tape order: rows into their minutes, watermarks up, stop where work is due."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.bars.incoming import QuoteColumns, TickColumns
from barograph.bars.order import QUOTE
from barograph.bars.pools import (
    COLD,
    CURSOR,
    DEEP,
    DUE_US,
    FIRST_US,
    FLOOR_US,
    FORGOTTEN,
    NEVER,
    NONE,
    SEEN,
    STALE,
    STALE_US,
    START,
    STATUS,
    THINNED,
    UNSIDED,
    WATERMARK,
    Limits,
    Pools,
    append_row,
    free_rows,
    place,
)
from barograph.bars.watermark import (
    LANE,
    LIVE,
    NEWEST_US,
    NEXT_US,
    PHASE,
    UNSEEN,
    end_stream,
    pass_time,
    push,
    start_stream,
)
from barograph.clock import MINUTE_US, NS_PER_US
from barograph.compiled import compiled, compiled_part
from barograph.records import Kind
from barograph.rows import Floats, Ints

FRAME, OPENED, CLOSED, CLOCK = int(Kind.FRAME), int(Kind.OPEN), int(Kind.CLOSE), int(Kind.CLOCK)

# Columns of an intake's records.
RECV_US, KIND, STREAM = range(3)

# Columns of its rows. SIDE is QUOTE for a quote and MARK for a mark.
RECORD, ROW_TS, ROW_SEQ, ROW_POS, ROW_SIDE, INSTRUMENT, USED, LATENESS = range(8)
MARK = 3

# Values of LATENESS: in time, late, late and the rows of its minute are not here.
ON_TIME, LATE, OUT_OF_REACH = range(3)

# Entries of a cursor: records and rows looked at, rows taken in, instruments due.
RECORDS_SEEN, ROWS_SEEN, ROWS_IN, DUE = range(4)
CURSOR_ENTRIES = 4

# Why a scan stopped.
FINISHED, WORK_DUE, MINUTES_FULL = range(3)


class Intake(NamedTuple):
    """A run as the pass takes it: records (n, 3), rows (m, 8) in tape order, amounts (m, 2)."""

    records: Ints
    rows: Ints
    amounts: Floats


class RunColumns(NamedTuple):
    """The columns of a run. ``first_pos`` has one entry."""

    first_pos: Ints
    recv_ns: Ints
    kind: npt.NDArray[np.uint8]
    stream: npt.NDArray[np.uint32]
    mark_record: Ints
    mark_ts: Ints


@compiled
def join(
    run: RunColumns, ticks: TickColumns, quotes: QuoteColumns, unused_flags: int, intake: Intake
) -> None:
    """Fill ``intake``: marks, ticks and quotes of each record one behind the other."""
    records, rows, amounts, first_pos = intake.records, intake.rows, intake.amounts, run.first_pos[0]
    tick, quote, mark, at = 0, 0, 0, 0
    for record in range(len(records)):
        records[record, RECV_US] = run.recv_ns[record] // NS_PER_US
        records[record, KIND] = run.kind[record]
        records[record, STREAM] = run.stream[record]
        begin = at
        while mark < len(run.mark_record) and run.mark_record[mark] == record:
            rows[at, ROW_TS] = run.mark_ts[mark]
            rows[at, ROW_SIDE] = MARK
            mark += 1
            at += 1
        while tick < len(ticks.record) and ticks.record[tick] == record:
            rows[at, ROW_TS] = ticks.ts[tick]
            rows[at, ROW_SEQ] = ticks.seq[tick]
            rows[at, ROW_SIDE] = ticks.side[tick]
            rows[at, INSTRUMENT] = ticks.instrument[tick]
            rows[at, USED] = ticks.flags[tick] & unused_flags == 0
            amounts[at, 0] = ticks.price[tick]
            amounts[at, 1] = ticks.size[tick]
            tick += 1
            at += 1
        while quote < len(quotes.record) and quotes.record[quote] == record:
            rows[at, ROW_TS] = quotes.ts[quote]
            rows[at, ROW_SEQ] = quotes.seq[quote]
            rows[at, ROW_SIDE] = QUOTE
            rows[at, INSTRUMENT] = quotes.instrument[quote]
            rows[at, USED] = quotes.flags[quote] & unused_flags == 0
            amounts[at, 0] = quotes.bid[quote]
            amounts[at, 1] = quotes.ask[quote]
            quote += 1
            at += 1
        for i in range(begin, at):
            rows[i, RECORD] = record
            rows[i, ROW_POS] = first_pos + record
            rows[i, LATENESS] = ON_TIME


@compiled_part
def lateness_of(k: int, here: int, instruments: Ints, minutes: Ints, lateness_us: int, recalls: int) -> int:
    """Whether a row for the minute ``here`` comes late; note what is to be done for it."""
    start_us = minutes[here, START]
    closes_us = start_us + MINUTE_US + lateness_us
    if closes_us > instruments[k, WATERMARK]:
        instruments[k, DUE_US] = min(instruments[k, DUE_US], closes_us)
        return ON_TIME
    cold = minutes[here, STATUS] & COLD != 0
    if not cold or recalls == 1:
        minutes[here, STATUS] |= STALE
        instruments[k, STALE_US] = min(instruments[k, STALE_US], start_us)
    return OUT_OF_REACH if cold else LATE


@compiled_part
def meet_no_quote(k: int, here: int, instruments: Ints, meta: Ints, minutes: Ints, rows: Ints) -> None:
    """A trade without a side came for the minute ``here``.

    Where quotes have been let go of, the one that it met may be gone: then all rows of the
    minute are to be recalled.
    """
    instruments[k, UNSIDED] = 1
    if minutes[here, STATUS] & THINNED:
        free_rows(here, meta, minutes, rows)
        minutes[here, STATUS] = minutes[here, STATUS] & ~THINNED | COLD


@compiled_part
def take_in(end: int, cursor: Ints, intake: Intake, pools: Pools, limits: Limits) -> bool:
    """Take in the rows before ``end``; False when there is no room for a new minute."""
    incoming, given, records = intake.rows, intake.amounts, intake.records
    meta, instruments, minutes = pools.meta, pools.instruments, pools.minutes
    rows, amounts, streams, carried = pools.rows, pools.amounts, pools.streams, pools.carried
    lateness_us, recalls = limits.lateness_us, limits.recalls
    for i in range(cursor[ROWS_IN], end):
        cursor[ROWS_IN] = i
        if incoming[i, ROW_SIDE] == MARK:
            continue
        k, ts = incoming[i, INSTRUMENT], incoming[i, ROW_TS]
        instruments[k, SEEN] = 1
        lane = streams[records[incoming[i, RECORD], STREAM], LANE]
        if lane >= 0:
            carried[lane, k] = 1
        if incoming[i, USED] == 0:
            continue
        here = instruments[k, CURSOR]
        if here == NONE or not 0 <= ts - minutes[here, START] < MINUTE_US:
            start_us = ts - ts % MINUTE_US
            instruments[k, FIRST_US] = min(instruments[k, FIRST_US], start_us)
            if instruments[k, FORGOTTEN] == 1 and start_us < instruments[k, FLOOR_US]:
                instruments[k, DEEP] |= recalls
                incoming[i, LATENESS] = OUT_OF_REACH
                continue
            here = place(k, start_us, meta, instruments, minutes)
            if here == NONE:
                return False
        seq, pos, side = incoming[i, ROW_SEQ], incoming[i, ROW_POS], incoming[i, ROW_SIDE]
        if side == 0:
            meet_no_quote(k, here, instruments, meta, minutes, rows)
        incoming[i, LATENESS] = lateness_of(k, here, instruments, minutes, lateness_us, recalls)
        if minutes[here, STATUS] & COLD == 0:
            append_row(here, (ts, seq, pos, side, given[i, 0], given[i, 1]), meta, minutes, rows, amounts)
    cursor[ROWS_IN] = end
    return True


@compiled_part
def is_control(kind: int) -> bool:
    """Whether a record of this kind may move watermarks without a row."""
    return kind in (OPENED, CLOSED, CLOCK)


@compiled_part
def look_at(
    record: int, at: int, rows: Ints, horizon_us: int, lane: int, carried: npt.NDArray[np.uint8]
) -> tuple[int, int, bool]:
    """The rows of ``record``, which begin at ``at``: newest plausible time, where they end.

    And whether the stream of ``lane`` (-1: none) meets an instrument for the first time.
    """
    newest, meets = NEVER, False
    while at < len(rows) and rows[at, RECORD] == record:
        if newest < rows[at, ROW_TS] <= horizon_us:
            newest = rows[at, ROW_TS]
        if lane >= 0 and rows[at, ROW_SIDE] != MARK and carried[lane, rows[at, INSTRUMENT]] == 0:
            meets = True
        at += 1
    return newest, at, meets


@compiled_part
def move(stream: int, kind: int, newest: int, quiet_us: int, pools: Pools, due: Ints) -> int:
    """Move the watermarks as a record says; how many instruments are due.

    ``quiet_us`` is what a clock record lifts everything to.
    """
    if kind == CLOCK:
        return pass_time(quiet_us, pools, due)
    if not is_control(kind):
        return push(stream, max(newest, pools.streams[stream, NEWEST_US]), pools, due)
    n_due = 0
    if pools.streams[stream, PHASE] == LIVE:
        n_due = end_stream(stream, pools, due)
    if kind == OPENED:
        start_stream(stream, pools)
    return n_due


@compiled
def scan(cursor: Ints, intake: Intake, pools: Pools, limits: Limits, due: Ints) -> int:
    """Go on from the cursor to the next record at which instruments have work to do.

    They stand in ``due``, their number in ``cursor[DUE]``; the record is the last one seen.
    Rows are taken in by the stretch, since what becomes of a row hangs on the watermarks,
    and these change only where a stream reaches a new second or meets an instrument for
    the first time, and at control records.

    A stream lives from its opening, or from its first frame where the tape has no opening;
    rows of other records (refills) do not bring one to life.
    """
    records, rows, streams = intake.records, intake.rows, pools.streams
    at = cursor[ROWS_SEEN]
    for record in range(cursor[RECORDS_SEEN], len(records)):
        kind, stream, n_due = records[record, KIND], records[record, STREAM], 0
        if kind == FRAME and streams[stream, PHASE] == UNSEEN:
            if not take_in(at, cursor, intake, pools, limits):
                return MINUTES_FULL
            start_stream(stream, pools)
        horizon_us = records[record, RECV_US] + limits.max_ahead_us
        newest, at, meets = look_at(record, at, rows, horizon_us, streams[stream, LANE], pools.carried)
        if meets or newest >= streams[stream, NEXT_US] or is_control(kind):
            if not take_in(at, cursor, intake, pools, limits):
                return MINUTES_FULL
            n_due = move(stream, kind, newest, records[record, RECV_US] - limits.grace_us, pools, due)
        elif newest > streams[stream, NEWEST_US]:
            streams[stream, NEWEST_US] = newest
        cursor[RECORDS_SEEN] = record + 1
        cursor[ROWS_SEEN] = at
        if n_due > 0:
            cursor[DUE] = n_due
            return WORK_DUE
    return FINISHED if take_in(len(rows), cursor, intake, pools, limits) else MINUTES_FULL
