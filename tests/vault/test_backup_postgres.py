"""Backups of a database: the same rows as of the lake, of one moment, with users' own tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from tests.store.making import DAY_0, completed
from tests.store.postgres.making_tables import with_tables
from tests.vault.backed_up import FIRST, SECOND, THIRD, clock_at, contents, put_together

from barograph.errors import SettingsError, UsageError
from barograph.store import Lake
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.connection import connect
from barograph.store.store import Store
from barograph.store.traded import table_of
from barograph.tables import COMPLETED_TRADES
from barograph.vault.backup import Source, back_up
from barograph.vault.manifest import Manifest
from barograph.vault.own import joined
from barograph.vault.shelves.directory import DirectoryShelf

if TYPE_CHECKING:
    from tests.servers.postgres import Server

INDIA = ZoneInfo("Asia/Kolkata")
HOLDINGS = (
    "CREATE TABLE mine.holdings (run_date date, symbol text, n numeric, PRIMARY KEY (run_date, symbol))"
)


@pytest.fixture
def address(postgres_server: Server) -> Address:
    return with_tables(postgres_server.create())


@pytest.fixture
def store(address: Address) -> Iterator[PostgresStore]:
    opened = PostgresStore(address)
    yield opened
    opened.close()


@pytest.fixture
def shelf(tmp_path: Path) -> DirectoryShelf:
    return DirectoryShelf(tmp_path / "shelf")


def made(
    tmp_path: Path, store: Store, shelf: DirectoryShelf, at: str, *tables: str, kind: str = "daily"
) -> Manifest:
    whole = Source(tmp_path / "data", store, joined(tables), INDIA)
    (tmp_path / "data").mkdir(exist_ok=True)
    return back_up(whole, shelf, kind, clock_at(at), lambda table, rows: None)  # type: ignore[arg-type]


def test_increments_of_a_database_put_together_are_the_database(
    tmp_path: Path, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    for day, commit in enumerate((FIRST, SECOND, THIRD), 16):
        store.commit(commit)
        last = made(tmp_path, store, shelf, f"2026-11-{day}T16:00:00+05:30")
    assert last.follows is not None
    assert last.lineage == store.lineage()
    assert put_together(shelf, last) == contents(store)


def test_a_databases_backup_holds_what_the_lakes_holds(
    tmp_path: Path, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    lake = Lake(tmp_path / "lake")
    for each in (FIRST, SECOND, THIRD):
        store.commit(each)
        lake.commit(each)
    lake.close()
    of_database = made(tmp_path, store, shelf, "2026-11-16T16:00:00+00:00", kind="weekly")
    of_lake = made(tmp_path, lake, shelf, "2026-11-16T17:00:00+00:00", kind="weekly")
    assert put_together(shelf, of_database) == put_together(shelf, of_lake)
    assert of_database.commits == of_lake.commits


def test_completed_trades_come_from_the_database(
    tmp_path: Path, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    store.commit(FIRST)
    trades = [completed(f"k{n}", exit_ts_us=DAY_0 + n) for n in range(3)]
    store.add_trades(table_of(COMPLETED_TRADES.schema(), trades))
    backup = made(tmp_path, store, shelf, "2026-11-16T16:00:00+00:00")
    assert {file.table: file.rows for file in backup.files}["completed_trades"] == 3


def own_rows(shelf: DirectoryShelf, backup: Manifest, table: str) -> list[dict[str, Any]]:
    files = [f"{backup.folder}/{file.path}" for file in backup.files if file.table == table]
    assert all(path.startswith(f"{backup.folder}/own/{table}/") for path in files)
    return [row for path in files for row in pq.read_table(io.BytesIO(shelf.get_bytes(path))).to_pylist()]


def test_users_own_tables_come_along_first_whole_then_the_days_since_the_backup_before(
    tmp_path: Path, address: Address, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    store.commit(FIRST)
    with connect(address) as connection:
        connection.execute("CREATE SCHEMA mine")
        connection.execute(HOLDINGS)
        connection.execute(
            "INSERT INTO mine.holdings SELECT day, 'INFY', 1.5"
            " FROM generate_series('2026-11-01'::date, '2026-11-16', '1 day') AS day"
        )
    table = "mine.holdings:run_date"
    first = made(tmp_path, store, shelf, "2026-11-16T16:00:00+05:30", table)
    assert len(own_rows(shelf, first, "mine.holdings")) == 16
    (own,) = first.own
    assert (own.name, own.key, own.since, own.until) == ("mine.holdings", ("run_date", "symbol"), None, None)
    with connect(address) as connection:
        # In the evening, after the backup; and on the next day.
        connection.execute(
            "INSERT INTO mine.holdings VALUES ('2026-11-16', 'TCS', 2), ('2026-11-17', 'TCS', 3)"
        )
    second = made(tmp_path, store, shelf, "2026-11-17T16:00:00+05:30", table)
    rows = own_rows(shelf, second, "mine.holdings")
    assert sorted((str(row["run_date"]), row["symbol"]) for row in rows) == [
        ("2026-11-16", "INFY"), ("2026-11-16", "TCS"), ("2026-11-17", "TCS"),
    ]  # fmt: skip
    assert second.own[0].since == "2026-11-16T00:00:00+05:30"
    assert second.own[0].until == "2026-11-18T00:00:00+05:30"


def test_a_table_that_joins_later_comes_whole(
    tmp_path: Path, address: Address, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    store.commit(FIRST)
    with connect(address) as connection:
        connection.execute("CREATE TABLE notes (at timestamptz, text text)")
        connection.execute("INSERT INTO notes VALUES ('2001-01-01', 'old')")
    made(tmp_path, store, shelf, "2026-11-16T16:00:00+05:30")
    second = made(tmp_path, store, shelf, "2026-11-17T16:00:00+05:30", "public.notes:at")
    assert not second.full
    assert [row["text"] for row in own_rows(shelf, second, "public.notes")] == ["old"]


def test_given_a_table_that_is_not_there_then_there_is_no_backup_and_it_is_said(
    tmp_path: Path, store: PostgresStore, shelf: DirectoryShelf
) -> None:
    store.commit(FIRST)
    with pytest.raises((SettingsError, UsageError), match="nowhere"):
        made(tmp_path, store, shelf, "2026-11-16T16:00:00+05:30", "mine.nowhere:at")
    assert not [item for item in shelf.list() if item.path.endswith("manifest.json")]


def test_given_own_tables_and_a_lake_then_it_is_refused(tmp_path: Path, shelf: DirectoryShelf) -> None:
    lake = Lake(tmp_path / "lake")
    lake.commit(FIRST)
    lake.close()
    with pytest.raises(SettingsError, match='store = "postgresql"'):
        made(tmp_path, lake, shelf, "2026-11-16T16:00:00+05:30", "mine.holdings:run_date")


@pytest.mark.parametrize(
    "text", ["holdings", "mine.holdings", "holdings:run_date", "a.b.c:d", "a.b:c:d", ":"]
)
def test_given_a_setting_of_another_form_then_it_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"schema\.table:time_column"):
        joined([text])


def test_given_a_table_twice_then_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="twice"):
        joined(["a.b:c", "a.b:d"])
