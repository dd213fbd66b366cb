"""Columns over the last ``window`` bars: means, extremes, deviations, in the pieces of ``blocks``.

Sums are taken of differences from a bar of the piece itself: they do not cancel, and equal prices have
exactly themselves as their mean and 0 as their deviation. Variances are merged as by T. Chan, G. Golub and
R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).

The functions fill ``out[t - first]`` for bars ``first <= t < stop``, and need ``window - 1`` bars before
``first`` where there are as many. With fewer bars the value is NaN, and so it is while a NaN is in the
window.
"""

from __future__ import annotations

import math

import numpy as np

from barograph.compiled import compiled_part
from barograph.rows import Floats, Ints
from barograph.strategies.indicators.blocks import FROM, NEWEST, OLDEST, TO, Room, cut, runs_of

Bounds = tuple[int, int, int]
"""Window, first bar, and the bar after the last."""


@compiled_part
def lay_out(bounds: Bounds, least: int, slots: Ints, room: Room, out: Floats) -> tuple[int, int]:
    """Blocks and runs: how many. Where there are fewer than ``least`` bars, NaN."""
    window, first, stop = bounds
    enough = min(max(first, least - 1), stop)
    for i in range(enough - first):
        out[i] = math.nan
    n_blocks = cut(window, slots, max(0, enough - window + 1), stop, room.starts)
    return n_blocks, runs_of(window, room.starts, n_blocks, enough, room.runs)


@compiled_part
def slices(run: Ints, window: int) -> tuple[int, int, int]:
    """First bar of a run, how many bars, and the first bar of the first one's window.

    Loops over slices from 0 are made into vector instructions; loops with other indices are not.
    """
    return run[FROM], run[TO] - run[FROM], run[FROM] - window + 1


@compiled_part
def sums(values: Floats, start: int, n: int, stop: int, ahead: Floats, behind: Floats) -> None:
    """Sums of differences from the block's first value ahead, and from its last behind; of n bars each."""
    forth, back, head, tail = 0.0, 0.0, values[start], values[stop - 1]
    for i in range(n):
        forth += values[start + i] - head
        back += values[stop - 1 - i] - tail
        ahead[start + i], behind[stop - 1 - i] = forth, back


@compiled_part
def sum_of(values: Floats, start: int, stop: int) -> float:
    """The sum of differences from the first value, left to right."""
    total = 0.0
    for i in range(start, stop):
        total += values[i] - values[start]
    return total


@compiled_part
def means(bounds: Bounds, slots: Ints, values: Floats, room: Room, out: Floats) -> None:
    """The mean of the last ``window`` values."""
    window, first, _ = bounds
    starts, ahead, behind = room.starts, room.ahead[0], room.behind[0]
    n_blocks, n_runs = lay_out(bounds, window, slots, room, out)
    for k in range(n_blocks):
        sums(values, starts[k], min(starts[k + 1] - starts[k], window), starts[k + 1], ahead, behind)
    for j in range(n_runs):
        oldest, newest, part = room.runs[j, OLDEST], room.runs[j, NEWEST], room.inverse[window]
        begin, end, origin = starts[newest], starts[oldest + 1], values[starts[newest]]
        if oldest == newest:
            # The block is just full; or it has more bars than slots, as their times are not whole bars apart.
            for t in range(room.runs[j, FROM], room.runs[j, TO]):
                s = t - window + 1
                whole = ahead[t] if s == begin else sum_of(values, s, t + 1)
                out[t - first] = values[s] + whole * part
            continue
        between = 0.0
        for k in range(oldest + 1, newest):
            last = values[starts[k + 1] - 1]
            between += behind[starts[k]] + (starts[k + 1] - starts[k]) * (last - origin)
        apart = values[end - 1] - origin
        t, n, s = slices(room.runs[j], window)
        heads, tails, row = ahead[t : t + n], behind[s : s + n], out[t - first : t - first + n]
        for i in range(n):
            row[i] = origin + (tails[i] + (end - s - i) * apart + between + heads[i]) * part


@compiled_part
def larger(x: float, y: float) -> float:
    """The larger one, or NaN if one is."""
    return y if y > x or math.isnan(y) else x


@compiled_part
def tops(values: Floats, start: int, n: int, stop: int, sign: float, ahead: Floats, behind: Floats) -> None:
    """Largest values (times ``sign``) of a block, ahead and behind."""
    forth, back = sign * values[start], sign * values[stop - 1]
    for i in range(n):
        forth = larger(forth, sign * values[start + i])
        back = larger(back, sign * values[stop - 1 - i])
        ahead[start + i], behind[stop - 1 - i] = forth, back


@compiled_part
def top_of(values: Floats, start: int, stop: int, sign: float) -> float:
    """The largest value (times ``sign``)."""
    top: float = sign * values[start]
    for i in range(start + 1, stop):
        top = larger(top, sign * values[i])
    return top


@compiled_part
def extremes(sign: float, bounds: Bounds, slots: Ints, values: Floats, room: Room, out: Floats) -> None:
    """The largest of the last ``window`` values for ``sign`` 1.0, the smallest for -1.0."""
    window, first, _ = bounds
    starts, ahead, behind = room.starts, room.ahead[0], room.behind[0]
    n_blocks, n_runs = lay_out(bounds, window, slots, room, out)
    for k in range(n_blocks):
        tops(values, starts[k], min(starts[k + 1] - starts[k], window), starts[k + 1], sign, ahead, behind)
    for j in range(n_runs):
        oldest, newest = room.runs[j, OLDEST], room.runs[j, NEWEST]
        if oldest == newest:
            for t in range(room.runs[j, FROM], room.runs[j, TO]):
                s = t - window + 1
                whole = ahead[t] if s == starts[newest] else top_of(values, s, t + 1, sign)
                out[t - first] = sign * whole
            continue
        between = -math.inf
        for k in range(oldest + 1, newest):
            between = larger(between, behind[starts[k]])
        t, n, s = slices(room.runs[j], window)
        heads, tails, row = ahead[t : t + n], behind[s : s + n], out[t - first : t - first + n]
        for i in range(n):
            row[i] = sign * larger(larger(tails[i], between), heads[i])


Moments = tuple[int, float, float]
"""Number of values, their mean, their sum of squared deviations."""


@compiled_part
def moments(values: Floats, start: int, n: int, stop: int, room: Room) -> None:
    """Means and squared deviations of a block ahead and behind, by B. P. Welford's recurrence (1962)."""
    ahead, behind, inverse = room.ahead, room.behind, room.inverse
    head, tail, forth, back = values[start], values[stop - 1], 0.0, 0.0
    mean, squares, mean_back, squares_back = head, 0.0, tail, 0.0
    for i in range(n):
        x, y = values[start + i], values[stop - 1 - i]
        forth += x - head
        back += y - tail
        before, mean = mean, head + forth * inverse[i + 1]
        before_back, mean_back = mean_back, tail + back * inverse[i + 1]
        squares += (x - before) * (x - mean)
        squares_back += (y - before_back) * (y - mean_back)
        ahead[0, start + i], ahead[1, start + i] = mean, squares
        behind[0, stop - 1 - i], behind[1, stop - 1 - i] = mean_back, squares_back


@compiled_part
def moments_of(values: Floats, start: int, stop: int, inverse: Floats) -> Moments:
    """As :func:`moments` ahead, of one stretch of values."""
    total, mean, squares, head = 0.0, values[start], 0.0, values[start]
    for i in range(start, stop):
        total += values[i] - head
        before, mean = mean, head + total * inverse[i - start + 1]
        squares += (values[i] - before) * (values[i] - mean)
    return stop - start, mean, squares


@compiled_part
def merged(first: Moments, second: Moments, inverse: Floats) -> Moments:
    """Of both together."""
    n, mean, squares = first
    more, other, other_squares = second
    apart, part = other - mean, more * inverse[n + more]
    return n + more, mean + apart * part, squares + other_squares + apart * apart * (n * part)


@compiled_part
def deviation_of(found: Moments, x: float, part: float, score: bool) -> float:
    """The sample deviation, with ``part`` 1 / (n - 1); or the z-score of ``x``, NaN if all are equal."""
    _, mean, squares = found
    deviation = math.sqrt(squares * part)
    if not score:
        return deviation
    # Checked division would keep the loops around this one from vector instructions.
    return float(np.true_divide(x - mean, deviation)) if deviation > 0.0 else math.nan


@compiled_part
def joined(run: Ints, bounds: tuple[int, int], values: Floats, room: Room, score: bool, out: Floats) -> None:
    """:func:`deviations` of windows that are two pieces: what :func:`merged` does, by vector instructions."""
    window, first = bounds
    t, n, s = slices(run, window)
    x, row = values[t : t + n], out[t - first : t - first + n]
    heads, head_squares = room.ahead[0, t : t + n], room.ahead[1, t : t + n]
    tails, tail_squares = room.behind[0, s : s + n], room.behind[1, s : s + n]
    count, part, whole = t - room.starts[run[NEWEST]] + 1, room.inverse[window - 1], room.inverse[window]
    for i in range(n):
        apart, weight = heads[i] - tails[i], (count + i) * whole
        squares = tail_squares[i] + head_squares[i] + apart * apart * ((window - count - i) * weight)
        found = window, tails[i] + apart * weight, squares
        row[i] = deviation_of(found, x[i], part, score)


@compiled_part
def deviations(score: bool, bounds: Bounds, slots: Ints, values: Floats, room: Room, out: Floats) -> None:
    """The sample deviation of the last ``window`` values (2 at least), or the newest one's z-score."""
    window, first, _ = bounds
    starts, ahead, behind, inverse = room.starts, room.ahead, room.behind, room.inverse
    part = inverse[window - 1]
    n_blocks, n_runs = lay_out(bounds, window, slots, room, out)
    for k in range(n_blocks):
        moments(values, starts[k], min(starts[k + 1] - starts[k], window), starts[k + 1], room)
    for j in range(n_runs):
        oldest, newest = room.runs[j, OLDEST], room.runs[j, NEWEST]
        begin, end = starts[newest], starts[oldest + 1]
        if oldest == newest:
            for t in range(room.runs[j, FROM], room.runs[j, TO]):
                found = moments_of(values, t - window + 1, t + 1, inverse)
                out[t - first] = deviation_of(found, values[t], part, score)
            continue
        if newest == oldest + 1:
            joined(room.runs[j], (window, first), values, room, score, out)
            continue
        between = 0, 0.0, 0.0
        for k in range(oldest + 1, newest):
            whole = starts[k + 1] - starts[k], behind[0, starts[k]], behind[1, starts[k]]
            between = merged(between, whole, inverse) if between[0] else whole
        t, n, s = slices(room.runs[j], window)
        for i in range(n):
            found = end - s - i, behind[0, s + i], behind[1, s + i]
            found = merged(found, between, inverse)
            found = merged(found, (t + i - begin + 1, ahead[0, t + i], ahead[1, t + i]), inverse)
            out[t + i - first] = deviation_of(found, values[t + i], part, score)
