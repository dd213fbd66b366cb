"""Who may do what: a writer for the recorder, a reader for everybody who looks.

Both are group roles without a login of their own, to be granted to people and services, unless
they are given passwords. A password leaves this machine only as its SCRAM verifier.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from barograph.errors import UsageError
from barograph.store.postgres.connection import errors
from barograph.store.postgres.migrating import begun
from barograph.store.postgres.quoting import literal, quoted
from barograph.store.postgres.schema import COMMITS, MIGRATIONS, STATE, all_physical

if TYPE_CHECKING:
    import psycopg

WRITER, READER = "barograph_writer", "barograph_reader"
HIDDEN = "********"
_LONGEST = 63
_FUNCTIONS = (
    "barograph_make_partitions(text, timestamptz, timestamptz)",
    "barograph_drop_before(text, timestamptz, boolean)",
    "barograph_refresh_aggregates()",
)
_READ_BY_WRITERS = (
    "anomalies",
    "ticks_simple",
    "market_minutes",
    "last_prices",
    "bars_1h",
    "bars_1d",
    "barograph_partitions",
    "barograph_partitioned",
    "barograph_dropped",
    "barograph_roles",
    MIGRATIONS,
)


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the database.

    Attributes:
        verifier: with it the role may log in by the password that it was made from, see :func:`verifier`.
    """

    name: str
    kind: Literal["writer", "reader"]
    verifier: str | None = field(default=None, repr=False)


def verifier(connection: psycopg.Connection[Any], role: str, password: str) -> str:
    """What the server keeps of a password (SCRAM-SHA-256); the password cannot be had back from it.

    Raises:
        UsageError: the password is empty.
    """
    if not password:
        raise UsageError(f"the password of {role} is empty; choose another")
    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


def make_roles(connection: psycopg.Connection[Any], namespace: str, roles: Sequence[Role]) -> None:
    """Make roles that are not there, and give every known one its rights. Safe to do again.

    Raises:
        SettingsError: we may not make roles, or the tables belong to somebody else.
        UsageError: a name that cannot be.
    """
    with errors("making the roles"), connection.transaction():
        for statement in begun(namespace):
            connection.execute(statement)
        for statement in role_statements(namespace, roles):
            connection.execute(statement)
        for role in known_roles(connection, namespace):
            for statement in grants(namespace, role):
                connection.execute(statement)


def known_roles(connection: psycopg.Connection[Any], namespace: str) -> list[Role]:
    """The roles that were made for these tables, as far as they still exist."""
    rows = connection.execute(
        f"SELECT r.role, r.kind FROM {quoted(namespace)}.barograph_roles r "
        "JOIN pg_roles known ON known.rolname = r.role ORDER BY r.role"
    ).fetchall()
    return [Role(name, kind) for name, kind in rows]


def role_statements(namespace: str, roles: Sequence[Role], *, hide: bool = False) -> Iterator[str]:
    """What makes the roles, and notes them down.

    Args:
        hide: show no verifier, for people's eyes.
    """
    for role in roles:
        _check_name(role.name)
        name, word = quoted(role.name), literal(role.name)
        yield (
            f"DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {word}) THEN "
            f"CREATE ROLE {name} NOLOGIN; END IF; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$"
        )
        if role.verifier is not None:
            yield f"ALTER ROLE {name} LOGIN PASSWORD {literal(HIDDEN if hide else role.verifier)}"
        yield (
            f"INSERT INTO {quoted(namespace)}.barograph_roles VALUES ({word}, '{role.kind}') "
            "ON CONFLICT (role) DO UPDATE SET kind = excluded.kind"
        )


def grants(namespace: str, role: Role) -> Iterator[str]:
    """The rights of one role on our tables, those that it had taken away first."""
    where, name = quoted(namespace), quoted(role.name)
    added = [each.name for each in all_physical() if not each.table.versioned]
    revised = [each.name for each in all_physical() if each.table.versioned]
    # What PostgreSQL 15 does by itself: tables are made by their owner only.
    yield f"REVOKE CREATE ON SCHEMA {where} FROM PUBLIC"
    ours = _list(where, [*_READ_BY_WRITERS, *added, *revised, COMMITS, STATE])
    yield f"REVOKE ALL ON {ours} FROM {name}"
    for function in _FUNCTIONS:
        yield f"REVOKE ALL ON FUNCTION {where}.{function} FROM {name}"
    yield f"GRANT USAGE ON SCHEMA {where} TO {name}"
    if role.kind == "reader":
        yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {where} TO {name}"
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {where} GRANT SELECT ON TABLES TO {name}"
        return
    yield f"GRANT SELECT ON {_list(where, _READ_BY_WRITERS)} TO {name}"
    yield f"GRANT SELECT, INSERT ON {_list(where, [*added, COMMITS])} TO {name}"
    yield f"GRANT SELECT, INSERT, UPDATE ON {_list(where, [*revised, STATE])} TO {name}"
    for function in _FUNCTIONS:
        yield f"GRANT EXECUTE ON FUNCTION {where}.{function} TO {name}"


def _list(where: str, names: Sequence[str]) -> str:
    return ", ".join(f"{where}.{quoted(name)}" for name in names)


def _check_name(name: str) -> None:
    if not name or len(name.encode()) > _LONGEST or "\0" in name:
        raise UsageError(f"{name!r} cannot be the name of a role; 1 to {_LONGEST} bytes, such as {WRITER}")
