"""Models made by hand: a tree or two, kept as versions without scikit-learn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from barograph.anomalies.models import Reference, Registry
from barograph.anomalies.models.card import Bins, Card, Metrics, Parameters
from barograph.anomalies.models.features import NAMES, VERSION
from barograph.anomalies.models.forest import Forest
from barograph.anomalies.models.model import Model, encoded


def put_model(
    data: Path, above: float, name: str = "forest", symbols: tuple[str, ...] = ("BTC-USD", "ETH-USD")
) -> Reference:
    """Keep a model that finds every minute unusual whose ``flow`` is larger than ``above``."""
    forest = Forest(
        np.array([0]),
        np.array([NAMES.index("flow"), -1, -1], dtype=np.int32),
        np.array([above, 2.0, 0.5]),
        np.array([1, 0, 0], dtype=np.int32),
        np.array([2, 0, 0], dtype=np.int32),
        1.0,
        len(NAMES),
    )
    model = Model(NAMES, VERSION, np.zeros(len(NAMES)), 0.6, symbols, forest)
    files = {"model.bin": encoded(model), "model.skops": b"none"}
    card = Card(
        name=name,
        kind="isolation-forest",
        command="by hand",
        symbols=symbols,
        venues=("sim",),
        start_us=None,
        end_us=None,
        first_us=0,
        last_us=0,
        rows=1,
        data_hash="",
        features_version=VERSION,
        features={each: Bins((0.5,), (0.5, 0.5), 0.5, 0.0) for each in NAMES},
        parameters=Parameters(1, 2, 0.5, 0),
        threshold=0.6,
        chosen="by hand",
        metrics=Metrics(0.5, 0.5, 0.5, 0.0),
        libraries={},
        files={each: hashlib.sha256(content).hexdigest() for each, content in files.items()},
    )
    return Registry.of(data).put(card, files)
