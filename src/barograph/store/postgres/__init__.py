"""The tables in PostgreSQL, with TimescaleDB where the server has it (docs/postgres.md).

* :class:`Address`: where the server is and who we are there (``address.py``).
* :class:`PostgresStore`: the store (``store.py``).
* ``schema.py``: the tables as PostgreSQL has them; ``migrations`` make them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from barograph.store.postgres.address import Address

if TYPE_CHECKING:
    from barograph.store.postgres.store import PostgresStore

__all__ = ["Address", "PostgresStore"]


def __getattr__(name: str) -> Any:
    # The drivers cost time and are an extra: only those who ask pay.
    if name == "PostgresStore":
        return import_module("barograph.store.postgres.store").PostgresStore
    raise AttributeError(f"module 'barograph.store.postgres' has no attribute {name!r}")
