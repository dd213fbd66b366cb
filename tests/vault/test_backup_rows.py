"""Backups of the tables: put together they are the store, of one moment, in files of bounded size."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.making import DAY_0, MINUTE, anomaly, bar, commit, completed, tick

from barograph.errors import DataError, StorageFull
from barograph.recorder.checkpoint import Checkpoints
from barograph.snapshot import pack
from barograph.store import Commit
from barograph.store.traded import add_trades, table_of
from barograph.tables import COMPLETED_TRADES
from barograph.vault import backup, writing
from barograph.vault.checkpoint import _Stand
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import Manifest, decoded, encoded
from barograph.vault.shelves.directory import DirectoryShelf

from .backed_up import (
    FIRST,
    SECOND,
    THIRD,
    backed_up,
    clock_at,
    contents,
    lake,
    put_together,
    shelf_with_a_chain,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def shelf(tmp_path: Path) -> DirectoryShelf:
    return DirectoryShelf(tmp_path / "shelf")


def test_given_no_backup_yet_then_a_daily_is_full(data: Path, shelf: DirectoryShelf) -> None:
    store = lake(data, FIRST)
    made = backed_up(data, shelf)
    assert (made.kind, made.full, made.from_pos, made.next_pos) == ("daily", True, 0, 9)
    assert (made.id, made.lineage, made.rows) == ("2026-11-18T160000Z", store.lineage(), 4)
    assert decoded(shelf.get_bytes(made.path), "here") == made
    assert put_together(shelf, made) == contents(store)


def test_dailies_have_what_is_new_also_of_older_days_and_what_was_taken_back(
    data: Path, shelf: DirectoryShelf
) -> None:
    clock = clock_at()
    store = lake(data, FIRST)
    first = backed_up(data, shelf, clock=clock)
    store.commit(SECOND)
    second = backed_up(data, shelf, clock=clock)
    assert (second.follows, second.from_pos, second.next_pos, second.rows) == (first.id, 9, 20, 3)
    store.commit(THIRD)
    third = backed_up(data, shelf, clock=clock)
    assert (third.follows, third.rows) == (second.id, 2)
    assert put_together(shelf, third) == contents(store)
    assert put_together(shelf, third)["anomalies"].column("score").to_pylist() == [None, 4.0]


def test_a_weekly_has_everything_and_the_next_daily_goes_on_from_it(
    data: Path, shelf: DirectoryShelf
) -> None:
    clock = clock_at()
    store = lake(data, FIRST)
    backed_up(data, shelf, clock=clock)
    store.commit(SECOND)
    weekly = backed_up(data, shelf, "weekly", clock)
    assert (weekly.full, weekly.from_pos, weekly.folder) == (True, 0, "weekly/2026-11-18T170000Z")
    store.commit(THIRD)
    daily = backed_up(data, shelf, clock=clock)
    assert daily.follows == weekly.id
    assert put_together(shelf, weekly).keys() == contents(store).keys()
    assert put_together(shelf, daily) == contents(store)


def test_given_nothing_new_then_a_daily_says_so_with_its_positions(data: Path, shelf: DirectoryShelf) -> None:
    clock = clock_at()
    lake(data, FIRST)
    backed_up(data, shelf, clock=clock)
    again = backed_up(data, shelf, clock=clock)
    assert (again.from_pos, again.next_pos, again.rows, again.files) == (9, 9, 0, ())
    assert not read_catalogue(shelf).problem(again)


def test_given_an_empty_store_then_there_is_no_backup(data: Path, shelf: DirectoryShelf) -> None:
    with pytest.raises(DataError, match="hold nothing yet"):
        backed_up(data, shelf)
    assert list(shelf.list()) == []


def test_given_another_content_then_the_next_daily_is_full(data: Path, shelf: DirectoryShelf) -> None:
    clock = clock_at()
    lake(data, FIRST)
    first = backed_up(data, shelf, clock=clock)
    shutil.rmtree(data / "lake")
    store = lake(data, FIRST, SECOND)
    second = backed_up(data, shelf, clock=clock)
    assert second.full
    assert second.lineage != first.lineage
    assert put_together(shelf, second) == contents(store)


def test_given_a_broken_chain_then_the_next_daily_goes_on_from_what_is_whole(data: Path) -> None:
    shelf, made = shelf_with_a_chain(data)
    shelf.delete([f"{made[2].folder}/ticks/0000.parquet"])
    clock = clock_at("2026-11-19T16:00:00+00:00")
    fourth = backed_up(data, shelf, clock=clock)
    assert (fourth.follows, fourth.from_pos) == (made[1].id, made[1].next_pos)
    shelf.put_bytes(made[0].path, b"{}")
    assert backed_up(data, shelf, clock=clock).full


def test_given_a_store_that_went_another_way_then_the_next_daily_does_not_go_on_from_there(
    data: Path, shelf: DirectoryShelf
) -> None:
    """A store restored to an earlier moment keeps its lineage, and records something else."""
    clock = clock_at()
    lake(data, FIRST)
    backed_up(data, shelf, clock=clock)
    shutil.copytree(data / "lake", data / "earlier")
    lake(data, SECOND)
    backed_up(data, shelf, clock=clock)
    shutil.rmtree(data / "lake")
    (data / "earlier").rename(data / "lake")
    store = lake(data, commit(9, 15, ticks=[tick(DAY_0 + 5, 9)]), commit(15, 40, ticks=[tick(DAY_0, 15)]))
    third = backed_up(data, shelf, clock=clock)
    assert third.from_pos == 9
    assert put_together(shelf, third) == contents(store)


def test_what_is_committed_while_it_is_made_is_not_in_it(data: Path, shelf: DirectoryShelf) -> None:
    store = lake(data, FIRST)
    before = contents(store)

    def commit_more(table: str, rows: int) -> None:
        if store.committed() == 9:
            store.commit(SECOND)
            store.seal(all=True, grace_s=-1e9)

    made = backed_up(data, shelf, wrote=commit_more)
    assert made.next_pos == 9
    assert made.commits == ((0, 9),)
    assert put_together(shelf, made) == before
    assert put_together(shelf, backed_up(data, shelf)) == contents(store)


def test_two_backups_in_one_second_have_two_names(data: Path, shelf: DirectoryShelf) -> None:
    lake(data, FIRST)
    names = [backed_up(data, shelf, kind, clock_at()).id for kind in ("daily", "weekly", "daily")]
    assert names == ["2026-11-18T160000Z", "2026-11-18T160001Z", "2026-11-18T160002Z"]


def test_files_are_of_bounded_size_sorted_and_in_the_stores_schema(
    data: Path, shelf: DirectoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROWS_A_FILE", 10)
    ticks = [tick(DAY_0 + n, n, symbol=f"S{n % 3}") for n in range(35)]
    store = lake(data, commit(0, 20, ticks=ticks[:20]), commit(20, 40, ticks=ticks[20:]))
    told: list[tuple[str, int]] = []
    made = backed_up(data, shelf, wrote=lambda table, rows: told.append((table, rows)))
    assert [(file.path, file.rows) for file in made.files] == [
        (f"ticks/{number:04d}.parquet", rows) for number, rows in enumerate((10, 10, 10, 5))
    ]
    assert told == [("ticks", 10), ("ticks", 20), ("ticks", 30), ("ticks", 35)]
    files = [shelf.root / made.folder / file.path for file in made.files]
    assert pa.concat_tables(map(pq.read_table, files)).column("symbol").to_pylist() == sorted(
        row["symbol"] for row in ticks
    )
    assert all(pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD" for file in files)
    assert put_together(shelf, made) == contents(store)


def test_the_checkpoint_comes_along_with_the_commits_from_it_on(data: Path, shelf: DirectoryShelf) -> None:
    lake(data, FIRST, SECOND, THIRD)
    for next_pos, commits in ((9, ((9, 20), (20, 30))), (20, ((20, 30),)), (30, ((20, 30),))):
        Checkpoints(data / "state").save(pack(_Stand(next_pos)))
        made = backed_up(data, shelf, "weekly")
        assert made.checkpoint is not None
        saved = shelf.get_bytes(f"{made.folder}/{made.checkpoint.path}")
        assert saved == (data / "state" / "line.checkpoint").read_bytes()
        assert made.commits == commits


def test_given_a_checkpoint_ahead_of_the_tables_or_damaged_then_it_is_left_out(
    data: Path, shelf: DirectoryShelf
) -> None:
    lake(data, FIRST, SECOND)
    assert backed_up(data, shelf).checkpoint is None
    checkpoints = Checkpoints(data / "state")
    checkpoints.save(pack(_Stand(21)))
    assert backed_up(data, shelf).checkpoint is None
    checkpoints.save(pack(_Stand(9)))
    raw = bytearray(checkpoints.path.read_bytes())
    raw[-1] ^= 1
    checkpoints.path.write_bytes(raw)
    made = backed_up(data, shelf)
    assert (made.checkpoint, made.commits) == (None, ((0, 9), (9, 20)))


def test_a_checkpoint_that_is_replaced_meanwhile_still_fits(
    data: Path, shelf: DirectoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = lake(data, FIRST)
    Checkpoints(data / "state").save(pack(_Stand(9)))
    take = backup.read_checkpoint

    def and_then_go_on(folder: Path) -> Any:
        found = take(folder)
        store.commit(SECOND)
        Checkpoints(data / "state").save(pack(_Stand(20)))
        return found

    monkeypatch.setattr(backup, "read_checkpoint", and_then_go_on)
    made = backed_up(data, shelf)
    assert (made.next_pos, made.commits) == (20, ((9, 20),))


def test_completed_trades_come_along_all_of_them_once(data: Path, shelf: DirectoryShelf) -> None:
    lake(data, FIRST)
    trades = [completed(f"k{n}", exit_ts_us=DAY_0 + n) for n in range(5)]
    for some in (trades[:3], trades[3:]):
        add_trades(data / "lake", table_of(COMPLETED_TRADES.schema(), some))
    for _ in range(2):
        made = backed_up(data, shelf)
        (file,) = [file for file in made.files if file.table == "completed_trades"]
        rows = pq.read_table(shelf.root / made.folder / file.path)
        assert rows.column("trade_key").to_pylist() == ["k0", "k1", "k2", "k3", "k4"]


def test_given_a_full_disk_then_nothing_is_visible_and_the_next_run_works(
    data: Path, shelf: DirectoryShelf
) -> None:
    resource = pytest.importorskip("resource")
    store = lake(data, commit(0, 5, ticks=[tick(DAY_0 + n, n, price=n**0.5) for n in range(5)]))
    bars = [bar(DAY_0 + n * MINUTE, 10 + n, price=Random(n).random()) for n in range(1_000)]
    store.commit(commit(5, 2_000, market_microstructure=bars))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        with pytest.raises(StorageFull):
            backed_up(data, shelf)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = read_catalogue(shelf)
    assert (found.manifests, found.unfinished) == ((), ("daily/2026-11-18T160000Z",))
    from barograph.vault.unfinished import remove_unfinished

    remove_unfinished(data, shelf)
    assert read_catalogue(shelf).unfinished == ()
    assert put_together(shelf, backed_up(data, shelf)) == contents(store)
    assert not (data / "state" / "backup").exists()


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["daily", "weekly", "seal"]),
        st.lists(
            st.tuples(
                st.sampled_from(["tick", "bar", "anomaly", "gone"]), st.integers(0, 3), st.integers(0, 2)
            ),
            max_size=6,
        ),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_whatever_was_committed_and_backed_up_in_between_the_newest_chain_is_the_store(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    data = tmp_path_factory.mktemp("d")
    shelf, clock, store = DirectoryShelf(data / "backups"), clock_at(), lake(data)
    next_pos = 0
    for step in [*steps, [("tick", 0, 0)], "daily"]:
        if isinstance(step, list):
            store.commit(_commit_of(step, next_pos))
            next_pos += 10
        elif step == "seal":
            store.seal(all=True, grace_s=-1e9)
        elif next_pos:
            made = backed_up(data, shelf, step, clock)
    assert put_together(shelf, made) == contents(store)


def _commit_of(rows: list[tuple[str, int, int]], pos: int) -> Commit:
    tables: dict[str, dict[tuple[int, int], Any]] = {
        "ticks": {},
        "market_microstructure": {},
        "anomalies": {},
    }
    for number, (what, minute, symbol) in enumerate(rows):
        ts, name, place = DAY_0 + minute * 6 * 3600 * 10**6, f"S{symbol}", (minute, symbol)
        if what == "tick":
            tables["ticks"][number, 0] = tick(ts, pos + number, name)
        elif what == "bar":
            tables["market_microstructure"][place] = bar(ts, pos + number, name, revision=pos)
        else:
            score = None if what == "gone" else 4.0
            tables["anomalies"][place] = anomaly(ts, pos + number, score, revision=pos, symbol=name)
    return commit(pos, pos + 10, **{name: list(found.values()) for name, found in tables.items()})


MANIFEST = Manifest(kind="daily", id="2026-11-18T160000Z", made_by="0", schema_version=1, commits=((0, 9),))


def test_every_changed_byte_of_a_manifest_is_found() -> None:
    raw = encoded(MANIFEST)
    assert decoded(raw, "here") == MANIFEST
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            with pytest.raises(DataError, match="damaged"):
                decoded(bytes(changed), "here")
        with pytest.raises(DataError):
            decoded(raw[:place], "here")


def test_given_a_manifest_of_another_format_then_it_is_refused() -> None:
    import msgspec

    newer = encoded(msgspec.structs.replace(MANIFEST, format=2))
    with pytest.raises(DataError, match="use a newer Barograph"):
        decoded(newer, "here")
