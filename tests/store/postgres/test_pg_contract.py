"""PostgreSQL keeps the promises of every store."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.contract import MakeStore, StoreContract

from barograph.store.postgres import Address, PostgresStore


class TestPostgres(StoreContract):
    @pytest.fixture
    def make_store(self, emptied: Address) -> MakeStore:
        return lambda: PostgresStore(emptied)


class Staging(PostgresStore):
    """A store whose rows all go by way of the temporary tables, as duplicates and revisions do."""

    def _begin_writing(self, connection: Any) -> None:
        super()._begin_writing(connection)
        self._loader.always_stage()


class TestPostgresByWayOfTemporaryTables(StoreContract):
    @pytest.fixture
    def make_store(self, emptied: Address) -> MakeStore:
        return lambda: Staging(emptied)
