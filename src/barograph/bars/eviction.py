"""What leaves memory at the end of a run: rows of old minutes, then minutes themselves.

When there are too many rows, quotes go first that later ones of their minute have
superseded. Bars do not depend on any of it: what is needed again is recalled.
"""

from __future__ import annotations

from barograph.bars.order import QUOTE, SIDE, stands_before
from barograph.bars.pools import (
    AFTER,
    BEFORE,
    CLOSED,
    COLD,
    COUNT,
    CURSOR,
    FIRST_ROW,
    FLOOR_US,
    FOREVER,
    FORGOTTEN,
    HEAD,
    HOT_US,
    LAST_ROW,
    MINUTE_FREE,
    MINUTES_FREE,
    N_QUOTES,
    NEXT,
    NONE,
    REVISION,
    ROW_FREE,
    ROWS_FREE,
    STALE,
    STALE_US,
    START,
    STATUS,
    TAIL,
    THINNED,
    WATERMARK,
    Limits,
    Pools,
    free_rows,
    seek,
)
from barograph.clock import MINUTE_US
from barograph.compiled import compiled, compiled_part
from barograph.rows import Ints


@compiled
def cool(due: Ints, pools: Pools, limits: Limits) -> None:
    """Let go of the rows of minutes that closed longer than ``retain_us`` ago."""
    minutes = pools.minutes
    for k in due:
        instrument = pools.instruments[k]
        oldest_us = instrument[WATERMARK] - limits.retain_us - limits.lateness_us - MINUTE_US
        if instrument[HOT_US] > oldest_us:
            continue
        here, hot_us = seek(k, instrument[HOT_US], pools.instruments, pools.minutes), FOREVER
        while here != NONE and minutes[here, START] <= oldest_us:
            status = minutes[here, STATUS]
            if status & CLOSED and status & (STALE | COLD) == 0:
                free_rows(here, pools.meta, minutes, pools.rows)
                minutes[here, STATUS] = status & ~THINNED | COLD
            elif status & COLD == 0:
                hot_us = min(hot_us, minutes[here, START])
            here = minutes[here, AFTER]
        if here != NONE:
            hot_us = min(hot_us, minutes[here, START])
        instrument[HOT_US] = hot_us


@compiled
def thin(due: Ints, pools: Pools) -> None:
    """Let go of all quotes of a minute but the last, for instruments whose trades have their sides.

    Such a trade meets no quote, so of the quotes only the last one is in any column. A trade
    without a side that comes after all finds its minute marked, and has it recalled.
    """
    meta, minutes, rows = pools.meta, pools.minutes, pools.rows
    for k in due:
        here = seek(k, pools.instruments[k, HOT_US], pools.instruments, minutes)
        while here != NONE:
            if minutes[here, STATUS] & COLD == 0 and minutes[here, N_QUOTES] > 1:
                leave_last_quote(here, meta, minutes, rows)
            here = minutes[here, AFTER]


@compiled_part
def leave_last_quote(here: int, meta: Ints, minutes: Ints, rows: Ints) -> None:
    """Free the quotes of the minute ``here`` that stand before another one."""
    last, slot = NONE, minutes[here, FIRST_ROW]
    while slot != NONE:
        if rows[slot, SIDE] == QUOTE and (last == NONE or not stands_before(rows, slot, last)):
            last = slot
        slot = rows[slot, NEXT]
    left, slot = NONE, minutes[here, FIRST_ROW]
    while slot != NONE:
        following = rows[slot, NEXT]
        if rows[slot, SIDE] == QUOTE and slot != last:
            rows[slot, NEXT] = meta[ROW_FREE]
            meta[ROW_FREE] = slot
            meta[ROWS_FREE] += 1
        else:
            if left == NONE:
                minutes[here, FIRST_ROW] = slot
            else:
                rows[left, NEXT] = slot
            left = slot
        slot = following
    rows[left, NEXT] = NONE
    minutes[here, LAST_ROW] = left
    minutes[here, N_QUOTES] = 1
    minutes[here, STATUS] |= THINNED


@compiled
def forget(k: int, keep: int, window: int, pools: Pools, revisions: Ints) -> int:
    """Drop the oldest minutes of instrument ``k`` until ``keep`` closed ones are left; how many.

    None while a minute waits to be made again: it may need those before it. Start and
    revision of each go to ``revisions``. The first ``window`` that are left can no longer be
    revised here, for want of those before them.
    """
    meta, minutes, instrument = pools.meta, pools.minutes, pools.instruments[k]
    if instrument[STALE_US] != FOREVER:
        return 0
    dropped, head, last = 0, instrument[HEAD], instrument[TAIL]
    while last != NONE and minutes[last, STATUS] & CLOSED == 0:
        last = minutes[last, BEFORE]
        keep += 1
    while instrument[COUNT] > keep and dropped < len(revisions):
        free_rows(head, meta, minutes, pools.rows)
        revisions[dropped, 0], revisions[dropped, 1] = minutes[head, START], minutes[head, REVISION]
        after = minutes[head, AFTER]
        minutes[head, AFTER] = meta[MINUTE_FREE]
        meta[MINUTE_FREE] = head
        meta[MINUTES_FREE] += 1
        instrument[COUNT] -= 1
        head, dropped = after, dropped + 1
    if dropped == 0:
        return 0
    minutes[head, BEFORE] = NONE
    instrument[HEAD], instrument[CURSOR], instrument[FORGOTTEN] = head, instrument[TAIL], 1
    floor = head
    for _ in range(window):
        floor = minutes[floor, AFTER]
    instrument[FLOOR_US] = minutes[floor, START]
    return dropped
