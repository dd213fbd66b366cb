"""The plain forest beside scikit-learn's, and files that are not what they seem."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.anomalies.models.features import NAMES, VERSION
from barograph.anomalies.models.forest import Forest, mean_path, plain
from barograph.anomalies.models.model import Model, decoded, encoded
from barograph.errors import DataError

IsolationForest = pytest.importorskip("sklearn.ensemble").IsolationForest


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    trees=st.integers(1, 30),
    samples=st.integers(2, 300),
    columns=st.integers(1, 6),
    tied=st.booleans(),
)
def test_scores_are_scikit_learn_s(seed: int, trees: int, samples: int, columns: int, tied: bool):
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(2, (300, columns))
    rows = np.round(rows) if tied else rows
    grown = IsolationForest(n_estimators=trees, max_samples=samples, max_features=0.7, random_state=seed).fit(
        rows
    )
    # scikit-learn compares as float32: just beside a threshold that is another side.
    cuts = np.concatenate([tree.tree_.threshold for tree in grown.estimators_])
    beside = np.repeat(np.nextafter(rng.choice(cuts, 200), rng.choice([-1e9, 1e9], 200))[:, None], columns, 1)
    asked = np.concatenate([rows, beside, rng.normal(0, 50, (50, columns))])
    mine = plain(grown).scores(asked)
    assert np.abs(mine + grown.score_samples(asked)).max() <= 1e-15
    assert np.all((mine > 0.0) & (mine <= 1.0))


def test_the_mean_path_is_that_of_a_binary_search_tree():
    n = np.arange(3, 400)
    harmonic = np.array([sum(1.0 / k for k in range(1, each)) for each in n])
    exact = 2.0 * harmonic - 2.0 * (n - 1) / n
    # The published formula takes ln(n - 1) + gamma for the harmonic number: 1 / (2 (n - 1)) too little.
    assert exact - mean_path(n) == pytest.approx(1.0 / (n - 1), rel=0.1)
    assert mean_path(np.array([0, 1, 2])).tolist() == [0.0, 0.0, 1.0]


def small(**changed: object) -> Forest:
    values: dict[str, object] = {
        "roots": np.array([0]),
        "feature": np.array([0, -1, -1], dtype=np.int32),
        "value": np.array([0.5, 1.0, 2.0]),
        "left": np.array([1, 0, 0], dtype=np.int32),
        "right": np.array([2, 0, 0], dtype=np.int32),
        "unit": 2.0,
        "columns": len(NAMES),
    }
    return Forest(**(values | changed))


def model(**changed: object) -> Model:
    values: dict[str, object] = {
        "features": NAMES,
        "features_version": VERSION,
        "usual": np.zeros(len(NAMES)),
        "threshold": 0.6,
        "symbols": ("BTC-USD",),
        "forest": small(),
    }
    return Model(**(values | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"left": np.array([0, 0, 0], dtype=np.int32)},
        {"right": np.array([3, 0, 0], dtype=np.int32)},
        {"feature": np.array([6, -1, -1], dtype=np.int32)},
        {"feature": np.array([-2, -1, -1], dtype=np.int32)},
        {"roots": np.array([3])},
        {"roots": np.array([], dtype=np.int64)},
        {"value": np.array([0.5, 1.0])},
        {"value": np.array([np.nan, 1.0, 2.0])},
        {"value": np.array([0, 1, 2])},
        {"left": np.array([1, 0, 0])},
        {"unit": 0.0},
    ],
)
def test_arrays_that_would_lead_astray_are_refused(changed: dict[str, object]):
    with pytest.raises(DataError, match="do not fit together"):
        small(**changed)


def test_a_model_comes_back_from_its_bytes_as_it_was():
    again = decoded(encoded(model()), "model.bin")
    rows = np.array([[0.4, 0, 0, 0, 0, 0], [0.6, 0, 0, 0, 0, 0], [np.nan, 0, 0, 0, 0, 0]])
    assert again.scores(rows).tolist() == [2.0**-0.5, 2.0**-1.0, 2.0**-0.5]
    assert encoded(again) == encoded(model())


@pytest.mark.parametrize("at", [0, 9, 40, -1])
def test_a_changed_byte_is_noticed(at: int):
    data = bytearray(encoded(model()))
    data[at] ^= 1
    with pytest.raises(DataError, match=r"no model of ours|damaged"):
        decoded(bytes(data), "model.bin")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"features_version": VERSION + 1}, "train it again"),
        ({"features": ("move",)}, "train it again"),
        ({"usual": np.zeros(2)}, "number of columns"),
        ({"forest": small(columns=9)}, "number of columns"),
    ],
)
def test_a_model_of_other_features_is_refused(changed: dict[str, object], said: str):
    with pytest.raises(DataError, match=said):
        decoded(encoded(model(**changed)), "model.bin")


def test_a_foreign_file_with_a_right_checksum_is_refused():
    body = msgspec.msgpack.encode({"features": ["x"]})
    data = b"BAROMDL1" + zlib.crc32(body).to_bytes(4, "little") + body
    with pytest.raises(DataError, match="cannot be read"):
        decoded(data, "model.bin")
    with pytest.raises(DataError, match="no model of ours"):
        decoded(b"\x80\x04\x95 a pickle", "model.bin")


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match="6 columns"):
        small().scores(np.zeros((3, 5)))
