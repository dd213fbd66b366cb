"""Users' own tables in the database, which backups take along."""

from __future__ import annotations

import msgspec


class OwnTable(msgspec.Struct, frozen=True):
    """A user's own table in the database.

    Attributes:
        name: ``schema.table``.
        time_column: what its rows are chosen by, ``since <= time_column < until``.
        columns: names and PostgreSQL's types, in order.
        key: its primary key's columns; empty if it has none.
        since, until: ISO 8601, the chosen stretch; None is no bound.
    """

    name: str
    time_column: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
