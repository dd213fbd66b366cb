"""Has the market moved away from what a model was trained on?

The population stability index compares how a feature is distributed now (a) with how it was in
training (e), bin by bin:

    PSI = sum over the bins of (a_k - e_k) ln(a_k / e_k)

It is the symmetric divergence of Jeffreys (An Invariant Form for the Prior Probability in
Estimation Problems, 1946), known by this name from credit scoring (Siddiqi, Credit Risk
Scorecards, 2006), where by rule of thumb less than 0.1 is no change and more than 0.25 a large
one. Bins are tenths of the training rows. Of n and m rows of one distribution it is (bins - 1)
(1 / n + 1 / m) on average (Yurdakul, Statistical Properties of Population Stability Index, 2018),
more when they hang together as minutes do: of a few hundred minutes it means little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barograph.anomalies.models.card import Bins, Card
from barograph.anomalies.models.model import Model
from barograph.anomalies.models.reading import Rows
from barograph.rows import Floats

TENTHS = 10
MOVED, GONE = 0.1, 0.25
_LEAST = 1e-4
"""An empty bin counts as so much, or one row in it would be infinitely far away."""


class FeatureDrift(NamedTuple):
    """A feature then and now.

    Attributes:
        psi: the population stability index.
        by_chance: what it is on average when nothing has changed, of as many independent rows.
        trained, now: means of the rows that have the feature.
        missing: share of the rows now that have not.
    """

    feature: str
    psi: float | None
    by_chance: float | None
    trained: float | None
    now: float | None
    missing: float

    @property
    def verdict(self) -> str:
        """``steady``, ``moved`` or ``gone``; ``missing`` where nothing can be compared."""
        if self.psi is None:
            return "missing"
        return "steady" if self.psi < MOVED else "moved" if self.psi < GONE else "gone"


class Drift(NamedTuple):
    """A model's training span beside a later one.

    Attributes:
        rows: minutes that were looked at.
        above_trained, above: share of the scores at or above the threshold, then and now.
    """

    rows: int
    features: tuple[FeatureDrift, ...]
    above_trained: float
    above: float


def bins_of(column: Floats) -> Bins:
    """The tenths of ``column``; fewer where values repeat. NaN counts as missing."""
    there = column[~np.isnan(column)]
    if not len(there):
        return Bins((), (1.0,), None, 1.0)
    edges = np.unique(np.quantile(there, np.arange(1, TENTHS) / TENTHS))
    return Bins(
        tuple(edges.tolist()),
        tuple(_shares(there, edges).tolist()),
        float(np.mean(there)),
        1.0 - len(there) / len(column),
    )


def _shares(column: Floats, edges: Floats) -> Floats:
    """The share of ``column`` up to each edge, and of what lies beyond the last."""
    return np.bincount(np.searchsorted(edges, column), minlength=len(edges) + 1) / len(column)


def population_stability_index(trained: Floats, now: Floats) -> float:
    """PSI of two rows of shares, each of which sums to 1.

    >>> round(population_stability_index(np.array([0.5, 0.5]), np.array([0.4, 0.6])), 6)
    0.040547
    """
    e, a = np.maximum(trained, _LEAST), np.maximum(now, _LEAST)
    return float(np.sum((a - e) * np.log(a / e)))


def drift(card: Card, model: Model, rows: Rows) -> Drift:
    """How far ``rows`` are from what the version was trained on."""
    scores = model.scores(rows.features)
    features = tuple(
        _feature(name, bins, rows.features[:, k], card.rows)
        for k, (name, bins) in enumerate(card.features.items())
    )
    return Drift(len(rows), features, card.metrics.above, float(np.mean(scores >= model.threshold)))


def _feature(name: str, bins: Bins, column: Floats, trained_rows: int) -> FeatureDrift:
    there = column[~np.isnan(column)]
    known = round(trained_rows * (1.0 - bins.missing))
    missing = 1.0 - len(there) / len(column)
    if not len(there) or not known:
        return FeatureDrift(name, None, None, bins.mean, None, missing)
    psi = population_stability_index(np.array(bins.shares), _shares(there, np.array(bins.edges)))
    by_chance = len(bins.edges) * (1.0 / known + 1.0 / len(there))
    return FeatureDrift(name, psi, by_chance, bins.mean, float(np.mean(there)), missing)
