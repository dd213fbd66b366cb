"""Trained models over bars: an isolation forest on features of ``market_microstructure``.

:func:`train` makes a version, :class:`Registry` keeps versions and knows which one counts,
:func:`read_rows` makes features of stored minutes, :func:`drift` tells how far a market has moved
from what a version was trained on. The recorder scores with the promoted version. See
``docs/models.md``.

>>> from pathlib import Path
>>> from barograph.anomalies.models import Registry
>>> Registry(Path("nowhere/models")).versions()
[]

Names are loaded when they are asked for: training brings scikit-learn with it, the live line must not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.anomalies.models.card import Card, Parameters
    from barograph.anomalies.models.drifting import Drift, drift, population_stability_index
    from barograph.anomalies.models.estimator import loaded
    from barograph.anomalies.models.model import Model
    from barograph.anomalies.models.promotion import Promoted
    from barograph.anomalies.models.reading import Rows, Wanted, read_rows
    from barograph.anomalies.models.registry import Reference, Registry
    from barograph.anomalies.models.training import train

__all__ = [
    "Card",
    "Drift",
    "Model",
    "Parameters",
    "Promoted",
    "Reference",
    "Registry",
    "Rows",
    "Wanted",
    "drift",
    "loaded",
    "population_stability_index",
    "read_rows",
    "train",
]

_HOMES = {
    "Card": "card",
    "Parameters": "card",
    "Drift": "drifting",
    "drift": "drifting",
    "population_stability_index": "drifting",
    "loaded": "estimator",
    "Model": "model",
    "Promoted": "promotion",
    "Rows": "reading",
    "Wanted": "reading",
    "read_rows": "reading",
    "Reference": "registry",
    "Registry": "registry",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
