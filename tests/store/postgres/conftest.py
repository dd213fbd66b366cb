"""A database with tables, made once for each module and emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.postgres import Address, PostgresStore


@pytest.fixture(scope="module")
def tables(postgres_server: Server) -> Address:
    """A database with tables, for all tests of a module."""
    from .making_tables import with_tables

    return with_tables(postgres_server.create())


@pytest.fixture
def emptied(tables: Address) -> Address:
    """The same, and nothing in them."""
    from .making_tables import empty

    empty(tables)
    return tables


@pytest.fixture
def store(emptied: Address) -> Iterator[PostgresStore]:
    """A store over empty tables."""
    from barograph.store.postgres import PostgresStore

    opened = PostgresStore(emptied)
    yield opened
    opened.close()
