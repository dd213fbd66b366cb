"""Training on simulated hours, end to end: what is kept, that it is the same again, what is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from barograph.anomalies.models import Parameters, Reference, Registry, Wanted, read_rows, train
from barograph.anomalies.models.estimator import dumped, loaded
from barograph.anomalies.models.features import NAMES
from barograph.clock import MINUTE_US
from barograph.errors import DataError, UsageError
from barograph.store import Lake

from .simulated_hours import MINUTES, SMALL, START_US, WANTED


def lake(hours: Path) -> Lake:
    return Lake(hours / "lake")


def test_rows_are_those_of_the_wanted_minutes_with_the_windows_before_them(hours: Path):
    whole = read_rows(lake(hours), Wanted())
    assert set(zip(whole.venue, whole.symbol, strict=True)) == {
        ("sim", "BTC-USD"),
        ("sim", "ETH-USD"),
        ("sim", "SOL-USD"),
    }
    assert whole.features.shape == (len(whole), len(NAMES))
    start_us, end_us = START_US + 200 * MINUTE_US, START_US + 300 * MINUTE_US
    part = read_rows(lake(hours), Wanted(["ETH-USD"], start_us, end_us))
    same = (np.array(whole.symbol) == "ETH-USD") & (whole.ts_us >= start_us) & (whole.ts_us < end_us)
    assert part.ts_us.tolist() == whole.ts_us[same].tolist()
    assert part.features.tobytes() == whole.features[same].tobytes()
    assert len(part.data_hash) == 64
    assert part.data_hash != whole.data_hash


def test_rows_of_what_is_not_there_are_told(hours: Path):
    with pytest.raises(DataError, match="0 minutes are stored"):
        read_rows(lake(hours), Wanted(["XRP-USD"]))
    with pytest.raises(DataError, match="none has enough of a past"):
        read_rows(lake(hours), Wanted(None, None, START_US + 10 * MINUTE_US))


def test_a_version_holds_everything_that_one_must_know(hours: Path, registry: Registry, trained: Reference):
    card = registry.card(trained)
    rows = read_rows(lake(hours), WANTED)
    assert card.symbols == ("BTC-USD", "ETH-USD")
    assert (card.rows, card.data_hash) == (len(rows), rows.data_hash)
    assert (card.first_us, card.last_us) == (rows.ts_us.min(), rows.ts_us.max())
    assert card.last_us < START_US + (MINUTES - 120) * MINUTE_US
    assert card.parameters == SMALL
    assert list(card.features) == list(NAMES)
    assert card.metrics.unlike_sklearn <= 1e-12
    model = registry.model(trained)
    scores = model.scores(rows.features)
    assert np.mean(scores >= model.threshold) == pytest.approx(SMALL.share, abs=2 / len(rows))
    assert card.metrics.above == np.mean(scores >= model.threshold)
    text = (registry.folder / trained.name / trained.version / "card.md").read_text()
    for told in (card.data_hash, "BTC-USD", "seed 3", f"{card.threshold:.6f}", "scikit-learn", card.command):
        assert told in text


def test_the_kept_estimator_is_scikit_learn_s_and_scores_alike(
    hours: Path, registry: Registry, trained: Reference
):
    estimator = loaded(registry.file(trained, "model.skops"), "model.skops")
    model = registry.model(trained)
    rows = read_rows(lake(hours), Wanted()).features
    filled = np.where(np.isnan(rows), model.usual, rows)
    assert np.abs(estimator.score_samples(filled) + model.scores(rows)).max() <= 1e-12


def test_the_same_again_is_the_same_version_to_the_last_byte(
    hours: Path, registry: Registry, trained: Reference, tmp_path: Path
):
    assert train(lake(hours), registry, WANTED, SMALL) == trained
    other = Registry.of(tmp_path)
    assert train(lake(hours), other, WANTED, SMALL) == trained

    def files(of: Registry) -> dict[str, bytes]:
        folder = of.folder / trained.name / trained.version
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert files(other) == files(registry)
    assert set(files(other)) == {"card.json", "card.md", "model.bin", "model.skops"}


@pytest.mark.parametrize(
    "changed",
    [{"seed": 4}, {"trees": 21}, {"share": 0.03}, {"samples": 129}],
    ids=lambda each: next(iter(each)),
)
def test_another_parameter_is_another_version(
    hours: Path, registry: Registry, trained: Reference, changed: dict[str, float]
):
    parameters = msgspec.structs.replace(SMALL, **changed)
    assert train(lake(hours), registry, WANTED, parameters).version != trained.version


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (Parameters(0, 128, 0.01, 0), "--trees is 0"),
        (Parameters(10, 1, 0.01, 0), "--samples is 1"),
        (Parameters(10, 128, 0.0, 0), "--share is 0"),
        (Parameters(10, 128, 0.6, 0), "--share is 0.6"),
        (Parameters(10, 128, 0.01, -1), "--seed is -1"),
    ],
)
def test_a_parameter_out_of_bounds_is_refused(hours: Path, tmp_path: Path, parameters: Parameters, said: str):
    with pytest.raises(UsageError, match=said):
        train(lake(hours), Registry.of(tmp_path), WANTED, parameters)
    assert list(tmp_path.iterdir()) == []


def test_too_few_minutes_are_refused(hours: Path, tmp_path: Path):
    with pytest.raises(DataError, match="too few"):
        train(lake(hours), Registry.of(tmp_path), WANTED._replace(end_us=START_US + 60 * MINUTE_US), SMALL)


@pytest.mark.parametrize("library", ["skops", "sklearn"])
def test_without_a_library_the_extra_is_named(
    hours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=r"barograph\[research\]"):
        train(lake(hours), Registry.of(tmp_path), WANTED, SMALL)


def test_a_file_that_asks_for_other_types_is_refused_before_it_is_built():
    import os

    from skops.io import dumps

    with pytest.raises(DataError, match=r"types that a forest does not need: .*system"):
        loaded(dumps({"run": os.system}), "model.skops")
    with pytest.raises(DataError, match="holds a dict"):
        loaded(dumps({"a": 1}), "model.skops")
    with pytest.raises(DataError, match="cannot be read"):
        loaded(b"no zip", "model.skops")


def test_a_skops_file_of_ours_holds_neither_addresses_nor_dates(registry: Registry, trained: Reference):
    data = registry.file(trained, "model.skops")
    estimator = loaded(data, "model.skops")
    assert dumped(estimator) == dumped(estimator)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert "1.npy" in archive.namelist()
