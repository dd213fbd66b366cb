"""A few simulated hours as tables, and a model trained on them; made once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from barograph.anomalies.models import Reference, Registry, train
from barograph.store import Lake

from .simulated_hours import SMALL, WANTED, record


@pytest.fixture(scope="session")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with tape and tables of eight simulated hours."""
    data = tmp_path_factory.mktemp("hours")
    record(data)
    return data


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry.of(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def trained(hours: Path, registry: Registry) -> Reference:
    """A version, trained on two of the three symbols without the last two hours."""
    pytest.importorskip("skops")
    return train(Lake(hours / "lake"), registry, WANTED, SMALL)
