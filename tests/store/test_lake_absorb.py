"""Rows of another store merged into a lake's sealed files, and the lake that counts as that store then."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError, StorageBusy, UsageError
from barograph.market.lazy import lazy
from barograph.store import Commit, Lake, Scan, Sql, absorbing, read
from barograph.store.store import Absorbed
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, rows, tick

LINEAGE = "a" * 32
EVERYTHING = tuple(Scan(name, withdrawn=True) for name in TABLES)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake")
    yield opened
    opened.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "other")
    yield opened
    opened.close()


def given_rows(table: str, *given: Any) -> list[pa.RecordBatch]:
    return rows(table, *given).to_batches()


def filled(lake: Lake) -> Lake:
    """Two days of ticks, bars with revisions, an anomaly that was taken back."""
    lake.commit(
        commit(
            0,
            9,
            ticks=[tick(DAY_0, 1), tick(DAY_1, 2), tick(DAY_0, 3, "A")],
            market_microstructure=[bar(DAY_0, 3), bar(DAY_0 + MINUTE, 4)],
            anomalies=[anomaly(DAY_0, 5, 4.0), anomaly(DAY_1, 5, 5.0)],
        )
    )
    lake.commit(
        commit(
            9,
            20,
            ticks=[tick(DAY_1 + 1, 10), tick(DAY_1 + 1, 10), tick(DAY_1 + 1, 11, seq=3)],
            market_microstructure=[bar(DAY_0, 12, revision=1)],
            anomalies=[anomaly(DAY_0, 13, None, revision=1)],
        )
    )
    return lake


def absorbed_all(lake: Lake, other: Lake, from_pos: int | None = None) -> int:
    return sum(
        lake.absorb(name, other.scan(Scan(name, from_pos=from_pos, withdrawn=True))).changed
        for name in TABLES
    )


def assert_same(one: Lake, other: Lake) -> None:
    for wanted in (*EVERYTHING, *map(Scan, TABLES)):
        assert read(one, wanted).equals(read(other, wanted)), wanted
    for name, table in TABLES.items():
        with closing(Sql(one)) as sql:
            order = ", ".join(table.sort)
            assert (
                sql.query(f"SELECT * FROM {name} ORDER BY {order}").read_all().to_pylist()
                == read(other, Scan(name)).to_pylist()
            )
        frame = lazy(table, one.days(Scan(name))).sort(table.sort, nulls_last=True).collect()
        assert frame.to_dicts() == read(other, Scan(name)).to_pylist()


def test_absorb_given_all_rows_of_another_lake_makes_an_equal_one(lake: Lake, other: Lake) -> None:
    filled(other)
    assert lake.lineage() == ""
    assert absorbed_all(lake, other) == 10
    assert absorbed_all(lake, other) == 0
    lake.take_over(other.lineage(), other.commits(0))
    assert_same(lake, other)
    assert (lake.lineage(), lake.committed(), lake.commits(5)) == (other.lineage(), 20, [(9, 20)])


def test_absorb_given_increments_one_after_the_other_makes_an_equal_lake(lake: Lake, other: Lake) -> None:
    other.commit(filled_commits()[0])
    absorbed_all(lake, other)
    lake.take_over(other.lineage(), [(0, 9)])
    other.seal(all=True)
    other.commit(filled_commits()[1])
    other.seal(all=True, grace_s=-60)
    assert [read(other, Scan("anomalies", from_pos=9, withdrawn=True)).column("score").to_pylist()] == [
        [None]
    ]
    assert absorbed_all(lake, other, from_pos=9) == 5
    lake.take_over(other.lineage(), [(9, 20)])
    assert_same(lake, other)
    assert lake.commits(0) == [(0, 9), (9, 20)]


def filled_commits() -> list[Commit]:
    with tempfile.TemporaryDirectory() as folder:
        made: list[Commit] = []
        with mock.patch.object(Lake, "commit", lambda _, each: made.append(each)):
            filled(Lake(Path(folder)))
        return made


def test_scan_from_a_position_gives_only_rows_made_since(lake: Lake) -> None:
    filled(lake)
    for _ in range(2):
        assert sorted(read(lake, Scan("ticks", from_pos=9)).column("tape_pos").to_pylist()) == [10, 10, 11]
        assert read(lake, Scan("market_microstructure", from_pos=9)).column("tape_pos").to_pylist() == [12]
        assert read(lake, Scan("anomalies", from_pos=9)).num_rows == 0
        assert read(lake, Scan("anomalies", ["ts"], from_pos=9, withdrawn=True)).num_rows == 1
        assert read(lake, Scan("ticks", from_pos=20)).num_rows == 0
        lake.seal(all=True, grace_s=-60)


def test_absorb_given_older_and_newer_versions_keeps_the_newest(lake: Lake) -> None:
    lake.commit(commit(0, 9, market_microstructure=[bar(DAY_0, 5, revision=1, kernel_version=1)]))
    found = Scan("market_microstructure", columns=["revision", "kernel_version", "price"])
    older = bar(DAY_0, 3, revision=0, kernel_version=1)
    same = bar(DAY_0, 5, revision=1, kernel_version=1, price=7.0)
    newer_kernel = bar(DAY_0, 2, revision=0, kernel_version=2)
    assert lake.absorb("market_microstructure", given_rows(found.table, older)) == Absorbed(1, 0)
    assert lake.absorb("market_microstructure", given_rows(found.table, same)) == Absorbed(1, 0)
    assert read(lake, found).to_pylist() == [{"revision": 1, "kernel_version": 1, "price": 101.0}]
    assert lake.absorb("market_microstructure", given_rows(found.table, newer_kernel)) == Absorbed(1, 1)
    assert read(lake, found).column("kernel_version").to_pylist() == [2]


def test_absorb_given_rows_that_sort_equal_counts_them(lake: Lake) -> None:
    same = [tick(DAY_0, 4, trade_id=number) for number in (5, 3, 9)]
    assert lake.absorb("ticks", given_rows("ticks", *same[:2])) == Absorbed(2, 2)
    assert lake.absorb("ticks", given_rows("ticks", *same)) == Absorbed(3, 1)
    assert lake.absorb("ticks", given_rows("ticks", *same)) == Absorbed(3, 0)
    assert read(lake, Scan("ticks")).column("trade_id").to_pylist() == [5, 3, 9]


def test_absorb_beside_hot_parts_and_commits_afterwards(lake: Lake) -> None:
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
    lake.absorb("ticks", given_rows("ticks", tick(DAY_0, 1), tick(DAY_0, 2), tick(DAY_1, 3)))
    lake.commit(commit(5, 9, ticks=[tick(DAY_0, 6)]))
    lake.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
    assert sorted(read(lake, Scan("ticks")).column("tape_pos").to_pylist()) == [1, 2, 3, 6]
    lake.seal(all=True, grace_s=-60)
    assert sorted(read(lake, Scan("ticks")).column("tape_pos").to_pylist()) == [1, 2, 3, 6]


def test_a_taken_over_lake_goes_on_with_the_commits_of_its_checkpoint(lake: Lake, other: Lake) -> None:
    filled(other)
    absorbed_all(lake, other)
    lake.take_over(other.lineage(), [(9, 20)])
    again = commit(9, 20, ticks=[tick(DAY_1 + 1, 10), tick(DAY_1 + 1, 10), tick(DAY_1 + 1, 11, seq=3)])
    more = commit(20, 25, ticks=[tick(DAY_1 + 2, 21)], market_microstructure=[bar(DAY_0, 22, revision=2)])
    for each in (again, more):
        lake.commit(each)
        other.commit(each)
    assert_same(lake, other)
    lake.close()
    Lake(lake.root).seal(all=True, grace_s=-60)
    assert_same(Lake(lake.root), other)


def test_commit_into_a_lake_that_is_only_half_filled_is_refused(lake: Lake) -> None:
    lake.absorb("ticks", given_rows("ticks", tick(DAY_0, 1)))
    with pytest.raises(UsageError, match=r"barograph (restore|sync)"):
        lake.commit(commit(0, 5))
    lake.take_over(LINEAGE, [(0, 5)])
    lake.commit(commit(5, 6))
    assert lake.committed() == 6


def test_take_over_given_a_lake_with_rows_of_its_own_is_refused(lake: Lake) -> None:
    lake.commit(commit(0, 5))
    name = lake.lineage()
    for wanted in (LINEAGE, name):
        with pytest.raises(UsageError, match="rows of its own"):
            lake.take_over(wanted, [(5, 9)])
    assert (lake.lineage(), lake.committed()) == (name, 5)


def test_take_over_given_another_lineage_is_refused_until_cleared(lake: Lake) -> None:
    lake.absorb("ticks", given_rows("ticks", tick(DAY_0, 1)))
    lake.take_over(LINEAGE, [(0, 5)])
    with pytest.raises(UsageError, match="cannot go on as"):
        lake.take_over("b" * 32, [(5, 9)])
    lake.clear()
    assert (lake.lineage(), lake.committed(), read(lake, Scan("ticks")).num_rows) == ("", 0, 0)
    lake.take_over("b" * 32, [(5, 9)])
    assert (lake.lineage(), lake.committed()) == ("b" * 32, 9)


def test_take_over_given_ranges_that_are_known_adds_only_the_new(lake: Lake) -> None:
    lake.take_over(LINEAGE, [(0, 3), (3, 3), (3, 5)])
    lake.take_over(LINEAGE, [(0, 3), (3, 3), (3, 5), (5, 5), (5, 8)])
    lake.take_over(LINEAGE, [(3, 5), (5, 5), (5, 8)])
    assert lake.commits(0) == [(0, 3), (3, 3), (3, 5), (5, 5), (5, 8)]


def test_absorb_while_another_process_commits_says_busy(lake: Lake) -> None:
    writer = Lake(lake.root)
    writer.commit(commit(0, 5))
    with pytest.raises(StorageBusy):
        lake.absorb("ticks", [])
    writer.close()


def test_absorb_given_what_is_not_in_the_schema_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="ticks"):
        lake.absorb("ticks", given_rows("market_microstructure", bar(DAY_0, 1)))
    given = rows("ticks", tick(DAY_0, 1))
    nameless = [pa.nulls(1, pa.string()) if name == "symbol" else given[name] for name in given.column_names]
    with pytest.raises(DataError, match="symbol"):
        lake.absorb("ticks", pa.table(nameless, schema=given.schema).to_batches())
    assert read(lake, Scan("ticks")).num_rows == 0


def test_readers_in_flight_see_what_they_listed_while_a_day_is_replaced(lake: Lake) -> None:
    lake.absorb("market_microstructure", given_rows("market_microstructure", bar(DAY_0, 1)))
    with closing(Sql(lake)) as sql:
        reader = sql.query("SELECT revision FROM market_microstructure")
        found = lake.days(Scan("market_microstructure"))
        lake.absorb("market_microstructure", given_rows("market_microstructure", bar(DAY_0, 2, revision=1)))
        assert reader.read_all().column(0).to_pylist() == [0]
    assert lazy(TABLES["market_microstructure"], found).collect()["revision"].to_list() == [0]
    assert read(lake, Scan("market_microstructure")).column("revision").to_pylist() == [1]
    assert lake.sweep(grace_s=-60) == 1


TIMES = st.sampled_from([DAY_0, DAY_0 + 1, DAY_1])
ROW = st.tuples(TIMES, st.sampled_from("AB"), st.integers(0, 2), st.none() | st.integers(0, 2))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ROW, max_size=8), min_size=1, max_size=4), st.integers(1, 5))
def test_any_rows_cut_into_increments_and_absorbed_in_any_chunks_are_the_rows(
    commits: list[list[tuple[int, str, int, int | None]]], chunk: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(absorbing, "CHUNK_ROWS", chunk),
        closing(Lake(Path(folder) / "lake")) as lake,
        closing(Lake(Path(folder) / "other")) as other,
    ):
        for number, wanted in enumerate(commits):
            first = number * 10
            ticks = [tick(ts, first + pos, symbol, seq=seq) for ts, symbol, pos, seq in wanted]
            bars = [bar(ts, first + pos, symbol, number) for ts, symbol, pos, _ in wanted]
            other.commit(commit(first, first + 10, ticks=ticks, market_microstructure=bars))
            for name in ("ticks", "market_microstructure"):
                batches = list(other.scan(Scan(name, from_pos=first, withdrawn=True)))
                small = [batch.slice(i, 2) for batch in batches for i in range(0, batch.num_rows, 2)]
                lake.absorb(name, small)
                assert lake.absorb(name, small).changed == 0
            lake.take_over(other.lineage(), [(first, first + 10)])
        for name in ("ticks", "market_microstructure"):
            assert read(lake, Scan(name)).equals(read(other, Scan(name)))


@pytest.mark.slow
def test_dying_at_every_step_leaves_whole_days_and_doing_it_again_completes_them(tmp_path: Path) -> None:
    program = Path(__file__).with_name("dying_absorbing.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == []
    assert min(outcome["deaths"].values()) > 20, outcome
