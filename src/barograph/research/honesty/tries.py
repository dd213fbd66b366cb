"""How many independent tries it really were, when many of the strategies tried do the same.

Three answers, from the returns of all strategies:

- ``clusters``: strategies that move together are one try. Distance sqrt((1 - correlation) / 2),
  average-linkage hierarchical clustering, cut where the silhouettes (Rousseeuw 1987) have the highest
  mean over standard deviation, the quality of Lopez de Prado and Lewis (2019). They cluster by k-means
  instead, which begins at random, and split poor clusters again; a tree gives the same answer every time.
- ``maximum``: so many independent tries would be expected to show the same best Sharpe ratio by luck.
  Unskilled strategies with these very correlations are simulated, and the mean of their best is looked
  up in ``expected_maximum.exact``. This is what the deflated Sharpe ratio asks for; all strategies count.
- ``participation``: the participation ratio of the correlation matrix's eigenvalues, (sum l)^2 / sum l^2
  = N^2 / sum rho^2, with the rho^2 that noise alone brings (1 / (T - 1)) taken out. A check: it counts
  directions; one that all share makes it small, although each strategy still has luck of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barograph.errors import DataError, UsageError
from barograph.research.honesty.expected_maximum import exact
from barograph.rows import Floats, Ints

SAMPLE = 1000
"""Strategies that are clustered at most; of more, as many are drawn."""
SAME = 0.99
"""Correlation from which two strategies are one before anything else is judged."""
_DRAWS = 500
_ROWS = 1000
_EVERY_CUT = 64
_SLICE_BYTES = 32 << 20


@dataclass(frozen=True)
class EffectiveTries:
    """How many tries it really were.

    Attributes:
        tried: N, the strategies whose returns ever vary; at least 1.
        clusters: of them, or of a sample of 1,000.
        maximum: independent tries that would be as lucky.
        participation: ratio of the eigenvalues.
        sampled: which columns were clustered.
        labels: to which cluster each of them belongs, from 0.
        quality: mean / standard deviation of the silhouettes; NaN where there was nothing to cut.
        variance: of the clusters' Sharpe ratios per period (ddof 1), each the mean of its strategies at equal
            volatility; NaN of one cluster.
    """

    tried: int
    clusters: int
    maximum: float
    participation: float
    sampled: Ints
    labels: Ints
    quality: float
    variance: float

    @property
    def effective(self) -> float:
        """The larger of clusters and maximum: too few tries would flatter the winner."""
        return min(max(float(self.clusters), self.maximum), float(self.tried))

    def among(self, tries: int) -> float:
        """The effective number of ``tries``, of which these are a part: in the same proportion."""
        return max(1.0, min(self.effective * tries / self.tried, float(tries)))


def effective_tries(returns: Floats, seed: int = 0) -> EffectiveTries:
    """How many independent tries the columns of returns (T, N) are.

    Time and memory beside the returns are bounded: the correlations of at most 1,000 strategies are
    computed (``seed`` draws them), and for ``maximum`` periods are put together until at most 1,000 are left.
    Strategies that never vary are left out: they had no luck to have.

    >>> import numpy as np
    >>> some = np.random.default_rng(1).normal(size=(500, 3))
    >>> effective_tries(np.repeat(some, 20, axis=1)).clusters
    3

    Args:
        returns: (T, N) per period; in excess of the market, or they share what the market did.
        seed: of chance; the same gives the same answer.

    Raises:
        DataError: fewer than 3 periods, no strategy, or a return that is not finite.
        UsageError: scipy is not installed.
    """
    _check(returns)
    varying = np.flatnonzero(returns.max(axis=0) > returns.min(axis=0))
    if len(varying) < 2:
        one = np.zeros(len(varying), dtype=np.int64)
        return EffectiveTries(1, 1, 1.0, 1.0, varying, one, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    sampled = varying
    if len(varying) > SAMPLE:
        sampled = np.sort(rng.choice(varying, SAMPLE, replace=False))
    units, sharpe = _standardised(returns[:, sampled])
    correlation = np.clip(units.T @ units, -1.0, 1.0)
    labels, quality = _clusters(correlation)
    return EffectiveTries(
        tried=len(varying),
        clusters=int(labels.max()) + 1,
        maximum=_as_lucky(returns, varying, rng),
        participation=_participation(correlation, len(returns), len(varying)),
        sampled=sampled,
        labels=labels,
        quality=quality,
        variance=_variance(correlation, sharpe, labels),
    )


def _standardised(returns: Floats) -> tuple[Floats, Floats]:
    """Columns with mean 0 and length 1, and their Sharpe ratios per period."""
    mean = returns.mean(axis=0)
    centred = returns - mean
    length = np.sqrt(np.square(centred).sum(axis=0))
    return centred / length, mean / (length / math.sqrt(len(returns) - 1))


def _clusters(correlation: Floats) -> tuple[Ints, float]:
    """Labels from 0, and the quality of the best cut."""
    try:
        from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError as missing:
        raise UsageError(
            "clustering needs scipy; install it with: pip install 'barograph[research]'"
        ) from missing
    n = len(correlation)
    distance = np.sqrt((1 - correlation) / 2)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    leaves = leaves_list(tree)
    reach = reaching(distance[np.ix_(leaves, leaves)])
    best = fcluster(tree, math.sqrt((1 - SAME) / 2), "distance").astype(np.int64) - 1
    most, quality = min(int(best.max()) + 1, n - 1), math.nan
    for k in _cuts(most):
        labels = fcluster(tree, k, "maxclust").astype(np.int64) - 1
        found = _quality(silhouettes(reach, labels[leaves]))
        if math.isnan(quality) or found > quality:
            best, quality = labels, found
    return best, quality


def _cuts(most: int) -> Iterator[int]:
    """Numbers of clusters that are judged: all up to 64, from there in steps of 3 %."""
    k = 2
    while k <= most:
        yield k
        k += max(1, round(0.03 * k)) if k >= _EVERY_CUT else 1


def reaching(distance: Floats) -> Floats:
    """Distances (n, n) summed up along the rows, from 0: (n, n + 1)."""
    return np.concatenate([np.zeros((len(distance), 1)), np.cumsum(distance, axis=1)], axis=1)


def silhouettes(reach: Floats, labels: Ints) -> Floats:
    """How much better each member fits its own cluster than the next: (b - a) / max(a, b), within [-1, 1].

    a is its mean distance from the others of its cluster, b that from the members of the nearest other
    one. 0 for one that is alone in its cluster. Members are in the order of the tree's leaves, in which
    every cluster is one stretch, so that the sums of any cut are differences.

    Args:
        reach: (n, n + 1), see :func:`reaching`.
        labels: (n,), at least two different ones, each in one stretch.

    Source: Rousseeuw (1987).
    """
    n = len(labels)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [n]])
    size = np.diff(bounds)
    own, row = np.repeat(np.arange(len(size)), size), np.arange(n)
    total = np.diff(reach[:, bounds], axis=1)
    within = total[row, own] / np.maximum(size[own] - 1, 1)
    mean = total / size
    mean[row, own] = np.inf
    between = mean.min(axis=1)
    widest = np.maximum(within, between)
    nothing = (size[own] == 1) | (widest <= 0)
    return np.where(nothing, 0.0, (between - within) / np.where(nothing, 1.0, widest))


def _quality(silhouette: Floats) -> float:
    mean, spread = float(silhouette.mean()), float(silhouette.std())
    if spread > 0:
        return mean / spread
    return math.copysign(math.inf, mean) if mean else 0.0


def _variance(correlation: Floats, sharpe: Floats, labels: Ints) -> float:
    """Of the clusters' Sharpe ratios; the mean of n returns of volatility 1 has volatility sqrt(mean rho)."""
    k = int(labels.max()) + 1
    if k < 2:
        return math.nan
    member = np.zeros((len(labels), k))
    member[np.arange(len(labels)), labels] = 1.0
    volatility = np.sqrt(np.einsum("ik,ij,jk->k", member, correlation, member, optimize=True))
    return float(np.var(member.T @ sharpe / volatility, ddof=1))


def _participation(correlation: Floats, periods: int, tried: int) -> float:
    """N^2 / sum rho^2 of all tried, from the correlations of those at hand."""
    n = len(correlation)
    squares = (float(np.square(correlation).sum()) - n) / (n * (n - 1))
    noise = 1 / (periods - 1)
    shared = max(squares - noise, 0.0) / (1 - noise)
    return tried / (1 + (tried - 1) * shared)


def _as_lucky(returns: Floats, varying: npt.NDArray[np.intp], rng: np.random.Generator) -> float:
    """Independent tries whose best is expected to be as high as that of unskilled ones correlated like these.

    With columns of length 1, ``g @ columns`` for standard normal g is one draw of such Sharpe ratios; the
    highest and minus the lowest are two draws of the best. Rounded to six digits: the
    rest hangs on the machine.
    """
    joined = max(1, math.ceil(len(returns) / _ROWS))
    rows = len(returns) // joined
    draws = rng.standard_normal((_DRAWS, rows))
    highest, lowest = np.full(_DRAWS, -np.inf), np.full(_DRAWS, np.inf)
    at_once = max(1, _SLICE_BYTES // (8 * (len(returns) + _DRAWS)))
    for first in range(0, len(varying), at_once):
        part = returns[len(returns) - rows * joined :, varying[first : first + at_once]]
        part = part / part.std(axis=0).clip(min=np.finfo(np.float64).tiny)
        summed = part.reshape(rows, joined, -1).sum(axis=1)
        summed -= summed.mean(axis=0)
        length = np.sqrt(np.square(summed).sum(axis=0))
        scores = draws @ (summed / np.where(length > 0, length, 1.0))
        highest = np.maximum(highest, scores.max(axis=1))
        lowest = np.minimum(lowest, scores.min(axis=1))
    return _tries_for(float((highest - lowest).mean()) / 2, len(varying))


def _tries_for(maximum: float, most: int) -> float:
    """N with ``exact(N) = maximum``, from 1 to ``most``."""
    low, high = 0.0, math.log(most)
    if maximum <= 0 or maximum >= exact(float(most)):
        return 1.0 if maximum <= 0 else float(most)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if exact(math.exp(middle)) < maximum else (low, middle)
    return float(f"{math.exp(low):.6g}")


def _check(returns: Floats) -> None:
    periods, tried = returns.shape
    if periods < 3 or tried < 1:
        raise DataError(f"{periods} periods of {tried} strategies cannot be clustered; 3 of 1 are the least")
    if not math.isfinite(float(returns.sum())) and not np.isfinite(returns).all():
        row, column = np.argwhere(~np.isfinite(returns))[0]
        raise DataError(
            f"the return of strategy {column} in period {row} is {returns[row, column]}; it must be known"
        )
