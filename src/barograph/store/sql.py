"""Read-only SQL over the lake, run by DuckDB inside this process.

Every query sees one state of the lake: its tables are listed anew, all up to the same
tape position. A statement can read and nothing else, and only files of the lake.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from barograph.errors import BarographError, StorageBusy, StorageError, StorageFull, StoreCorrupt, UsageError
from barograph.store.lake import Lake
from barograph.store.parquet import verify
from barograph.store.reading import Day
from barograph.store.runs import Replaced
from barograph.store.store import Scan
from barograph.store.traded import positions, trade_files
from barograph.store.views import DERIVED, NEEDS, once_sql, table_sql
from barograph.tables import COMPLETED_TRADES, POSITIONS, TABLES, TRADED

_ATTEMPTS = 20
_EXPLAIN = re.compile(r"\s*EXPLAIN\b\s*(\([^)]*\)\s*)?(ANALYZE\b)?", re.IGNORECASE)
_BROKEN = re.compile(r"TProtocol|parquet|zstd|thrift|decompress|corrupt|page|magic", re.IGNORECASE)


class Sql:
    """A connection for queries. Close it when done; threads may share it.

    Args:
        memory_limit: as DuckDB writes it (``"2GB"``); four fifths of the machine's when left out.
            Queries that need more go through files in ``temp_folder``.
        temp_folder: where such files may lie; a new folder in the system's own when left out.
    """

    def __init__(self, lake: Lake, memory_limit: str | None = None, temp_folder: Path | None = None) -> None:
        self._lake = lake
        self._temp = Path(tempfile.mkdtemp(prefix="barograph-sql-", dir=temp_folder))
        # Those who forget to close leave nothing behind either.
        self._clean = weakref.finalize(self, shutil.rmtree, self._temp, ignore_errors=True)
        self._connection = duckdb.connect(config={"python_enable_replacements": False})
        root = lake.root.absolute().as_posix()
        settings: dict[str, object] = {
            "TimeZone": "UTC",
            # DuckDB 2.0.0 hangs in some ASOF joins that it runs as loops.
            "asof_loop_join_threshold": 0,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "parquet_metadata_cache": True,
            "temp_directory": self._temp.as_posix(),
            "allowed_directories": [f"{root}/"],
            "enable_external_access": False,
        }
        if memory_limit is not None:
            settings["memory_limit"] = memory_limit
        try:
            for name, value in settings.items():
                self._connection.execute(f"SET GLOBAL {name} = {_literal(value)}")
        except duckdb.Error as error:
            self.close()
            raise UsageError(f"memory_limit {memory_limit!r}: {error}") from error
        self._connection.execute("SET GLOBAL lock_configuration = true")

    def query(
        self, statement: str, parameters: Sequence[Any] = (), batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Run one statement and stream its rows.

        Args:
            parameters: values for ``?`` or ``$1`` in the statement.

        Raises:
            UsageError: it is not a single reading statement, or DuckDB cannot make sense of it.
            StorageFull: it needs more memory than allowed and the disk cannot take the rest.
            StoreCorrupt: a file of the lake cannot be read. Also while rows are streamed.
        """
        check_reads_only(statement)
        for _ in range(_ATTEMPTS):
            cursor = self._connection.cursor()
            try:
                files = self._make_views(cursor, statement)
                relation = cursor.sql(statement, params=list(parameters) or None)
                reader = relation.to_arrow_reader(batch_rows)
            except FileNotFoundError:
                continue
            except duckdb.Error as error:
                if _vanished(files):
                    continue
                raise _explained(error, files) from error
            return pa.RecordBatchReader.from_batches(reader.schema, _streamed(reader, cursor, files))
        raise StorageBusy(
            f"{self._lake.root} was rearranged {_ATTEMPTS} times while being listed; run it again"
        )

    def close(self) -> None:
        """End all queries and remove the folder for temporary files."""
        self._connection.close()
        self._clean()

    def _make_views(self, cursor: duckdb.DuckDBPyConnection, statement: str) -> list[Path]:
        """Define every table for this cursor, those not mentioned as empty; the files in use."""
        upto = self._lake.committed()
        mentioned = _mentioned(statement)
        files = []
        for table in TABLES.values():
            days: list[Day] = self._lake.days(Scan(table.name), upto) if table.name in mentioned else []
            if any(day.footer.upto_pos > upto for day in days):
                raise Replaced(f"{table.name} was sealed while being listed")
            files += [path for day in days for path in day.files]
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW {table.name} AS {table_sql(table, days)}")
        for name, query in DERIVED.items():
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
        return files + self._make_traded(cursor, mentioned)

    def _make_traded(self, cursor: duckdb.DuckDBPyConnection, mentioned: set[str]) -> list[Path]:
        """Define the tables of paper trading; the files in use."""
        root = self._lake.root
        files = trade_files(root) if COMPLETED_TRADES.name in mentioned else []
        view = once_sql(COMPLETED_TRADES, files)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {COMPLETED_TRADES.name} AS {view}")
        rows = positions(root) if POSITIONS.name in mentioned else POSITIONS.schema().empty_table()
        cursor.register(POSITIONS.name, rows)
        return files


def check_reads_only(statement: str) -> None:
    """Refuse what is not one single statement that reads.

    Raises:
        UsageError: with the reason.
    """
    try:
        found = duckdb.extract_statements(statement)
    except duckdb.Error as error:
        raise UsageError(f"this is not SQL that DuckDB understands: {error}") from error
    if len(found) != 1:
        raise UsageError(f"one statement at a time, please; there are {len(found)}")
    kind = found[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains.
        check_reads_only(_EXPLAIN.sub("", found[0].query, count=1))
    elif kind != duckdb.StatementType.SELECT:
        raise UsageError(
            f"{kind.name} is refused: this is for reading only (SELECT, DESCRIBE, SHOW, EXPLAIN); "
            f"to write rows elsewhere, export them"
        )


def _mentioned(statement: str) -> set[str]:
    """Tables that a statement may read: listing files costs, so the others stay empty."""
    text = statement.lower()
    if "query" in text:  # query('...') and query_table(...) may name any table
        return {*TABLES, *TRADED}
    needed = {table for view, tables in NEEDS.items() if view in text for table in tables}
    return needed | {name for name in (*TABLES, *TRADED) if name in text}


def _streamed(
    reader: pa.RecordBatchReader, cursor: duckdb.DuckDBPyConnection, files: list[Path]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        if _vanished(files):
            raise StorageBusy(
                "files were swept while this query was reading them; run it again, "
                "or seal with a longer grace time"
            ) from error
        raise _explained(error, files) from error
    finally:
        reader.close()
        cursor.close()


def _vanished(files: Sequence[Path]) -> bool:
    return any(not path.exists() for path in files)


def _explained(error: Exception, files: Sequence[Path]) -> BarographError:
    """The house's error for one of DuckDB's."""
    message = str(error)
    missing = re.search(r"Table with name (\S+) does not exist", message)
    if missing:
        names = ", ".join(sorted((*TABLES, *TRADED, *DERIVED)))
        return UsageError(f"no table is called {missing[1]!r}; there are: {names}")
    if "No space left" in message or "max_temp_directory_size" in message:
        return StorageFull(f"the query needs more disk for its intermediate rows than there is: {message}")
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in message:
        return StorageError(f"the query needs more memory than it may have; raise memory_limit: {message}")
    if _BROKEN.search(message):
        try:
            for path in files:
                verify(path)
        except StoreCorrupt as corrupt:
            return corrupt
    return UsageError(message)


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_literal(each) for each in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()
