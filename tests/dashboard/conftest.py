"""Data that the dashboard's questions are asked of."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers import recorded as market


# A module's own: one of them puts the same tables into a database, which takes the checkpoint away.
@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a sealed day, a hot day and candles."""
    return market.recorded(tmp_path_factory.mktemp("recorded") / "data", sealed=True)
