"""Users' own tables: from the database at home into a lake and into another database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.postgres import Server
from tests.servers.recorded import with_tables

from barograph.clock import ManualClock
from barograph.store import Lake
from barograph.store.postgres import PostgresStore
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.vault.backup import Source, back_up
from barograph.vault.manifest import OwnTable
from barograph.vault.own import joined
from barograph.vault.own_files import put_own
from barograph.vault.shelves.directory import DirectoryShelf

from .backed_up import clock_at
from .taking import quiet, step, synced

TABLES = joined(["mine.holdings:run_date", "mine.notes:at"])


@pytest.fixture
def home(postgres_server: Server) -> Address:
    """A database with two tables of somebody's own: one with a key, one without."""
    address = postgres_server.create()
    with_tables(address)
    run(
        address,
        "CREATE SCHEMA mine",
        "CREATE TABLE mine.holdings"
        " (run_date date, name text, quantity numeric, PRIMARY KEY (run_date, name))",
        "CREATE TABLE mine.notes (at timestamptz, note text)",
    )
    return address


def run(address: Address, *statements: str) -> list[Any]:
    with closing(connect(address)) as connection:
        for each in statements:
            cursor = connection.execute(each)
        return cursor.fetchall() if cursor.description else []


def backed_up(address: Address, folder: Path, clock: ManualClock, number: int) -> None:
    with closing(PostgresStore(address)) as store:
        store.commit(step(number))
        back_up(
            Source(folder / "home", store, TABLES, ZoneInfo("UTC")),
            DirectoryShelf(folder / "shelf"),
            "daily",
            clock,
            quiet,
        )
    clock.advance(86_400)


def days_of(address: Address, folder: Path) -> Iterator[list[Any]]:
    """Three days of changes, each with its backup; what the tables hold then."""
    clock = clock_at("2026-11-16T16:00:00+00:00")
    changes = (
        ("INSERT INTO mine.holdings VALUES ('2026-11-16', 'a', 1.10), ('2026-11-16', 'b', 2)",
         "INSERT INTO mine.notes VALUES ('2026-11-16 10:00Z', 'one'), ('2026-11-16 10:00Z', 'one')"),
        ("INSERT INTO mine.holdings VALUES ('2026-11-17', 'a', 3)",
         "UPDATE mine.holdings SET quantity = 7 WHERE run_date = '2026-11-16' AND name = 'b'"),
        ("INSERT INTO mine.notes VALUES ('2026-11-18 09:00Z', 'two')",),
    )  # fmt: skip
    for number, statements in enumerate(changes):
        run(address, *statements)
        backed_up(address, folder, clock, number)
        yield rows_in(address)


def rows_in(address: Address) -> list[Any]:
    return [
        *run(address, "SELECT run_date::text, name, quantity::text FROM mine.holdings ORDER BY 1, 2"),
        *run(address, "SELECT at::text, note FROM mine.notes ORDER BY 1, 2"),
    ]


def rows_below(data: Path) -> list[Any]:
    found = []
    for name in ("mine.holdings", "mine.notes"):
        path = data / "own" / name / "rows.parquet"
        rows = pq.read_table(path).to_pylist() if path.exists() else []
        found += sorted(tuple(map(str, row.values())) for row in rows)
    return found


def test_own_tables_follow_into_a_lake_and_a_database(
    home: Address, postgres_server: Server, tmp_path: Path
) -> None:
    other = with_tables(postgres_server.create()).address
    assert other is not None
    shelf = DirectoryShelf(tmp_path / "shelf")
    for expected in days_of(home, tmp_path):
        synced(shelf, Lake(tmp_path / "laptop" / "lake"), tmp_path / "laptop")
        synced(shelf, PostgresStore(other), tmp_path / "desk")
        assert rows_in(other) == expected
        assert rows_below(tmp_path / "laptop") == [tuple(map(str, row)) for row in expected]


def test_rows_of_a_stretch_are_replaced_by_the_wall_clock_where_times_have_no_zone(tmp_path: Path) -> None:
    def put(since: str | None, until: str | None, *days: str) -> list[str]:
        table = OwnTable("mine.days", "day", (("day", "date"),), (), since, until)
        put_own(tmp_path, table, [pa.RecordBatch.from_pydict({"day": list(days)})])
        return pq.read_table(tmp_path / "mine.days" / "rows.parquet")["day"].to_pylist()  # type: ignore[no-any-return]

    assert put(None, None, "2026-11-16", "2026-11-17", "infinity") == ["2026-11-16", "2026-11-17", "infinity"]
    zone = "T00:00:00+05:30"
    since, until = f"2026-11-17{zone}", f"2026-11-18{zone}"
    twice = ["2026-11-17", "2026-11-17"]
    assert put(since, until, *twice) == ["2026-11-16", "infinity", *twice]
    assert put(None, None, "2026-11-01") == ["2026-11-01"]
