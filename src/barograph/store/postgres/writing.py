"""Who may write to a namespace: one process, over one connection or two.

The session lock of the first connection is what makes a process the writer; it goes when that
connection does. A second connection of the same process asks, at the end of each of its transactions,
whether the first one has that lock still, and keeps a next writer waiting until it has ended.
"""

# ruff: noqa: S608 - nothing from outside is in it

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from barograph.errors import StorageBusy, StorageError
from barograph.store.postgres.address import Address

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

_LOCK_WAIT = "30s"
_WRITER_WAIT = "1s"
"""A writer that has just ended may still be about to let go."""

_WRITER = "hashtextextended('barograph writer ' || %s, 0)"
_BESIDE = "hashtextextended('barograph beside the writer ' || %s, 0)"
_HELD = f"""
SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = {_WRITER}
"""


def become_writer(connection: Connection, address: Address) -> int:
    """Be the only writer for as long as the connection lasts.

    Returns:
        The number of the server's process behind the connection.

    Raises:
        StorageBusy: another process is.
    """
    import psycopg

    _settle(connection)
    connection.execute(f"SET lock_timeout = '{_WRITER_WAIT}'")
    try:
        connection.execute(f"SELECT pg_advisory_lock({_WRITER})", [address.namespace])
        # Let go at once: by now nobody begins to write beside the writer before us.
        connection.execute(f"SELECT pg_advisory_xact_lock({_BESIDE})", [address.namespace])
    except psycopg.errors.LockNotAvailable:
        raise StorageBusy(
            f"another process is committing to {address} (namespace {address.namespace}); "
            "one recorder writes to a namespace: end the other, or take another database.namespace"
        ) from None
    connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
    # Asked of the server: a pooler tells a number of its own to the client.
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def write_beside(connection: Connection) -> None:
    """Make a new connection ready to write beside the writer's own."""
    _settle(connection)
    connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")


def check_writer(connection: Connection, address: Address, writer: int) -> None:
    """The last thing in a transaction beside the writer's: is the writer still what it was?

    Args:
        writer: the process that :func:`become_writer` gave.

    Raises:
        StorageError: its connection has ended, so another may be the writer now.
    """
    connection.execute(f"SELECT pg_advisory_xact_lock_shared({_BESIDE})", [address.namespace])
    if connection.execute(_HELD, [writer, address.namespace]).fetchone() is None:
        raise StorageError(f"the connection that writes to {address} was cut; do it again")


def _settle(connection: Connection) -> None:
    connection.execute("SET client_min_messages = 'warning'")
    connection.execute("SET work_mem = '64MB'")  # joins of what comes with what is there
