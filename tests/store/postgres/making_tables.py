"""Databases with tables in them, as ``barograph db init`` makes them."""

from __future__ import annotations

from typing import Any

from barograph.store.postgres import Address
from barograph.store.postgres.absorbing import clear
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.server import detect


def with_tables(address: Address) -> Address:
    """Make the tables in the database at ``address``."""
    with connect(address) as connection:
        migrate(connection, address.namespace, detect(connection).timescaledb)
    return address


def empty(address: Address) -> None:
    """Remove all rows."""
    with connect(address) as connection:
        clear(connection, f'"{address.namespace}"')


def run(address: Address, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own; its rows if it has any."""
    with connect(address) as connection:
        found = connection.execute(statement, parameters or None)
        return found.fetchall() if found.description else []
