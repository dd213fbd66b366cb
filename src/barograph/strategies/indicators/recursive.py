"""Columns that never forget: exponential averages, Wilder's RSI, MACD.

Each carries what it needs in a row of numbers. A bar whose close is NaN has no value and changes nothing.
Seeds and order of operations are those of TA-Lib, which starts an average of span n with the plain mean of
n closes.
"""

from __future__ import annotations

import math

from barograph.compiled import compiled_part
from barograph.rows import Floats

CARRIED = 10
"""Numbers that a recursive column carries, at most; all 0 at the beginning."""


@compiled_part
def average(
    x: float, span: int, alpha: float, count: float, origin: float, value: float
) -> tuple[float, float, float]:
    """Take in ``x``: ``(count, origin, value)``.

    While ``count`` is below ``span``, ``value`` is the sum of differences from the first x, ``origin``: with
    equal prices, the mean is exactly the price.
    """
    if count >= span:
        return count, origin, value + (x - value) * alpha
    if count == 0.0:
        origin, value = x, 0.0
    value += x - origin
    count += 1.0
    if count == span:
        value = origin + value / span
    return count, origin, value


@compiled_part
def ema(span: int, closes: Floats, carried: Floats, out: Floats) -> None:
    """The exponential moving average, alpha = 2 / (span + 1); NaN before ``span`` closes."""
    count, origin, value = carried[0], carried[1], carried[2]
    alpha = 2.0 / (span + 1)
    for t in range(len(closes)):
        out[t] = math.nan
        x = closes[t]
        if x == x:  # noqa: PLR0124
            count, origin, value = average(x, span, alpha, count, origin, value)
            if count >= span:
                out[t] = value
    carried[0], carried[1], carried[2] = count, origin, value


@compiled_part
def macd(spans: tuple[int, int, int], closes: Floats, carried: Floats, out: Floats) -> None:
    """Fast average minus slow average (G. Appel), or with a third span above 0 the average of that.

    As in TA-Lib both averages begin at the same bar, the slow one's first.
    """
    fast, slow, smooth = spans
    fast_alpha, slow_alpha, smooth_alpha = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (smooth + 1)
    seen = carried[0]
    n_fast, o_fast, v_fast = carried[1], carried[2], carried[3]
    n_slow, o_slow, v_slow = carried[4], carried[5], carried[6]
    n_smooth, o_smooth, v_smooth = carried[7], carried[8], carried[9]
    for t in range(len(closes)):
        out[t] = math.nan
        x = closes[t]
        if x != x:  # noqa: PLR0124
            continue
        seen = min(seen + 1.0, float(slow))
        if seen > slow - fast:
            n_fast, o_fast, v_fast = average(x, fast, fast_alpha, n_fast, o_fast, v_fast)
        n_slow, o_slow, v_slow = average(x, slow, slow_alpha, n_slow, o_slow, v_slow)
        if seen < slow:
            continue
        value = v_fast - v_slow
        if smooth == 0:
            out[t] = value
            continue
        n_smooth, o_smooth, v_smooth = average(value, smooth, smooth_alpha, n_smooth, o_smooth, v_smooth)
        if n_smooth >= smooth:
            out[t] = v_smooth
    carried[0] = seen
    carried[1], carried[2], carried[3] = n_fast, o_fast, v_fast
    carried[4], carried[5], carried[6] = n_slow, o_slow, v_slow
    carried[7], carried[8], carried[9] = n_smooth, o_smooth, v_smooth


@compiled_part
def rsi(window: int, closes: Floats, carried: Floats, out: Floats) -> None:
    """Relative strength (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978), 0 to 100.

    NaN before ``window`` changes; 50 while nothing has moved, where TA-Lib says 0. As ``rsi_14`` of the bars.
    """
    known, previous, gain, loss, changes = carried[0], carried[1], carried[2], carried[3], carried[4]
    for t in range(len(closes)):
        out[t] = math.nan
        x = closes[t]
        if x != x:  # noqa: PLR0124
            continue
        if known == 0.0:
            known, previous = 1.0, x
            continue
        if changes >= window:
            gain *= window - 1
            loss *= window - 1
        change, previous = x - previous, x
        # Both are added to, as no one can foresee which: a wrong guess of the processor costs more.
        gain += max(change, 0.0)
        loss += max(-change, 0.0)
        changes = min(changes + 1.0, float(window))
        if changes >= window:
            gain /= window
            loss /= window
            moved = gain + loss
            out[t] = 50.0 if moved == 0.0 else 100.0 * (gain / moved)
    carried[0], carried[1], carried[2], carried[3], carried[4] = known, previous, gain, loss, changes
