"""What the best of N unskilled tries is expected to show: the mean of the maximum of N standard normals.

Times the standard deviation of the tries' Sharpe ratios it is the Sharpe ratio that luck alone
brings to the top (Bailey and Lopez de Prado 2014).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from barograph.errors import UsageError

_NORMAL = NormalDist()
_EULER_MASCHERONI = 0.5772156649015329
_STEP = 1 / 32
_REACH = 12.0


def approximate(tries: float) -> float:
    """The closed form of extreme value theory: (1 - g) Q(1 - 1/N) + g Q(1 - 1/(N e)).

    Q is the normal quantile, g the Euler-Mascheroni constant. It is 2.3 % above :func:`exact` at N = 10
    and 0.4 % at 1,000; below N = 2 it means nothing. It is what the papers use.

    >>> round(approximate(100), 6)
    2.530603

    Args:
        tries: N >= 1; it may be a fraction (an effective number). One try is its own maximum: 0.

    Raises:
        UsageError: fewer than one try.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2014), "Pseudo-Mathematics and Financial Charlatanism".
    """
    _check(tries)
    if tries == 1:
        return 0.0
    # Q(1 - x) = -Q(x), which keeps its digits when x is tiny.
    high, higher = -_NORMAL.inv_cdf(1 / tries), -_NORMAL.inv_cdf(1 / (tries * math.e))
    return (1 - _EULER_MASCHERONI) * high + _EULER_MASCHERONI * higher


@lru_cache(maxsize=4096)
def exact(tries: float) -> float:
    """The integral of x N f(x) F(x)^(N-1) over the real line, f and F the normal density and distribution.

    The integrand is smooth and dies out at both ends, so the trapezoidal rule is as good as exact:
    errors stay below 1e-12 for any N that a computer can try.

    >>> round(exact(100), 6)
    2.507594

    Args:
        tries: N >= 1; it may be a fraction.

    Raises:
        UsageError: fewer than one try.
    """
    _check(tries)
    if tries == 1:
        return 0.0
    first = -_REACH
    nodes = round((_REACH + math.sqrt(2 * math.log(tries)) + _REACH) / _STEP) + 1
    return math.fsum(_integrand(first + i * _STEP, tries) for i in range(nodes)) * _STEP


def _integrand(x: float, tries: float) -> float:
    above = math.erfc(x / math.sqrt(2)) / 2
    below = math.erfc(-x / math.sqrt(2)) / 2
    # Each tail has its own accurate form of log F.
    log_below = math.log1p(-above) if x > 0 else math.log(below)
    log_density = -0.5 * x * x - 0.5 * math.log(2 * math.pi)
    return x * math.exp(math.log(tries) + log_density + (tries - 1) * log_below)


def _check(tries: float) -> None:
    if not (1 <= tries < math.inf):
        raise UsageError(f"the maximum of {tries} tries is not defined; at least 1 is needed")
