"""What the server is: its version, and TimescaleDB with its licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from barograph.errors import SettingsError
from barograph.store.postgres.connection import errors

if TYPE_CHECKING:
    import psycopg

LEAST = 14
"""The oldest PostgreSQL that will do: the last one that its makers still mend."""
LEAST_TIMESCALEDB = (2, 11)
"""The oldest TimescaleDB whose compressed chunks take upserts."""

Licence = Literal["timescale", "apache"]


@dataclass(frozen=True, slots=True)
class TimescaleDB:
    """The extension on a server.

    Attributes:
        installed: its version in this database; None where it is not.
        available: the version that could be installed; None where the server has no such files.
        preloaded: whether the server has loaded it, without which it cannot be installed, as far as we
            may know: servers tell it to their administrators.
        licence: ``apache`` has no compression, no retention policies and no continuous aggregates.
        schema: where its functions are.
    """

    installed: str | None = None
    available: str | None = None
    preloaded: bool = False
    licence: Licence | None = None
    schema: str | None = None

    @property
    def usable(self) -> bool:
        """Whether tables of this database can be hypertables."""
        return self.installed is not None and _numbers(self.installed) >= LEAST_TIMESCALEDB


@dataclass(frozen=True, slots=True)
class Server:
    """A server and one database on it.

    Attributes:
        version: as it says itself, such as ``15.13``.
        number: ``150013``.
        user: who we are there.
        tls: the protocol that protects this connection; None: nothing does.
    """

    version: str
    number: int
    database: str
    user: str
    tls: str | None
    timescaledb: TimescaleDB


def detect(connection: psycopg.Connection[Any]) -> Server:
    """Ask the server what it is.

    Raises:
        SettingsError: it is older than PostgreSQL 14.
    """
    with errors("asking the server what it is"):
        row = connection.execute(_ASKED).fetchone()
    assert row is not None
    version, number, database, user, tls, installed, schema, available, preloaded, licence = row
    if number < LEAST * 10_000:
        raise SettingsError(
            f"the server is PostgreSQL {version}, the least that will do is {LEAST}; "
            "move the database to a newer server (pg_upgrade, or pg_dump and psql)"
        )
    known = licence if licence in ("timescale", "apache") else None
    extension = TimescaleDB(installed, available, preloaded, known, schema)
    return Server(version, number, database, user, tls, extension)


_ASKED = """
SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int,
    current_database(), session_user::text,
    (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
    e.extversion, n.nspname::text, a.default_version,
    coalesce((SELECT setting LIKE '%timescaledb%' FROM pg_settings
        WHERE name = 'shared_preload_libraries'), false),
    current_setting('timescaledb.license', true)
FROM (SELECT 1) AS one
LEFT JOIN pg_extension e ON e.extname = 'timescaledb'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN pg_available_extensions a ON a.name = 'timescaledb'
"""


def _numbers(version: str) -> tuple[int, ...]:
    """``"2.28.1-dev"`` as ``(2, 28)``."""
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2])
