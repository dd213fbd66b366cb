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
