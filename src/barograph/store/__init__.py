"""Where rows are kept and read: one small protocol, and the lake of Parquet files behind it.

* :class:`Store`, :class:`Commit`, :class:`Scan`: the protocol (``store.py``).
* :class:`Lake`: files on this machine's disk (``lake.py``; docs/lake.md).
* :func:`read`: the rows of one scan as a table.
* :class:`Sql`: read-only SQL over the lake (``sql.py``; docs/querying.md).
* ``barograph.store.export.export``: rows into CSV, Parquet or Arrow files.

The writing half imports pyarrow only; DuckDB is loaded by those who ask for ``Sql``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from barograph.store.store import Commit, Scan, Store

if TYPE_CHECKING:
    from barograph.store.lake import Lake
    from barograph.store.reading import read
    from barograph.store.sql import Sql

__all__ = ["Commit", "Lake", "Scan", "Sql", "Store", "read"]

_LAZY = {"Lake": "lake", "Sql": "sql", "read": "reading"}


def __getattr__(name: str) -> Any:
    # PyArrow costs a tenth of a second and DuckDB as much again: only those who ask pay.
    if name in _LAZY:
        return getattr(import_module(f"barograph.store.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'barograph.store' has no attribute {name!r}")
