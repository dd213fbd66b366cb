"""What a Sharpe ratio is worth: its error, its annual value, and how often luck alone would show it.

All ratios are per period (mean / sample standard deviation of simple returns); kurtosis is raw
(normal = 3). Two forms of the probabilistic Sharpe ratio are in use and disagree; both are here,
by the year of their paper.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.research.honesty.expected_maximum import exact
from barograph.research.outcome import SharpeEvidence
from barograph.rows import Floats

_NORMAL = NormalDist()
CONFIDENCE = 0.95
"""Of the minimum track record in :func:`evidence`."""
_LEAST_VARIANCE = 0.1


class Moments(NamedTuple):
    """A return series, as far as the theory of its Sharpe ratio looks at it.

    Attributes:
        sharpe: per period, ddof 1.
        periods: T.
        skewness, kurtosis: of the returns, moments about the mean over powers of the population's
            standard deviation (ddof 0, no bias correction); kurtosis raw, normal = 3.
    """

    sharpe: float
    periods: int
    skewness: float = 0.0
    kurtosis: float = 3.0


def moments(returns: Floats) -> Moments:
    """The moments of returns (T,).

    >>> import numpy as np
    >>> moments(np.array([0.01, -0.02, 0.03, 0.0])).periods
    4

    Raises:
        DataError: fewer than 4 periods, one that is unknown, or returns that never vary.
    """
    if len(returns) < 4:
        raise DataError(
            f"{len(returns)} returns are too few for a Sharpe ratio's evidence; at least 4 are needed"
        )
    if not np.isfinite(returns).all():
        raise DataError(
            f"return {int(np.argmin(np.isfinite(returns)))} is not a number; mark equity at every close"
        )
    if returns.max() == returns.min():
        raise DataError(
            f"the returns never vary (all {returns[0]}), so they have no Sharpe ratio; was nothing traded?"
        )
    mean = float(returns.mean())
    centred = returns - mean
    squares = centred * centred
    variance = float(squares.mean())
    scale = math.sqrt(variance)
    return Moments(
        mean / math.sqrt(variance * len(returns) / (len(returns) - 1)),
        len(returns),
        float((squares * centred).mean()) / scale**3,
        float((squares * squares).mean()) / variance**2,
    )


def psr_2012(moments: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above ``benchmark``: the error is taken at the ratio seen.

    Phi[(SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) SR^2 / 4)].

    >>> round(psr_2012(Moments(1.585 / 12**0.5, 24, -2.448, 10.164)), 9)
    0.913234307

    Raises:
        UsageError: moments that no returns can have.

    Source: Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", eq. 11; Mertens (2002).
    """
    spread = _spread(moments, moments.sharpe)
    return _certainty((moments.sharpe - benchmark) * math.sqrt(moments.periods - 1), spread)


def psr_2025(moments: Moments, benchmark: float = 0.0, autocorrelation: float = 0.0) -> float:
    """The same, with the error that the ratio would have if ``benchmark`` were the true one (a test's view).

    T instead of T - 1, and returns that may follow an AR(1) with ``autocorrelation``. A negative skew then
    costs nothing at benchmark 0; that is why it is above :func:`psr_2012` for such returns.

    >>> round(psr_2025(Moments(0.036 / 0.079, 24, -2.448, 10.164)), 3)
    0.987

    Raises:
        UsageError: moments that no returns can have, or an autocorrelation not within (-1, 1).

    Source: Lopez de Prado, Lipton and Zoonekynd (2025), "How to Use the Sharpe Ratio".
    """
    spread = _spread(moments, benchmark, autocorrelation)
    return _certainty((moments.sharpe - benchmark) * math.sqrt(moments.periods), spread)


def expected_maximum_sharpe(variance: float, tries: float, maximum: float | None = None) -> float:
    """The Sharpe ratio that the best of ``tries`` unskilled ones is expected to show: sqrt(V) E[max_N].

    Args:
        variance: V, of the tries' Sharpe ratios.
        tries: N.
        maximum: E[max_N] where it is not to be the exact one: ``expected_maximum.approximate(tries)``.

    Raises:
        UsageError: a negative variance, or fewer than one try.
    """
    if not variance >= 0:
        raise UsageError(f"the tries' Sharpe ratios have variance {variance}; it must be 0 or more")
    return math.sqrt(variance) * (exact(tries) if maximum is None else maximum)


def deflated_sharpe(moments: Moments, variance: float, tries: float, maximum: float | None = None) -> float:
    """Probability that the true Sharpe ratio is above what the best of ``tries`` unskilled ones would show.

    >>> from barograph.research.honesty.expected_maximum import approximate
    >>> seen = Moments(2.5 / 250**0.5, 1250, -3, 10)
    >>> round(deflated_sharpe(seen, 0.5 / 250, 100, approximate(100)), 6)
    0.900397

    Args:
        moments: of the selected strategy's returns.
        variance, tries, maximum: see :func:`expected_maximum_sharpe`.

    Raises:
        UsageError: as there and in :func:`psr_2012`.

    Source: Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio".
    """
    return psr_2012(moments, expected_maximum_sharpe(variance, tries, maximum))


def min_track_record(moments: Moments, benchmark: float = 0.0, confidence: float = CONFIDENCE) -> float:
    """Periods needed before :func:`psr_2012` reaches ``confidence``; inf if the ratio is not above it.

    1 + (1 - g3 SR + (g4 - 1) SR^2 / 4) (z / (SR - SR*))^2.

    >>> daily = Moments(2 / 250**0.5, 0)
    >>> round(min_track_record(daily, 1 / 250**0.5) / 250, 6)  # years
    2.731188

    Raises:
        UsageError: a confidence outside [0.5, 1), or moments that no returns can have.

    Source: Bailey and Lopez de Prado (2012), eq. 13.
    """
    if not 0.5 <= confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must be at least 0.5 and below 1, such as 0.95")
    spread = _spread(moments, moments.sharpe)
    if moments.sharpe <= benchmark:
        return math.inf
    return 1 + spread * (_NORMAL.inv_cdf(confidence) / (moments.sharpe - benchmark)) ** 2


def min_backtest_years(annual_sharpe: float, tries: float, maximum: float | None = None) -> float:
    """Years of data below which the best of ``tries`` unskilled ones is expected to show ``annual_sharpe``.

    (E[max_N] / SR)^2; inf if the ratio is not above 0.

    >>> from barograph.research.honesty.expected_maximum import approximate
    >>> round(min_backtest_years(1, 45, approximate(45)), 6)
    4.998087

    Raises:
        UsageError: fewer than one try.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2014), theorem 1.
    """
    expected = exact(tries) if maximum is None else maximum
    return (expected / annual_sharpe) ** 2 if annual_sharpe > 0 else math.inf


def standard_error(sharpe: float, periods: int) -> float:
    """Of a Sharpe ratio if returns are independent and normal: sqrt((1 + SR^2 / 2) / T).

    >>> round(standard_error(0.5, 12), 4)
    0.3062

    Source: Lo (2002), "The Statistics of Sharpe Ratios", eq. 8.
    """
    return math.sqrt((1 + sharpe * sharpe / 2) / periods)


def annual_factor(periods_per_year: float, autocorrelations: Floats) -> float:
    """What a ratio per period is to be multiplied with, for a year of ``periods_per_year`` = q of them.

    eta(q) = q / sqrt(q + 2 sum_{0<k<q} (q - k) rho_k): sqrt(q) without autocorrelation, less with a
    positive one.

    >>> import numpy as np
    >>> round(annual_factor(12, 0.2 ** np.arange(1, 12)), 4)
    2.8788

    Args:
        periods_per_year: q, may be a fraction.
        autocorrelations: rho_1, rho_2, ...; those not given are 0, those from q on are not looked at.

    Returns:
        eta; NaN where the autocorrelations leave no variance.

    Source: Lo (2002), eq. 20.
    """
    q = periods_per_year
    lag = np.arange(1, len(autocorrelations) + 1)
    remaining = np.maximum(q - lag, 0.0)
    variance = q + 2 * math.fsum((remaining * autocorrelations).tolist())
    return q / math.sqrt(variance) if variance > 0 else math.nan


def autocorrelations(returns: Floats) -> Floats:
    """rho_1, rho_2, ... of returns (T,), as far as they can be told from noise, fading out.

    An estimate of all q - 1 of them would be mostly noise (with T = q they add up to -1/2 whatever the
    data), so we stop: the first lag m from which on the next max(5, log10 T) are within 2 sqrt(log10(T) / T)
    of 0 is found; lags up to m count in full, from there to 2 m ever less (the trapezoidal window). Where
    that would leave next to no variance, the triangular window (Newey and West 1987) is taken, which always
    leaves some.

    Source: Politis and White (2004), section 3.2; Politis and Romano (1995) for the window.
    """
    periods = len(returns)
    centred = returns - returns.mean()
    quiet = max(5, int(math.log10(periods)))
    lags = min(math.ceil(math.sqrt(periods)) + quiet, periods - 1)
    squares = float(centred @ centred)
    rho = np.array([float(centred[k:] @ centred[:-k]) for k in range(1, lags + 1)]) / squares
    last = 2 * _dies_out(np.abs(rho), 2 * math.sqrt(math.log10(periods) / periods), quiet)
    rho = rho[:last]
    share = np.arange(1, len(rho) + 1) / last
    trapezoidal = rho * np.clip(2 * (1 - share), 0, 1)
    if 1 + 2 * trapezoidal.sum() > _LEAST_VARIANCE:
        return trapezoidal
    return rho * (1 - np.arange(1, len(rho) + 1) / (last + 1))


def _dies_out(size: Floats, noise: float, quiet: int) -> int:
    """The first lag from which ``quiet`` in a row are within noise; all lags if there is none."""
    for m in range(1, len(size) - quiet + 2):
        if size[m - 1 : m - 1 + quiet].max() < noise:
            return m
    return len(size)


class Tried(NamedTuple):
    """What was tried before this strategy was chosen.

    Attributes:
        sharpe: (N,) the tries' Sharpe ratios per period; NaN for those that never traded.
        tries: how many there were, from the trial ledger; at least as many as are known here.
        effective: how many there were after clustering those that do the same, see ``tries``.
        effective_variance: of their Sharpe ratios; None: 1 / T, that of unskilled ones.
    """

    sharpe: Floats
    tries: int
    effective: float
    effective_variance: float | None = None


def evidence(returns: Floats, tried: Tried, periods_per_year: float) -> SharpeEvidence:
    """What the Sharpe ratio of the selected strategy's returns (T,) is worth, given what else was tried.

    The expected maximum is the exact one. The variance of the tries is taken over those that are known
    (ddof 1); with fewer than two of them it is 1 / T, that of unskilled ones.

    >>> import numpy as np
    >>> chance = np.random.default_rng(7).normal(0, 0.01, (500, 100))
    >>> tries = np.array([moments(column).sharpe for column in chance.T])
    >>> found = evidence(chance[:, tries.argmax()], Tried(tries, 100, 100.0), 252)
    >>> found.psr > 0.95 > found.dsr  # the best of a hundred coin flips
    True

    Raises:
        DataError: returns that allow no Sharpe ratio, see :func:`moments`.
        UsageError: fewer tries than Sharpe ratios, fewer than one, or no periods in a year.
    """
    seen = moments(returns)
    _check_tried(tried, periods_per_year)
    variance = _variance(tried.sharpe, seen.periods)
    effective_variance = 1 / seen.periods if tried.effective_variance is None else tried.effective_variance
    annual = seen.sharpe * math.sqrt(periods_per_year)
    luck = expected_maximum_sharpe(variance, tried.tries)
    return SharpeEvidence(
        sharpe=seen.sharpe,
        annual=annual,
        annual_lo=seen.sharpe * annual_factor(periods_per_year, autocorrelations(returns)),
        standard_error=standard_error(seen.sharpe, seen.periods),
        skewness=seen.skewness,
        kurtosis=seen.kurtosis,
        periods=seen.periods,
        psr=psr_2012(seen),
        dsr=psr_2012(seen, luck),
        tries=tried.tries,
        effective_tries=tried.effective,
        expected_max=luck,
        min_track_record=min_track_record(seen),
        min_backtest_years=min_backtest_years(annual, tried.tries),
        dsr_effective=deflated_sharpe(seen, effective_variance, tried.effective),
    )


def _check_tried(tried: Tried, periods_per_year: float) -> None:
    if not periods_per_year > 0:
        raise UsageError(f"{periods_per_year} periods a year cannot be; see research.annualising")
    if tried.tries < max(1, len(tried.sharpe)):
        raise UsageError(
            f"{tried.tries} tries, but {len(tried.sharpe)} Sharpe ratios of them; count every strategy tried"
        )
    if not 1 <= tried.effective <= tried.tries:
        raise UsageError(f"{tried.effective} effective tries; there must be 1 to {tried.tries}")


def _variance(sharpe: Floats, periods: int) -> float:
    known = sharpe[np.isfinite(sharpe)]
    return float(known.var(ddof=1)) if len(known) > 1 else 1 / periods


def _spread(moments: Moments, sharpe: float, autocorrelation: float = 0.0) -> float:
    """T times the variance of a Sharpe ratio whose true value is ``sharpe``."""
    rho = autocorrelation
    if not -1 < rho < 1:
        raise UsageError(f"autocorrelation is {rho}; it must be within (-1, 1)")
    level = (1 + rho) / (1 - rho)
    skewed = 1 + rho / (1 - rho) + rho**2 / (1 - rho**2)
    tailed = (1 + rho**2) / (1 - rho**2)
    spread = level - skewed * moments.skewness * sharpe + tailed * (moments.kurtosis - 1) / 4 * sharpe**2
    if not spread >= -1e-12 or moments.kurtosis < 1:
        raise UsageError(
            f"no returns have skewness {moments.skewness} and kurtosis {moments.kurtosis}: "
            "kurtosis (raw, normal = 3) is at least 1 + skewness^2"
        )
    return max(spread, 0.0)


def _certainty(distance: float, spread: float) -> float:
    """Phi(distance / sqrt(spread)); a ratio without error is certainly on its side."""
    if spread == 0:
        return 0.5 if distance == 0 else float(distance > 0)
    # erfc keeps the digits of small probabilities.
    return 0.5 * math.erfc(-distance / math.sqrt(2 * spread))
