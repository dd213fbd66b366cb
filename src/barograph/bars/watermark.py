"""How far event time has come: for each stream, and for each instrument.

A stream's watermark is the newest plausible event time seen on it. An instrument's is
the minimum over the live streams that have carried it, in whole seconds, and never goes
back. A live stream holds a *lane*; lanes are few, streams on a long tape are many.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from barograph.bars.pools import DEEP, DUE_US, FOREVER, NEVER, NONE, SEEN, STALE_US, WATERMARK, Pools
from barograph.clock import US_PER_S
from barograph.compiled import compiled_part
from barograph.rows import Ints

Carried = npt.NDArray[np.uint8]

# Columns of `streams`.
PHASE, NEWEST_US, NEXT_US, LANE = range(4)
STREAM_COLUMNS = 4
NEW_STREAM = (0, FOREVER, FOREVER, NONE)

# Values of PHASE.
UNSEEN, LIVE, ENDED = range(3)


@compiled_part
def start_stream(stream: int, pools: Pools) -> None:
    """Give ``stream`` a lane and no watermark.

    NEXT_US is the second at which it will next move its instruments; a stream that is not
    alive never does.
    """
    streams, lanes, carried, lane = pools.streams, pools.lanes, pools.carried, 0
    while lanes[lane] != NONE:
        lane += 1
    lanes[lane] = stream
    for k in range(len(pools.instruments)):
        carried[lane, k] = 0
    streams[stream, PHASE] = LIVE
    streams[stream, LANE] = lane
    streams[stream, NEWEST_US] = NEVER
    streams[stream, NEXT_US] = NEVER + 1


@compiled_part
def reach(k: int, streams: Ints, lanes: Ints, carried: Carried) -> int:
    """What all live streams that have carried instrument ``k`` have reached; FOREVER without any."""
    least = FOREVER
    for lane in range(len(lanes)):
        if carried[lane, k] == 1 and lanes[lane] != NONE:
            least = min(least, streams[lanes[lane], NEWEST_US])
    return least


@compiled_part
def lift(k: int, reached_us: int, instruments: Ints, due: Ints, n_due: int) -> int:
    """Raise instrument ``k`` to the whole second of ``reached_us``; the length of ``due`` after.

    An instrument with work to do at its new second is added to ``due``.
    """
    second_us = reached_us - reached_us % US_PER_S
    if second_us <= instruments[k, WATERMARK]:
        return n_due
    instruments[k, WATERMARK] = second_us
    late = instruments[k, STALE_US] != FOREVER or instruments[k, DEEP] == 1
    if late or instruments[k, DUE_US] <= second_us:
        due[n_due] = k
        return n_due + 1
    return n_due


@compiled_part
def push(stream: int, newest_us: int, pools: Pools, due: Ints) -> int:
    """Raise a live stream to a new second and its instruments after it; how many are due."""
    streams, lanes, carried, instruments = pools.streams, pools.lanes, pools.carried, pools.instruments
    streams[stream, NEWEST_US] = newest_us
    streams[stream, NEXT_US] = newest_us - newest_us % US_PER_S + US_PER_S
    lane, n_due = streams[stream, LANE], 0
    for k in range(len(instruments)):
        if carried[lane, k] == 1:
            n_due = lift(k, reach(k, streams, lanes, carried), instruments, due, n_due)
    return n_due


@compiled_part
def end_stream(stream: int, pools: Pools, due: Ints) -> int:
    """End a live stream: it holds its instruments back no longer; how many are due."""
    streams, lanes, carried, instruments = pools.streams, pools.lanes, pools.carried, pools.instruments
    lane, n_due = streams[stream, LANE], 0
    lanes[lane] = NONE
    streams[stream, PHASE] = ENDED
    streams[stream, LANE] = NONE
    streams[stream, NEWEST_US] = FOREVER
    streams[stream, NEXT_US] = FOREVER
    for k in range(len(instruments)):
        if carried[lane, k] == 1:
            reached_us = reach(k, streams, lanes, carried)
            if reached_us != FOREVER:
                n_due = lift(k, reached_us, instruments, due, n_due)
    return n_due


@compiled_part
def pass_time(least_us: int, pools: Pools, due: Ints) -> int:
    """A clock record: nothing stays behind ``least_us``; how many instruments are due."""
    streams, lanes, carried, instruments = pools.streams, pools.lanes, pools.carried, pools.instruments
    n_due = 0
    for lane in range(len(lanes)):
        stream = lanes[lane]
        if stream != NONE and streams[stream, NEWEST_US] < least_us:
            streams[stream, NEWEST_US] = least_us
            streams[stream, NEXT_US] = least_us - least_us % US_PER_S + US_PER_S
    for k in range(len(instruments)):
        if instruments[k, SEEN] == 1:
            reached_us = reach(k, streams, lanes, carried)
            n_due = lift(k, least_us if reached_us == FOREVER else reached_us, instruments, due, n_due)
    return n_due
