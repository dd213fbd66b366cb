"""What would make these tests slow: computed calendars, and looks for gaps that wait for a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from barograph.calendars import registry
from barograph.recorder.live import follower


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calendars")


@pytest.fixture(autouse=True)
def _calendars(_kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = registry._built

    def from_there(name: str, overrides: object, _cache: Path | None) -> object:
        return built(name, overrides, _kept)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "_built", from_there)


@pytest.fixture(autouse=True)
def _looks_for_gaps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WATCH_S", 0.1)
