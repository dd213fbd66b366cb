"""The laptop follows the backups: what is new, once, whatever happened in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from tests.servers.recorded import with_tables
from tests.store.making import DAY_0, commit, tick

from barograph.clock import ManualClock
from barograph.errors import DataError, UsageError
from barograph.market import connect
from barograph.store import Commit, Lake
from barograph.store.postgres import PostgresStore
from barograph.store.store import Absorbing
from barograph.vault.backup import Source, back_up
from barograph.vault.manifest import Manifest, decoded, encoded
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.state import state_file

from .backed_up import clock_at, lake, source
from .taking import content, empty_store, quiet, step, synced


def at_positions(first: int, following: int) -> Commit:
    return commit(first, following, ticks=[tick(DAY_0 + first, first)])


class Home:
    """A machine that records and backs up."""

    def __init__(self, folder: Path, store: Absorbing | None = None) -> None:
        self.data = folder
        self.shelf = DirectoryShelf(folder.parent / "shelf")
        self.clock: ManualClock = clock_at()
        self.store = store or lake(folder)
        self.number = 0

    def records(self, commits: int = 1) -> Home:
        for _ in range(commits):
            self.store.commit(step(self.number))
            self.number += 1
        return self

    def backs_up(self, kind: str = "daily") -> Manifest:
        made = back_up(
            Source(self.data, self.store, (), source(self.data).zone),
            self.shelf,
            kind,  # type: ignore[arg-type]
            self.clock,
            quiet,
        )
        self.clock.advance(86_400)
        return made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture(params=["lake", "postgresql"])
def store(request: pytest.FixtureRequest, laptop: Path) -> Iterator[Absorbing]:
    """The laptop's store, of either kind."""
    yield from empty_store(request, laptop)


def test_given_a_chain_all_comes_and_then_only_what_is_new(
    home: Home, store: Absorbing, laptop: Path
) -> None:
    home.records(3).backs_up()
    first = synced(home.shelf, store, laptop)
    assert content(store) == content(home.store)
    assert (first.came.rows["ticks"], first.came.changed["ticks"], len(first.came.backups)) == (12, 12, 1)
    assert first.came.bytes > 0
    assert synced(home.shelf, store, laptop).came.backups == []
    home.records(2).backs_up()
    home.records(1).backs_up()
    second = synced(home.shelf, store, laptop)
    assert (len(second.came.backups), second.came.rows["ticks"]) == (2, 12)
    assert content(store) == content(home.store)
    assert (store.lineage(), store.committed()) == (home.store.lineage(), 60)
    assert synced(home.shelf, store, laptop).came.backups == []


def test_given_a_database_at_home_a_lake_and_a_database_on_the_laptop_get_equal_rows(
    tmp_path: Path, laptop: Path, store: Absorbing, postgres_server: object
) -> None:
    address = postgres_server.create()  # type: ignore[attr-defined]
    with_tables(address)
    with closing(PostgresStore(address)) as database:
        home = Home(tmp_path / "home", database)
        home.records(2).backs_up()
        synced(home.shelf, store, laptop)
        home.records(2).backs_up()
        synced(home.shelf, store, laptop)
        assert content(store) == content(database)


def test_given_a_weekly_in_between_dailies_lead_on_where_they_can(home: Home, laptop: Path) -> None:
    store = Lake(laptop / "lake")
    home.records().backs_up()
    synced(home.shelf, store, laptop)
    home.records().backs_up()
    home.backs_up("weekly")
    home.records().backs_up()
    done = synced(home.shelf, store, laptop)
    assert [each.split("/")[0] for each in done.came.backups] == ["daily", "daily"]
    assert done.why == ""
    assert content(store) == content(home.store)


def test_given_a_pruned_daily_the_newest_full_backup_is_taken_and_said(home: Home, laptop: Path) -> None:
    store = Lake(laptop / "lake")
    home.records().backs_up()
    synced(home.shelf, store, laptop)
    pruned = home.records().backs_up()
    home.records().backs_up("weekly")
    home.records().backs_up()
    home.shelf.delete([item.path for item in home.shelf.list(f"{pruned.folder}/")])
    told: list[str] = []
    done = synced(home.shelf, store, laptop, told)
    assert [each.split("/")[0] for each in done.came.backups] == ["weekly", "daily"]
    assert "pruned" in told[0]
    assert content(store) == content(home.store)


def test_given_a_broken_chain_and_no_full_backup_it_says_what_to_do(home: Home, laptop: Path) -> None:
    store = Lake(laptop / "lake")
    home.records().backs_up()
    synced(home.shelf, store, laptop)
    lost = home.records().backs_up()
    home.records().backs_up()
    home.shelf.delete([item.path for item in home.shelf.list(f"{lost.folder}/")])
    with pytest.raises(DataError, match="--kind weekly"):
        synced(home.shelf, store, laptop)


def test_given_tables_made_again_the_store_is_emptied_and_filled(
    home: Home, store: Absorbing, laptop: Path
) -> None:
    home.records(3).backs_up()
    synced(home.shelf, store, laptop)
    shutil.rmtree(home.data / "lake")
    home.number = 1
    home.store = lake(home.data)
    home.records(2).backs_up()
    told: list[str] = []
    done = synced(home.shelf, store, laptop, told)
    assert "anew" in told[0]
    assert len(done.came.backups) == 1
    assert content(store) == content(home.store)
    assert store.lineage() == home.store.lineage()
    assert synced(home.shelf, store, laptop).came.backups == []


def test_given_a_home_set_back_that_went_on_otherwise_the_other_branch_is_left(
    home: Home, laptop: Path, tmp_path: Path
) -> None:
    store = Lake(laptop / "lake")
    home.records().backs_up()
    shutil.copytree(home.data, tmp_path / "before")
    home.records().backs_up()
    synced(home.shelf, store, laptop)
    shutil.rmtree(home.data)
    shutil.copytree(tmp_path / "before", home.data)
    home.store = lake(home.data)
    home.store.commit(at_positions(10, 14))
    home.backs_up()
    home.store.commit(at_positions(14, 30))
    home.backs_up()
    synced(home.shelf, store, laptop)
    assert content(store) == content(home.store)


def test_a_store_with_rows_of_its_own_is_refused(home: Home, store: Absorbing, laptop: Path) -> None:
    home.records().backs_up()
    store.commit(step(0))
    store.close()
    with pytest.raises(UsageError):
        synced(home.shelf, store, laptop)
    assert store.committed() == 10


def test_the_home_store_itself_is_refused_and_unchanged(home: Home) -> None:
    home.records().backs_up()
    with pytest.raises(UsageError):
        synced(home.shelf, home.store, home.data)
    home.records()


def test_given_a_newer_schema_it_is_refused_with_the_remedy(home: Home, laptop: Path) -> None:
    made = home.records().backs_up()
    manifest = decoded(home.shelf.get_bytes(made.path), "")
    home.shelf.put_bytes(made.path, encoded(msgspec.structs.replace(manifest, schema_version=99)))
    store = Lake(laptop / "lake")
    with pytest.raises(DataError, match="Upgrade Barograph"):
        synced(home.shelf, store, laptop)
    assert store.committed() == 0


def test_given_an_older_schema_missing_columns_are_filled(home: Home, laptop: Path) -> None:
    import hashlib

    import pyarrow.parquet as pq

    made = home.records().backs_up()
    (file,) = [each for each in made.files if each.table == "ticks"]
    path = home.shelf.root / made.folder / file.path  # type: ignore[attr-defined]
    pq.write_table(pq.read_table(path).drop_columns(["flags", "trade_id"]), path)
    content_now = path.read_bytes()
    older = msgspec.structs.replace(
        file, bytes=len(content_now), sha256=hashlib.sha256(content_now).hexdigest()
    )
    files = tuple(older if each is file else each for each in made.files)
    home.shelf.put_bytes(made.path, encoded(msgspec.structs.replace(made, files=files)))
    store = Lake(laptop / "lake")
    synced(home.shelf, store, laptop)
    found = content(store)["ticks"]
    assert (found["flags"].to_pylist(), found["trade_id"].null_count) == ([0] * 4, 4)


def test_a_changed_byte_in_any_file_is_found_and_a_repaired_one_goes_on(home: Home, laptop: Path) -> None:
    store = Lake(laptop / "lake")
    made = home.records(2).backs_up()
    for path in made.contents:
        good = home.shelf.get_bytes(path)
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        home.shelf.put_bytes(path, bytes(bad))
        other = laptop / path
        with pytest.raises(DataError, match="damaged"):
            synced(home.shelf, Lake(other / "lake"), other)
        home.shelf.put_bytes(path, good)
    synced(home.shelf, store, laptop)
    assert content(store) == content(home.store)


def test_what_was_fetched_is_not_fetched_again_and_nothing_stays_behind(home: Home, laptop: Path) -> None:
    made = home.records(2).backs_up()
    file = state_file(laptop, "sync", None)
    ticks = next(each for each in made.files if each.table == "ticks")
    file.folder.mkdir(parents=True)
    home.shelf.get(f"{made.folder}/{ticks.path}", file.folder / ticks.sha256)
    store = Lake(laptop / "lake")
    done = synced(home.shelf, store, laptop)
    assert done.came.files == len(made.files) - 1
    assert list(file.folder.iterdir()) == []


def test_a_lost_state_file_costs_nothing(home: Home, store: Absorbing, laptop: Path) -> None:
    home.records().backs_up()
    home.records().backs_up()
    synced(home.shelf, store, laptop)
    state_file(laptop, "sync", None).path.unlink()
    assert synced(home.shelf, store, laptop).came.changed.get("ticks", 0) == 0
    home.records().backs_up()
    assert synced(home.shelf, store, laptop).came.changed["ticks"] == 4
    assert content(store) == content(home.store)


def test_completed_trades_come_along(home: Home, store: Absorbing, laptop: Path) -> None:
    from barograph.tables import COMPLETED_TRADES

    def trades(*numbers: int) -> pa.Table:
        made = [
            {
                field.name: f"{field.name} {n}" if pa.types.is_string(field.type) else n
                for field in COMPLETED_TRADES.schema()
            }
            for n in numbers
        ]
        return pa.Table.from_pylist(made, COMPLETED_TRADES.schema())

    home.records()
    home.store.add_trades(trades(1, 2))  # type: ignore[attr-defined]
    home.backs_up()
    synced(home.shelf, store, laptop)
    home.store.add_trades(trades(3))  # type: ignore[attr-defined]
    home.backs_up()
    synced(home.shelf, store, laptop)
    where = laptop if isinstance(store, Lake) else store.address.uri()  # type: ignore[attr-defined]
    with connect(where) as market:
        assert sorted(market.sql("SELECT trade_key FROM completed_trades")["trade_key"]) == [
            f"trade_key {n}" for n in (1, 2, 3)
        ]
