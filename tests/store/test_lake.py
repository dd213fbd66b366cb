"""What is the lake's own: its files, sealing and sweeping, old and broken files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from barograph.clock import NS_PER_US, ManualClock
from barograph.disk import Lock
from barograph.errors import DataError, StorageBusy, StoreCorrupt, UsageError
from barograph.market.lazy import lazy
from barograph.store import Commit, Lake, Scan, Sql, read
from barograph.store.views import table_sql
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, rows, tick

TODAY = date(2024, 8, 8)
TICKS = Scan("ticks")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake", ManualClock((DAY_1 + MINUTE) * NS_PER_US))
    yield opened
    opened.close()


def parquet_files(root: Path) -> dict[str, bytes]:
    """The files by name, without the second names of sealed ones."""
    found = [path for path in root.rglob("*.parquet") if path.parent.name != "sealed"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def only_file(lake: Lake) -> Path:
    (name,) = parquet_files(lake.root)
    return lake.root / name


def positions(lake: Lake, wanted: Scan = TICKS) -> list[int]:
    return read(lake, wanted).column("tape_pos").to_pylist()


def sealed_file(lake: Lake, table: str = "ticks") -> Path:
    return lake.root / table / "date=2024-08-08" / f"{table}.parquet"


def test_commit_names_parts_by_table_day_and_positions(lake: Lake) -> None:
    lake.commit(commit(3, 9, ticks=[tick(DAY_0, 3), tick(DAY_1, 4)], market_microstructure=[bar(DAY_0, 5)]))
    assert sorted(parquet_files(lake.root)) == [
        ".hot/market_microstructure/date=2024-08-08/0000000000000003-0000000000000009.parquet",
        ".hot/ticks/date=2024-08-08/0000000000000003-0000000000000009.parquet",
        ".hot/ticks/date=2024-08-09/0000000000000003-0000000000000009.parquet",
    ]


def test_commit_again_writes_no_file(lake: Lake) -> None:
    again = commit(0, 9, ticks=[tick(DAY_0, 3)], quotes=[])
    lake.commit(again)
    before = {path: path.stat().st_mtime_ns for path in lake.root.rglob("*") if path.is_file()}
    lake.commit(again)
    assert {path: path.stat().st_mtime_ns for path in lake.root.rglob("*") if path.is_file()} == before


def test_commit_is_the_same_bytes_in_another_lake(lake: Lake, tmp_path: Path) -> None:
    given = commit(0, 9, ticks=[tick(DAY_0, 3)], market_microstructure=[bar(DAY_0, 5)])
    lake.commit(given)
    other = Lake(tmp_path / "other")
    other.commit(given)
    other.close()
    assert parquet_files(lake.root) == parquet_files(other.root)


def test_commit_again_puts_back_a_part_that_was_lost(lake: Lake) -> None:
    given = commit(0, 9, ticks=[tick(DAY_0, 3)])
    lake.commit(given)
    (part,) = lake.root.rglob("*.parquet")
    part.unlink()
    assert positions(lake) == []
    lake.commit(given)
    assert positions(lake) == [3]


def test_commit_before_1970_and_far_ahead_find_their_days(lake: Lake) -> None:
    lake.commit(commit(0, 9, ticks=[tick(-1, 0), tick(DAY_0 * 100, 1)]))
    assert positions(lake) == [0, 1]


def test_commit_given_a_time_beyond_the_calendar_is_refused(lake: Lake) -> None:
    with pytest.raises(DataError, match="no calendar"):
        lake.commit(commit(0, 9, ticks=[tick(2**62, 0)]))
    assert lake.commits(0) == []


def test_commit_given_null_where_none_may_be_is_refused(lake: Lake) -> None:
    given = rows("ticks", tick(DAY_0, 1))
    schema = given.schema
    holed = given.set_column(4, schema.field("price"), pa.array([None], pa.float64()))
    with pytest.raises(DataError, match="price"):
        lake.commit(Commit(0, 9, {"ticks": holed}))
    assert lake.commits(0) == []


def test_commit_while_another_lake_commits_is_refused(lake: Lake) -> None:
    lake.commit(commit(0, 1))
    other = Lake(lake.root)
    with pytest.raises(StorageBusy, match="being committed to"):
        other.commit(commit(1, 2))
    lake.close()
    other.commit(commit(1, 2))
    other.close()


def test_seal_leaves_one_sorted_file_that_a_glob_finds(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0 + 2, 0, "B"), tick(DAY_0 + 1, 1, "B")]))
    lake.commit(commit(5, 9, ticks=[tick(DAY_0 + 3, 5, "A")]))
    (sealed,) = lake.seal()
    assert (sealed.table, sealed.day, sealed.rows, sealed.parts) == ("ticks", TODAY, 3, 2)
    assert sealed.path == sealed_file(lake)
    assert sealed.bytes == sealed.path.stat().st_size
    glob = str(lake.root / "ticks" / "**" / "*.parquet")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT tape_pos, date FROM read_parquet('{glob}')").fetchall()
    assert found == [(5, TODAY), (1, TODAY), (0, TODAY)]
    metadata = pq.read_metadata(sealed.path).metadata
    assert metadata[b"barograph.upto_pos"] == b"9"


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ({}, [8]),
        ({"all": True}, [8, 9]),
        ({"day": date(2024, 8, 9)}, [9]),
        ({"before": date(2024, 8, 8)}, []),
        ({"before": date(2024, 8, 10)}, [8, 9]),
    ],
)
def test_seal_takes_the_days_asked_for(lake: Lake, options: dict[str, Any], days: list[int]) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0), tick(DAY_1, 1)]))
    assert [sealed.day.day for sealed in lake.seal(**options)] == days
    assert positions(lake) == [0, 1]


def test_seal_given_two_choices_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="one of"):
        lake.seal(day=TODAY, all=True)


def test_seal_again_has_nothing_to_do(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    lake.seal()
    lake.commit(commit(5, 9, quotes=[{"ts": DAY_1, "tape_pos": 5}]))
    before = sealed_file(lake).stat()
    assert lake.seal() == []
    assert sealed_file(lake).stat().st_mtime_ns == before.st_mtime_ns


def test_late_rows_after_sealing_are_read_and_sealed_in(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0 + 9, 0)], market_microstructure=[bar(DAY_0, 1)]))
    lake.seal(grace_s=-1e9)
    late = commit(5, 9, ticks=[tick(DAY_0 + 1, 6)], market_microstructure=[bar(DAY_0, 7, revision=1)])
    lake.commit(late)
    for _ in range(2):
        assert positions(lake) == [6, 0]
        assert positions(lake, Scan("market_microstructure")) == [7]
        lake.seal(grace_s=-1e9)
    assert pq.read_metadata(sealed_file(lake)).num_rows == 2
    assert pq.read_metadata(sealed_file(lake, "market_microstructure")).num_rows == 1


def test_sealed_file_keeps_a_withdrawn_anomaly_that_no_reader_sees(lake: Lake) -> None:
    lake.commit(commit(0, 5, anomalies=[anomaly(DAY_0, 1, 3.5)]))
    lake.seal(grace_s=-1e9)
    lake.commit(commit(5, 9, anomalies=[anomaly(DAY_0, 6, None, revision=1)]))
    lake.seal(grace_s=-1e9)
    assert pq.read_metadata(sealed_file(lake, "anomalies")).num_rows == 1
    assert read(lake, Scan("anomalies")).num_rows == 0
    assert read(lake, Scan("anomalies", withdrawn=True)).column("score").to_pylist() == [None]
    assert lazy(TABLES["anomalies"], lake.days(Scan("anomalies"))).collect().is_empty()
    with closing(Sql(lake)) as sql:
        assert sql.query("SELECT * FROM anomalies").read_all().num_rows == 0
    assert read(lake, Scan("anomalies")).num_rows == 0


def test_sweep_deletes_sealed_parts_after_their_grace(tmp_path: Path) -> None:
    clock = ManualClock()
    lake = Lake(tmp_path / "lake", clock)
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    (part,) = lake.root.rglob("*.parquet")
    os.utime(part, (1, 1))  # committed long ago: the grace counts from sealing
    clock.advance(part.parent.parent.stat().st_mtime + 60)
    lake.seal(all=True)
    assert part.exists()
    clock.advance(600)
    assert lake.sweep() == 1
    assert not part.parent.exists()
    assert positions(lake) == [0]
    lake.close()


def test_sweep_keeps_parts_that_are_not_sealed(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    lake.seal()
    lake.commit(commit(5, 9, ticks=[tick(DAY_0, 6)]))
    assert lake.sweep(grace_s=-1e9) == 1
    assert positions(lake) == [0, 6]


def test_sweep_deletes_what_dead_writers_left(lake: Lake) -> None:
    stale = lake.root / ".hot" / "tmp" / "ticks.parquet.1.0.tmp"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    assert lake.sweep(grace_s=1e9) == 0
    assert lake.sweep(grace_s=-1e9) == 1
    assert not stale.exists()


def test_commit_again_after_sweeping_brings_nothing_back(lake: Lake) -> None:
    given = commit(0, 5, ticks=[tick(DAY_0, 0)])
    lake.commit(given)
    lake.seal(grace_s=-1e9)
    lake.commit(given)
    assert list(parquet_files(lake.root)) == ["ticks/date=2024-08-08/ticks.parquet"]


def test_commit_when_the_log_is_lost_never_doubles_sealed_rows(lake: Lake) -> None:
    given = commit(0, 5, ticks=[tick(DAY_0, 0)])
    lake.commit(given)
    lake.seal(grace_s=-1e9)
    lake.close()
    (lake.root / ".hot" / "commits.log").unlink()
    with pytest.raises(UsageError, match="rebuild"):
        lake.commit(given)
    lake.commit(commit(5, 6, ticks=[tick(DAY_0, 5)]))
    assert positions(lake) == [0, 5]


def test_large_day_is_sealed_through_files_with_the_same_rows(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barograph.store.runs.RUN_ROWS", 40)
    monkeypatch.setattr("barograph.store.runs.SEALING_ROWS", 40)
    monkeypatch.setattr("barograph.store.parquet.ROW_GROUP", 64)
    monkeypatch.setattr("barograph.store.sealing._BATCH_ROWS", 16)
    for first in range(0, 400, 20):
        ticks = [tick(DAY_0 + pos * 7919 % 400, pos, f"S{pos % 3}") for pos in range(first, first + 20)]
        bars = [bar(DAY_0 + pos % 9 * MINUTE, pos, revision=pos) for pos in range(first, first + 20)]
        lake.commit(commit(first, first + 20, ticks=ticks, market_microstructure=bars))
        if first == 200:
            lake.seal(grace_s=-1e9)
    hot = {name: read(lake, Scan(name)) for name in ("ticks", "market_microstructure")}
    assert hot["ticks"].num_rows == 400
    assert hot["market_microstructure"].num_rows == 9
    lake.seal(grace_s=-1e9)
    assert {name: read(lake, Scan(name)) for name in hot} == hot
    metadata = pq.read_metadata(sealed_file(lake))
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [64] * 6 + [16]


def test_one_symbol_reads_the_row_groups_that_hold_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barograph.store.parquet.ROW_GROUP", 10)
    lake.commit(commit(0, 400, ticks=[tick(DAY_0 + pos, pos, f"S{pos % 40:02d}") for pos in range(400)]))
    lake.seal()
    read_groups: list[list[int]] = []
    plain = pq.ParquetFile.iter_batches

    def spying(file: Any, batch_rows: int, groups: list[int], *rest: Any, **more: Any) -> Any:
        read_groups.append(groups)
        return plain(file, batch_rows, groups, *rest, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spying)
    found = read(lake, Scan("ticks", symbols=["S07"]))
    assert found.num_rows == 10
    assert read_groups == [[7]]


def rewritten(path: Path, change: Any) -> None:
    """The file at ``path`` as another version of the code, or another tool, would have left it."""
    about = pq.read_metadata(path).metadata
    table = change(pq.ParquetFile(path).read())
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({key.decode(): value.decode() for key, value in about.items()})


def older(table: pa.Table) -> pa.Table:
    """Without two columns of today, with one that is unknown today, with narrower numbers."""
    table = table.drop_columns(["flags", "seq"]).append_column("gone", pa.array(["?"] * table.num_rows))
    narrow = table.column("tape_pos").cast(pa.int32())
    return table.set_column(table.column_names.index("tape_pos"), "tape_pos", narrow)


@pytest.mark.parametrize("where", ["sealed", "hot", "sealed and hot"])
def test_older_files_are_read_in_todays_schema(lake: Lake, where: str) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0, seq=4, flags=2), tick(DAY_0 + 1, 1)]))
    if "sealed" in where:
        lake.seal(grace_s=-1e9)
    rewritten(only_file(lake), older)
    if where == "sealed and hot":
        lake.commit(commit(5, 9, ticks=[tick(DAY_0 + 2, 6, seq=5, flags=3)]))
    found = read(lake, TICKS)
    assert found.schema.equals(rows("ticks").schema)
    expected = [(0, None, 0), (1, None, 0), (6, 5, 3)][: found.num_rows]
    assert found.num_rows == (3 if where == "sealed and hot" else 2)
    assert [(row["tape_pos"], row["seq"], row["flags"]) for row in found.to_pylist()] == expected
    sql = Sql(lake)
    assert sql.query("SELECT * FROM ticks ORDER BY ts").read_all().to_pylist() == found.to_pylist()
    sql.close()
    lake.seal()
    assert read(lake, TICKS).equals(found)


def as_text(table: pa.Table) -> pa.Table:
    index = table.column_names.index("price")
    return table.set_column(index, "price", table.column("price").cast(pa.string()))


@pytest.mark.parametrize("sealed", [True, False])
def test_a_file_of_another_type_is_named_with_its_column(lake: Lake, sealed: bool) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    if sealed:
        lake.seal(grace_s=-1e9)
    path = only_file(lake)
    rewritten(path, as_text)
    with pytest.raises(StoreCorrupt, match=f"{path.name}: column price is string.*double.*rebuild"):
        read(lake, TICKS)
    sql = Sql(lake)
    with pytest.raises(StoreCorrupt, match=f"{path.name}: column price"):
        sql.query("SELECT * FROM ticks")
    sql.close()


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def one_bit_flipped(data: bytes) -> bytes:
    chunk = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    at = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [cut_short, one_bit_flipped, lambda data: b""])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_damaged_file_is_named_with_the_remedy(lake: Lake, damage: Any, sealed: bool) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0 + pos, pos) for pos in range(5)]))
    if sealed:
        lake.seal(grace_s=-1e9)
    path = only_file(lake)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreCorrupt, match=r"2024-08-08.*barograph rebuild"):
        read(lake, TICKS)


def test_writing_and_reading_load_neither_polars_nor_duckdb_nor_pandas(tmp_path: Path) -> None:
    # pandas is installed here: the day that something asks Arrow the wrong way, it is loaded.
    path = tmp_path / "commits.arrow"
    given = [rows("ticks", *(tick(DAY_0 + pos, pos, seq=pos or None) for pos in range(9)))]
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, given[0].schema) as writer:
        writer.write_table(given[0])
    program = f"""
import sys
import pyarrow as pa
from barograph.store import Commit, Lake, Scan, compaction, read
ticks = pa.ipc.open_file({str(path)!r}).read_all()
lake = Lake({str(tmp_path / "lake")!r})
compaction.FAN_IN = 3
for pos in range(9):
    lake.commit(Commit(pos, pos + 1, {{"ticks": ticks.slice(pos, 1)}}))
assert lake.compact().made
assert read(lake, Scan("ticks", symbols=["BTC-USD"], start_us={DAY_0 + 2})).num_rows == 7
assert lake.seal(all=True)
assert read(lake, Scan("ticks", end_us={DAY_0 + 2})).num_rows == 2
lake.close()
print(sorted({{"polars", "duckdb", "numba", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_parts_of_a_killed_writer_are_cleared_when_the_next_one_cuts_otherwise(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    lake.commit(commit(5, 9, ticks=[tick(DAY_0 + 1, 5)]))
    lake.close()
    log = lake.root / ".hot" / "commits.log"
    os.truncate(log, 24)  # as if killed before the second commit's entry
    assert positions(lake) == [0]
    lake.commit(commit(5, 7, ticks=[tick(DAY_0 + 1, 5)]))
    lake.commit(commit(7, 12))
    assert positions(lake) == [0, 5]


@pytest.mark.parametrize("linked", [True, False])
def test_a_listing_stays_right_when_its_day_is_sealed_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:  # a file system without hard links
        monkeypatch.setattr("barograph.store.durable.link", lambda path, other: None)
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)], market_microstructure=[bar(DAY_0, 1)]))
    lake.seal()
    late = commit(5, 9, ticks=[tick(DAY_0 + 1, 6)], market_microstructure=[bar(DAY_0, 7, revision=1)])
    lake.commit(late)
    listed = {name: lake.days(Scan(name)) for name in ("ticks", "market_microstructure")}
    lake.seal()
    for name, days in listed.items():
        with duckdb.connect() as connection:
            query = f"SELECT tape_pos FROM ({table_sql(TABLES[name], days)}) ORDER BY 1"
            found = [pos for (pos,) in connection.execute(query).fetchall()]
        assert found == positions(lake, Scan(name))
        assert lazy(TABLES[name], days).collect()["tape_pos"].sort().to_list() == found


def test_seal_while_another_process_seals_is_refused(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 0)]))
    with (
        Lock(lake.root / ".hot" / "seal.lock", "in use"),
        pytest.raises(StorageBusy, match=f"sealed by process {os.getpid()}"),
    ):
        lake.seal()
    assert len(lake.seal()) == 1
