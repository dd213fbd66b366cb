"""Opening the store that the settings name, or that a path or URL names: one door to both kinds.

Nothing of PostgreSQL's drivers is loaded unless the tables are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from barograph.errors import SettingsError
from barograph.store.store import Absorbing, Reader

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.clock import Clock
    from barograph.settings import Settings
    from barograph.store.postgres.address import Address
    from barograph.store.postgres.store import PostgresStore

_PATIENCE_S = "10"
_STATEMENT_S = 300.0


class Querying(Protocol):
    """A connection for SQL that reads, in the store's own words: DuckDB's or PostgreSQL's."""

    def query(
        self, statement: str, parameters: Sequence[Any] = (), batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Run one statement and stream its rows.

        Args:
            parameters: values for ``$1``, ``$2`` in the statement.

        Raises:
            UsageError: it is not a single statement that reads, or makes no sense.
            StorageError: the disk or the server said no.
        """
        ...

    def close(self) -> None:
        """End all queries."""
        ...


@dataclass(frozen=True, slots=True)
class Location:
    """Where tables are. Nothing is open yet, so it can be handed on, to other processes too.

    Attributes:
        data: the data directory; None for a database alone.
        address: the database that holds the tables; None: they are the lake of ``data``.
        statement_timeout_s: longest time of a query of the user's, in a database.
    """

    data: Path | None
    address: Address | None = None
    statement_timeout_s: float = _STATEMENT_S

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Where the settings say that tables are.

        Raises:
            SettingsError: in a database, and nothing says which.
        """
        if settings.store == "lake":
            return cls(settings.data_dir)
        from barograph.store.postgres.address import Address

        database = settings.database
        return cls(settings.data_dir, Address.of(database), database.statement_timeout_s)

    @classmethod
    def at(cls, where: str | Path | Self) -> Self:
        """Tables at a data directory, or at a ``postgresql://`` URL; a location stays as it is.

        Raises:
            SettingsError: a URL of something else, or one that cannot be read.
        """
        if isinstance(where, cls):
            return where
        assert isinstance(where, str | Path)
        if isinstance(where, Path) or "://" not in where:
            return cls(Path(where))
        from barograph.store.postgres.address import SCHEMES, Address

        if not where.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            scheme = where.partition("://")[0]
            raise SettingsError(f"tables are in a data directory or at postgresql://..., not at {scheme}://")
        address = Address.of_url(where)
        return cls(None, replace(address, parameters={"connect_timeout": _PATIENCE_S, **address.parameters}))

    @property
    def lake(self) -> Path:
        """The folder of the lake's files."""
        assert self.data is not None
        return self.data / "lake"

    def __str__(self) -> str:
        if self.address is None:
            return str(self.data)
        # Our own patience says nothing of where it is.
        shown = {name: value for name, value in self.address.parameters.items() if name != "connect_timeout"}
        return str(replace(self.address, parameters=shown))

    def open(self, clock: Clock | None = None) -> Absorbing:
        """The store; it connects or makes folders when it is first used.

        Raises:
            SettingsError: the drivers for PostgreSQL are not installed.
        """
        if self.address is not None:
            return self.database(clock)
        from barograph.store.lake import Lake

        return Lake(self.lake, clock)

    def database(self, clock: Clock | None = None) -> PostgresStore:
        """The store in the database, which there must be."""
        from barograph.store.postgres.store import PostgresStore

        assert self.address is not None
        return PostgresStore(self.address, clock)

    def sql(self, memory_limit: str | None = None, temp_folder: Path | None = None) -> Querying:
        """A connection for SQL.

        Args:
            memory_limit, temp_folder: see :class:`~barograph.store.sql.Sql`; a database has its own.
        """
        if self.address is not None:
            from barograph.store.postgres.sql import PostgresSql

            return PostgresSql(self.address, self.statement_timeout_s)
        from barograph.store.lake import Lake
        from barograph.store.sql import Sql

        return Sql(Lake(self.lake), memory_limit, temp_folder)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """All rows of one statement, for answers that are small."""
        with closing(self.sql()) as connection:
            found: list[dict[str, Any]] = connection.query(statement, parameters).read_all().to_pylist()
            return found


def open_store(settings: Settings, clock: Clock | None = None) -> Absorbing:
    """The store that the settings name: the data directory's lake, or PostgreSQL.

    Raises:
        SettingsError: PostgreSQL, and nothing says where, or its drivers are not installed.
    """
    return Location.of(settings).open(clock)


def open_at(where: str | Path, clock: Clock | None = None) -> Absorbing:
    """The store of a data directory, or at a ``postgresql://`` URL.

    Raises:
        SettingsError: a URL of something else, or the drivers are not installed.
    """
    return Location.at(where).open(clock)


def has_tables(where: Location) -> bool:
    """Whether there may be tables to read: a lake's folder, or a database."""
    return where.address is not None or where.lake.is_dir()


__all__ = ["Location", "Querying", "Reader", "has_tables", "open_at", "open_store"]
