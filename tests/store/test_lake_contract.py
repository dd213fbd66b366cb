"""The lake keeps the promises of every store, hot as well as sealed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from barograph.store import Lake, Scan
from barograph.store.store import Commit

from .contract import MakeStore, StoreContract


class TestHotLake(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        return lambda: Lake(tmp_path / "lake")


class SealedAtOnce(Lake):
    """A lake whose every commit is sealed and swept before anything else happens."""

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        self.seal(all=True, grace_s=-60)


class TestSealedLake(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        return lambda: SealedAtOnce(tmp_path / "lake")


class SealedWhenRead(Lake):
    """A lake that is sealed again before each scan, while hot parts stay for their grace time."""

    def scan(self, wanted: Scan) -> list[pa.RecordBatch]:  # type: ignore[override]
        self.seal(all=True)
        return list(super().scan(wanted))


class TestLakeSealedWhileRead(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        return lambda: SealedWhenRead(tmp_path / "lake")


class Compacted(Lake):
    """A lake whose parts are merged two by two after each commit, the merged ones deleted at once."""

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        self.compact(grace_s=-60)


class TestCompactedLake(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeStore:
        monkeypatch.setattr("barograph.store.compaction.FAN_IN", 2)
        return lambda: Compacted(tmp_path / "lake")


class CompactedWhenRead(Lake):
    """A lake that is compacted before each scan, while the merged parts stay for their grace time."""

    def scan(self, wanted: Scan) -> list[pa.RecordBatch]:  # type: ignore[override]
        self.compact()
        return list(super().scan(wanted))


class TestLakeCompactedWhileRead(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeStore:
        monkeypatch.setattr("barograph.store.compaction.FAN_IN", 2)
        return lambda: CompactedWhenRead(tmp_path / "lake")
