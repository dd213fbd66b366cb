"""What ``barograph status`` and ``doctor`` tell of tables in a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from barograph.cli.finding import Finding
from barograph.errors import BarographError

if TYPE_CHECKING:
    import psycopg

    from barograph.store.opening import Location
    from barograph.store.postgres.address import Address
    from barograph.store.postgres.inspecting import DatabaseState

_RIGHTS = """
    SELECT coalesce(string_agg(c.relname, ', ' ORDER BY c.relname), '')
    FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s)
        AND NOT has_table_privilege(c.oid, 'INSERT')
"""


def database_fields(where: Location) -> dict[str, Any]:
    """How far the tables reach, and bytes and estimated rows of each; or why nobody can tell."""
    assert where.address is not None
    try:
        state, _ = _looked(where.address)
    except BarographError as error:
        return {"reach": None, "database": str(where), "database_problem": str(error)}
    tables = {
        each.name: {"partitions": each.partitions, "bytes": each.bytes, "rows": each.rows}
        for each in state.tables
    }
    return {"reach": state.committed, "database": str(where), **tables}


def database_findings(where: Location) -> Iterator[Finding]:
    """Whether the server answers, its tables are those of this version, and we may write them."""
    assert where.address is not None
    try:
        state, unwritable = _looked(where.address)
    except BarographError as error:
        remedy = "start the server; see the section [database], DATABASE_URL or DB_HOST, and ~/.pgpass"
        yield Finding("database", "wrong", str(error), remedy)
        return
    size = sum(each.bytes for each in state.tables)
    yield Finding(
        "database",
        "ok",
        f"PostgreSQL {state.server.version} at {where}, namespace {state.namespace}: "
        f"tables of version {state.version}, {size / 1e6:,.1f} MB",
    )
    unusable = not state.version or state.waiting
    for problem in state.problems:
        yield Finding("database", "wrong" if unusable else "note", problem.message, problem.remedy)
    if unwritable and state.version:
        yield Finding(
            "rights",
            "note",
            f"{state.server.user} may read, and not write {unwritable}: enough to ask, not to record",
            "record as a role that `barograph db init --roles` has made for writing",
        )


def _looked(address: Address) -> tuple[DatabaseState, str]:
    """The database's state, and the tables that we may not write."""
    from datetime import UTC, datetime

    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.inspecting import inspect

    with closing(connect(address)) as connection:
        state = inspect(connection, address.namespace, datetime.now(UTC))
        return state, _unwritable(connection, address.namespace)


def _unwritable(connection: psycopg.Connection[Any], namespace: str) -> str:
    from barograph.store.postgres.connection import errors
    from barograph.store.postgres.schema import all_physical

    with errors("looking at rights"):
        names = [each.name for each in all_physical()]
        found = connection.execute(_RIGHTS, (f'"{namespace}"', names)).fetchone()
    return str(found[0]) if found is not None else ""
