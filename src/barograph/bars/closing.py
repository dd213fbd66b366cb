"""Closing minutes and revising closed ones, instrument by instrument.

First the minutes are made again whose rows, or whose carry from the minute before,
have changed; then the look-back columns are rolled on from the first that came out
different, until what is carried is bit-equal to what was stored.
"""

from __future__ import annotations

import math

import numpy as np

from barograph.bars.aggregate import (
    ASK_PRICE,
    BID_PRICE,
    CARRY,
    CHANGES,
    DIRECTION,
    GAIN,
    LAST_ASK,
    LAST_BID,
    LAST_DIRECTION,
    LAST_PRICE,
    LOSS,
    MADE,
    PRICE,
    PRICE_CHANGE,
    RSI,
    SPIKE_SCORE,
    VALUES,
    VOLUME,
    aggregate,
)
from barograph.bars.pools import (
    AFTER,
    BEFORE,
    CLOSED,
    COLD,
    DEEP,
    DONE_POS,
    DONE_US,
    DUE_US,
    EMIT,
    FOREVER,
    MARKED,
    MARKED_FROM,
    MARKED_TO,
    NEVER,
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
    gather,
    seek,
)
from barograph.bars.roll import spike_score, step
from barograph.clock import MINUTE_US
from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats, Ints

# Entries of a `progress`: the next of the due instruments, bars to emit so far.
NEXT_DUE, TO_EMIT = range(2)


@compiled_part
def differ(a: float, b: float) -> bool:
    """Whether two values are different; NaN equals NaN."""
    return not (a == b or (math.isnan(a) and math.isnan(b)))


@compiled_part
def carry_into(here: int, pools: Pools) -> Floats:
    """What the minute before ``here`` leaves to it."""
    carry = np.empty(CARRY)
    before = pools.minutes[here, BEFORE]
    if before == NONE:
        carry[LAST_PRICE], carry[LAST_BID], carry[LAST_ASK] = math.nan, math.nan, math.nan
        carry[LAST_DIRECTION] = 0.0
    else:
        carry[LAST_PRICE] = pools.values[before, PRICE]
        carry[LAST_BID] = pools.values[before, BID_PRICE]
        carry[LAST_ASK] = pools.values[before, ASK_PRICE]
        carry[LAST_DIRECTION] = pools.values[before, DIRECTION]
    return carry


@compiled_part
def remake(k: int, here: int, pools: Pools, limits: Limits) -> bool:
    """Make the minute ``here`` of its rows; whether what it leaves to the next has changed."""
    minutes, values, instrument = pools.minutes, pools.values[here], pools.instruments[k]
    rows, amounts, n_trades = gather(here, pools)
    carry, made = carry_into(here, pools), np.empty(MADE)
    start_us = minutes[here, START]
    span = (0, n_trades, n_trades, len(rows))
    aggregate(rows, amounts, span, start_us + limits.lateness_us, carry, made)
    fresh = minutes[here, STATUS] & CLOSED == 0
    moved: bool = fresh
    changed: bool = fresh
    for column in (PRICE, DIRECTION, BID_PRICE, ASK_PRICE):
        moved = moved or differ(made[column], values[column])
    for column in range(DIRECTION):  # which is carried on but is no column of the table
        changed = changed or differ(made[column], values[column])
    for column in range(MADE):
        values[column] = made[column]
    minutes[here, STATUS] &= ~STALE
    if changed:
        minutes[here, STATUS] |= MARKED
        instrument[MARKED_FROM] = min(instrument[MARKED_FROM], start_us)
        instrument[MARKED_TO] = max(instrument[MARKED_TO], start_us)
    return moved


@compiled
def first_pending(k: int, pools: Pools) -> int:
    """The first minute of instrument ``k`` that is stale or open; NONE if there is none."""
    minutes, instrument = pools.minutes, pools.instruments[k]
    if instrument[STALE_US] != FOREVER:
        return seek(k, instrument[STALE_US], pools.instruments, pools.minutes)
    here, before = NONE, instrument[TAIL]
    while before != NONE and minutes[before, STATUS] & CLOSED == 0:
        here, before = before, minutes[before, BEFORE]
    return here


@compiled_part
def settle(k: int, until_us: int, pools: Pools, limits: Limits) -> int:
    """Make every minute again that needs it; NONE, or the cold minute whose rows are needed first.

    After those rows have been brought the same call goes on where it stopped.
    """
    minutes, instrument = pools.minutes, pools.instruments[k]
    here, moved = first_pending(k, pools), False
    while here != NONE and minutes[here, START] + MINUTE_US + limits.lateness_us <= until_us:
        status = minutes[here, STATUS]
        if moved or status & STALE or status & CLOSED == 0:
            if status & COLD:
                minutes[here, STATUS] |= STALE
                instrument[STALE_US] = minutes[here, START]
                return here
            moved = remake(k, here, pools, limits)
        here = minutes[here, AFTER]
    instrument[STALE_US] = FOREVER
    instrument[DUE_US] = FOREVER if here == NONE else minutes[here, START] + MINUTE_US + limits.lateness_us
    return NONE


@compiled_part
def volumes_before(here: int, window: int, pools: Pools) -> Floats:
    """Volumes of up to ``window`` minutes before ``here``, oldest first."""
    volumes = np.empty(window)
    at, before = window, pools.minutes[here, BEFORE]
    while at > 0 and before != NONE:
        at -= 1
        volumes[at] = pools.values[before, VOLUME]
        before = pools.minutes[before, BEFORE]
    return volumes[at:]


@compiled_part
def roll_minute(here: int, pools: Pools, limits: Limits) -> tuple[bool, bool]:
    """Compute the look-back columns of ``here``: whether a column, whether the state has changed."""
    values = pools.values[here]
    price, gain, loss, changes = math.nan, 0.0, 0.0, 0
    before = pools.minutes[here, BEFORE]
    if before != NONE:
        price, gain = pools.values[before, PRICE], pools.values[before, GAIN]
        loss, changes = pools.values[before, LOSS], int(pools.values[before, CHANGES])
    change, gain, loss, changes, rsi = step(values[PRICE], price, gain, loss, changes)
    score = spike_score(values[VOLUME], volumes_before(here, limits.window, pools), limits.min_bars)
    column = differ(score, values[SPIKE_SCORE]) or differ(change, values[PRICE_CHANGE])
    column = column or differ(rsi, values[RSI])
    state = gain != values[GAIN] or loss != values[LOSS] or changes != values[CHANGES]
    values[SPIKE_SCORE], values[PRICE_CHANGE], values[RSI] = score, change, rsi
    values[GAIN], values[LOSS], values[CHANGES] = gain, loss, changes
    return column, state


@compiled_part
def reroll(k: int, pools: Pools, limits: Limits) -> int:
    """Roll on from the first marked minute of instrument ``k``; how many minutes are to be emitted."""
    minutes, instrument = pools.minutes, pools.instruments[k]
    if instrument[MARKED_FROM] == FOREVER:
        return 0
    here = seek(k, instrument[MARKED_FROM], pools.instruments, pools.minutes)
    emitted, calm, state = 0, 0, True
    while here != NONE and minutes[here, STATUS] & (CLOSED | MARKED):
        marked = minutes[here, STATUS] & MARKED != 0
        if calm >= limits.window and not state and minutes[here, START] > instrument[MARKED_TO]:
            break
        column, state = roll_minute(here, pools, limits)
        calm = 0 if marked else calm + 1
        if marked or column:
            if minutes[here, STATUS] & CLOSED:
                minutes[here, REVISION] += 1
            minutes[here, STATUS] = (minutes[here, STATUS] | CLOSED | EMIT) & ~MARKED
            emitted += 1
        here = minutes[here, AFTER]
    return emitted


@compiled
def close(due: Ints, progress: Ints, until_us: int, pools: Pools, limits: Limits) -> int:
    """Settle and roll the instruments in ``due``, each up to its watermark (or ``until_us`` if later).

    NONE when all is done; else the cold minute of ``due[progress[NEXT_DUE]]`` whose rows are
    needed to go on.
    """
    while progress[NEXT_DUE] < len(due):
        k = due[progress[NEXT_DUE]]
        cold = settle(k, max(until_us, pools.instruments[k, WATERMARK]), pools, limits)
        if cold != NONE:
            return cold
        progress[TO_EMIT] += reroll(k, pools, limits)
        progress[NEXT_DUE] += 1
    return NONE


@compiled
def collect(due: Ints, pos: int, pools: Pools, keys: Ints, values: Floats) -> None:
    """Copy the minutes to be emitted: (start, instrument, revision) into ``keys``, and their values.

    ``pos`` is the tape position up to which rows have been used.
    """
    minutes, n = pools.minutes, 0
    for k in due:
        instrument = pools.instruments[k]
        here = seek(k, instrument[MARKED_FROM], pools.instruments, pools.minutes)
        while here != NONE and minutes[here, STATUS] & CLOSED:
            if minutes[here, STATUS] & EMIT:
                minutes[here, STATUS] &= ~EMIT
                keys[n, 0], keys[n, 1], keys[n, 2] = minutes[here, START], k, minutes[here, REVISION]
                for column in range(VALUES):
                    values[n, column] = pools.values[here, column]
                n += 1
            here = minutes[here, AFTER]
        instrument[MARKED_FROM], instrument[MARKED_TO] = FOREVER, NEVER
        instrument[DONE_POS], instrument[DONE_US] = pos, instrument[WATERMARK]


@compiled
def waiting(pools: Pools, due: Ints) -> int:
    """All instruments with an open or a stale minute, into ``due``; how many."""
    n = 0
    for k in range(len(pools.instruments)):
        instrument = pools.instruments[k]
        if instrument[DUE_US] != FOREVER or instrument[STALE_US] != FOREVER or instrument[DEEP] == 1:
            due[n] = k
            n += 1
    return n


@compiled
def pending(due: Ints, pools: Pools, found: Ints) -> int:
    """All minutes from the first pending one of each instrument in ``due`` on; how many.

    Those a closing may write to. ``found`` is filled as far as it reaches.
    """
    n = 0
    for k in due:
        here = first_pending(k, pools)
        while here != NONE:
            if n < len(found):
                found[n] = here
            n += 1
            here = pools.minutes[here, AFTER]
    return n
