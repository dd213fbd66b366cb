"""One server for the tests that only read; a data directory for those that commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.house import Served, fill, served, settings_of

from barograph.store import Lake


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a little of everything; to be read only."""
    data = tmp_path_factory.mktemp("api") / "data"
    fill(data).close()
    return data


@pytest.fixture(scope="session")
def api(filled: Path) -> Iterator[Served]:
    """A server of it, on loopback and so without tokens."""
    with served(settings_of(filled)) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where a test has its own data directory."""
    return tmp_path / "data"


@pytest.fixture
def lake(data: Path) -> Iterator[Lake]:
    """The lake in it, empty."""
    made = Lake(data / "lake")
    yield made
    made.close()
