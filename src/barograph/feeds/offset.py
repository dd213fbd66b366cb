"""How far a venue's clock is ahead of ours, estimated causally for each connection.

Some messages carry no venue time (Binance spot ``bookTicker``). Their event time is the
receipt time plus the offset: what the venue's clock showed less what ours showed, taken
from the messages before that do carry a time.

A message j sent at venue time v_j and received at r_j gives the sample
s_j = v_j - r_j = offset - latency_j. Latency is never negative, so every sample is too
small, and the **largest** is the nearest to the truth: it met the least latency. Clocks
drift, so an old sample must not rule for ever: each loses 100 parts per million of its
age, more than the drift of a quartz clock (20 to 50 ppm) and of NTP slewing, so that a
venue's clock that falls behind ours is followed down::

    offset(r) = max over j of (s_j - (r - r_j) / 10,000)

In integers, exactly: ``(max(s_j * 10_000 + r_j) - r) // 10_000``. The state is one number
a connection, the running maximum. The method is that of the lower envelope in Moon,
Skelly and Towsley, "Estimation and removal of clock skew from network delay
measurements", INFOCOM 1999, made causal.

Before the first sample of a connection the offset is 0. A sample beyond an hour is a
mistake of somebody's clock and is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from barograph.clock import NS_PER_S, NS_PER_US
from barograph.feeds.times import END_US
from barograph.records import Frames
from barograph.rows import Ints, Mask

LEAK = 10_000
"""One part in this many of a sample's age is taken off it: 100 ppm."""
BOUND_NS = 3_600 * NS_PER_S
"""The largest offset that is believed."""
UNKNOWN = int(np.iinfo(np.int64).min)
"""The level of a message that says nothing."""
_FEW = 8


def follow(
    known: dict[int, int], frames: Frames, samples: Sequence[tuple[Ints, Ints]], resets: list[int]
) -> Ints:
    """The running maximum of ``s * LEAK + r`` on each connection, at each frame.

    Args:
        known: maxima so far by connection; brought up to date.
        samples: frames (indices, ascending) and the venue's clock when each was sent, in
            microseconds. One that is not positive, or beyond :data:`BOUND_NS`, says nothing.
        resets: indices of the frames at which their connection forgets (opened, closed), ascending.

    Returns:
        int64, one a frame; :data:`UNKNOWN` where the connection has given no sample yet.
    """
    if len(frames) <= _FEW:
        return _follow_few(known, frames, samples, resets)
    level = np.full(len(frames), UNKNOWN)
    for at, sent_us in samples:
        np.maximum.at(level, at, _levels(frames.recv_ns[at], sent_us))
    reached = np.empty(len(frames), dtype=np.int64)
    for connection in set(frames.stream.tolist()):
        where = np.flatnonzero(frames.stream == connection)
        begins = [0, *np.flatnonzero(np.isin(where, resets)).tolist(), len(where)]
        for turn, (begin, end) in enumerate(pairwise(begins)):
            if turn:
                known.pop(connection, None)
            part = where[begin:end]
            reached[part] = _climb(known, connection, level[part])
    return reached


def _levels(recv_ns: Ints, sent_us: Ints) -> Ints:
    # In nanoseconds a time that no calendar has would overflow and might look near.
    known = (sent_us > 0) & (sent_us < END_US)
    ahead = np.where(known, sent_us, 0) * NS_PER_US - recv_ns
    return np.where(known & (np.abs(ahead) <= BOUND_NS), ahead * LEAK + recv_ns, UNKNOWN)


def _climb(known: dict[int, int], connection: int, level: Ints) -> Ints:
    reached = np.maximum.accumulate(np.maximum(level, known.get(connection, UNKNOWN)))
    if len(reached) and reached[-1] != UNKNOWN:
        known[connection] = int(reached[-1])
    return reached


def _follow_few(
    known: dict[int, int], frames: Frames, samples: Sequence[tuple[Ints, Ints]], resets: list[int]
) -> Ints:
    """The same without arrays, which cost more than they save for the few frames of a live run."""
    recv_ns, level = frames.recv_ns.tolist(), [UNKNOWN] * len(frames)
    for frame, sent_us in samples:
        for at, venue_us in zip(frame.tolist(), sent_us.tolist(), strict=True):
            ahead = venue_us * NS_PER_US - recv_ns[at]
            if venue_us > 0 and abs(ahead) <= BOUND_NS:
                level[at] = max(level[at], ahead * LEAK + recv_ns[at])
    for at, connection in enumerate(frames.stream.tolist()):
        if at in resets:
            known.pop(connection, None)
        level[at] = max(level[at], known.get(connection, UNKNOWN))
        if level[at] != UNKNOWN:
            known[connection] = level[at]
    return np.array(level, dtype=np.int64)


def estimate_us(recv_ns: Ints, reached: Ints) -> Ints:
    """Venue time, in microseconds, of messages received at ``recv_ns`` given the running maxima.

    A sample of 5 ms, ten seconds old, has lost one of them:

    >>> level = np.array([5_000_000 * LEAK + 10**18])
    >>> (estimate_us(np.array([10**18 + 10_000_000_000]), level) - 10**15).tolist()
    [10004000]
    """
    offset_ns = (np.where(reached == UNKNOWN, recv_ns, reached) - recv_ns) // LEAK
    return (recv_ns + offset_ns) // NS_PER_US


def timed_us(frames: Frames, frame: Ints, ts_us: Ints, untimed: Mask, reached: Ints) -> Ints:
    """``ts_us`` of messages in ``frame`` (indices), estimated where ``untimed``."""
    if not np.count_nonzero(untimed):
        return ts_us
    return np.where(untimed, estimate_us(frames.recv_ns[frame], reached[frame]), ts_us)
