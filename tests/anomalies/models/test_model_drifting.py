"""The population stability index, and a drift that was put in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.anomalies.models import drift, population_stability_index
from barograph.anomalies.models.drifting import bins_of
from barograph.anomalies.models.features import NAMES
from barograph.anomalies.models.reading import Rows
from barograph.anomalies.models.training import DEFAULTS

from .test_model_registry import MODEL, card

SHARES = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=12)


@given(SHARES, st.data())
def test_psi_is_the_sum_of_both_relative_entropies(first: list[float], data: st.DataObject):
    second = data.draw(st.lists(st.floats(0.01, 1.0), min_size=len(first), max_size=len(first)))
    e, a = np.array(first) / sum(first), np.array(second) / sum(second)
    both = math.fsum(x * math.log(x / y) + y * math.log(y / x) for x, y in zip(a, e, strict=True))
    assert population_stability_index(e, a) == pytest.approx(both, abs=1e-12)
    assert population_stability_index(e, a) == pytest.approx(population_stability_index(a, e), abs=1e-12)
    assert population_stability_index(e, a) >= 0.0


def test_psi_by_hand_and_of_empty_bins():
    assert population_stability_index(np.array([0.5, 0.5]), np.array([0.4, 0.6])) == pytest.approx(
        -0.1 * math.log(0.8) + 0.1 * math.log(1.2)
    )
    assert math.isfinite(population_stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_bins_are_tenths_and_fewer_where_values_repeat():
    bins = bins_of(np.arange(1000.0))
    assert len(bins.edges) == 9
    assert bins.shares == pytest.approx([0.1] * 10)
    assert bins_of(np.array([0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0])).edges == (0.0,)
    assert bins_of(np.array([0.0] * 95 + [1.0] * 5)).shares == pytest.approx([0.95, 0.05])
    some = bins_of(np.array([np.nan, 1.0, 2.0, 3.0]))
    assert (some.missing, some.mean) == (0.25, 2.0)
    none = bins_of(np.array([np.nan, np.nan]))
    assert (none.missing, none.mean, none.edges) == (1.0, None, ())


def rows(**changed: np.ndarray) -> Rows:
    rng = np.random.default_rng(len(changed))
    features = rng.lognormal(0.0, 0.5, (4_000, len(NAMES)))
    for name, column in changed.items():
        features[:, NAMES.index(name)] = column
    return Rows(["sim"] * 4_000, ["BTC-USD"] * 4_000, np.arange(4_000), features, "")


def test_a_feature_that_has_moved_is_named_and_the_others_are_not():
    trained = rows()
    told = card()
    told = type(told)(
        **{name: getattr(told, name) for name in told.__struct_fields__}
        | {"rows": 4_000, "features": {n: bins_of(trained.features[:, k]) for k, n in enumerate(NAMES)}}
    )
    moved = rows(volume=np.random.default_rng(5).lognormal(0.2, 0.5, 4_000), spread=np.full(4_000, np.nan))
    moved.features[:, NAMES.index("flow")] *= 3.0
    found = {each.feature: each for each in drift(told, MODEL, moved).features}
    assert {name: each.verdict for name, each in found.items()} == {
        "move": "steady",
        "spread": "missing",
        "flow": "gone",
        "volatility": "steady",
        "volume": "moved",
        "pause": "steady",
    }
    assert found["spread"].missing == 1.0
    # Of independent rows of one distribution PSI is (bins - 1) (1 / n + 1 / m) on average.
    assert found["move"].by_chance == pytest.approx(9 * 2 / 4_000)
    assert found["move"].psi < 5 * found["move"].by_chance


def test_by_chance_is_what_chance_gives():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        bins = bins_of(rng.normal(size=2_000))
        now = np.bincount(np.searchsorted(bins.edges, rng.normal(size=500)), minlength=10) / 500
        found.append(population_stability_index(np.array(bins.shares), now))
    assert np.mean(found) == pytest.approx(9 * (1 / 2_000 + 1 / 500), rel=0.15)


def test_the_share_above_the_threshold_is_told_then_and_now():
    made = drift(card(), MODEL, rows())
    assert (made.rows, made.above_trained) == (4_000, 0.5)
    assert made.above == 1.0  # a tree of one leaf finds everything equally unusual
    assert DEFAULTS.share == 0.005
