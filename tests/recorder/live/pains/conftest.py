"""What would make these tests slow: computed calendars, and looks for gaps that wait for a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.calendars import registry
from barograph.recorder.live import follower


@pytest.fixture(scope="session", autouse=True)
def _calendars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kept = tmp_path_factory.mktemp("calendars")
    built = registry._built

    def from_there(name: str, overrides: object, _cache: Path | None) -> object:
        return built(name, overrides, kept)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_built", from_there)
        yield


@pytest.fixture(autouse=True)
def _looks_for_gaps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WATCH_S", 0.1)
