"""What leaves memory at the end of a run: rows of old minutes, then minutes themselves.

Bars do not depend on it: what is needed again is recalled.
"""

from __future__ import annotations

from barograph.bars.pools import (
    AFTER,
    BEFORE,
    CLOSED,
    COLD,
    COUNT,
    CURSOR,
    FLOOR_US,
    FOREVER,
    FORGOTTEN,
    HEAD,
    HOT_US,
    MINUTE_FREE,
    MINUTES_FREE,
    NONE,
    REVISION,
    STALE,
    STALE_US,
    START,
    STATUS,
    TAIL,
    WATERMARK,
    Limits,
    Pools,
    free_rows,
    seek,
)
from barograph.clock import MINUTE_US
from barograph.compiled import compiled
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
                minutes[here, STATUS] |= COLD
            elif status & COLD == 0:
                hot_us = min(hot_us, minutes[here, START])
            here = minutes[here, AFTER]
        if here != NONE:
            hot_us = min(hot_us, minutes[here, START])
        instrument[HOT_US] = hot_us


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
