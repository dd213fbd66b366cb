"""Hot parts merged while a day is being written: which, into what, and that nobody notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import NS_PER_US, ManualClock
from barograph.errors import StorageBusy, StoreCorrupt
from barograph.store import Lake, Scan, compaction, read
from barograph.store.compaction import FAN_IN, FULL_BYTES, arranging, due
from barograph.store.layout import nested
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, tick

TICKS = TABLES["ticks"]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake", ManualClock((DAY_1 + MINUTE) * NS_PER_US))
    yield opened
    opened.close()


def commit_ticks(lake: Lake, count: int, first: int = 0) -> None:
    for pos in range(first, first + count):
        lake.commit(commit(pos, pos + 1, ticks=[tick(DAY_0 + pos * 7919 % 400, pos, f"S{pos % 3}")]))


def names(lake: Lake, table: str = "ticks") -> list[str]:
    return sorted(path.name for path in (lake.root / ".hot" / table).rglob("date=*/*.parquet"))


def listed(lake: Lake, table: str = "ticks") -> list[tuple[int, int]]:
    return [(part.first_pos, part.next_pos) for day in lake.days(Scan(table)) for part in day.parts]


def positions(lake: Lake) -> list[int]:
    return sorted(read(lake, Scan("ticks")).column("tape_pos").to_pylist())


def test_fewer_parts_than_a_tier_holds_are_left_alone(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN - 1)
    assert lake.compact() == (0, 0, 0, 0)
    assert len(names(lake)) == FAN_IN - 1


def test_a_full_tier_becomes_one_part_named_by_all_its_positions(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    before = read(lake, Scan("ticks"))
    done = lake.compact()
    assert (done.merged, done.made, done.deleted) == (FAN_IN, 1, 0)
    assert done.bytes == (lake.days(Scan("ticks"))[0].files[0]).stat().st_size
    assert listed(lake) == [(0, FAN_IN)]
    assert len(names(lake)) == FAN_IN + 1
    assert read(lake, Scan("ticks")) == before


def test_a_merged_part_has_its_rows_in_the_order_of_the_tape(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    lake.compact()
    ((file,),) = [day.files for day in lake.days(Scan("ticks"))]
    assert pq.ParquetFile(file).read(["tape_pos"]).column(0).to_pylist() == list(range(FAN_IN))


def test_merged_parts_are_deleted_after_their_grace_and_not_before(tmp_path: Path) -> None:
    clock = ManualClock()
    lake = Lake(tmp_path / "lake", clock)
    commit_ticks(lake, FAN_IN)
    lake.compact()
    made_s = (lake.days(Scan("ticks"))[0].files[0]).stat().st_mtime
    clock.advance(made_s + 599 - clock.now_ns() / 1e9)
    assert lake.compact().deleted == 0
    clock.advance(2)
    assert lake.compact().deleted == FAN_IN
    assert len(names(lake)) == 1
    assert positions(lake) == list(range(FAN_IN))
    lake.close()


def test_commits_in_a_larger_part_are_known_and_not_written_again(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    lake.compact(grace_s=-1e9)
    lake.compact(grace_s=-1e9)
    assert len(names(lake)) == 1
    commit_ticks(lake, FAN_IN)
    assert len(names(lake)) == 1
    assert positions(lake) == list(range(FAN_IN))


def test_all_versions_stay_until_sealing_and_the_newest_counts(lake: Lake) -> None:
    for number in range(FAN_IN):
        score = None if number == FAN_IN - 1 else 4.0
        rows = {
            "market_microstructure": [bar(DAY_0, number, revision=number)],
            "anomalies": [anomaly(DAY_0, number, score, revision=number)],
        }
        lake.commit(commit(number, number + 1, **rows))
    lake.compact(grace_s=-1e9)
    assert read(lake, Scan("market_microstructure")).column("revision").to_pylist() == [FAN_IN - 1]
    assert read(lake, Scan("anomalies")).num_rows == 0


def test_parts_that_are_sealed_are_not_merged_with_newer_ones(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    lake.seal(all=True)
    commit_ticks(lake, FAN_IN, first=FAN_IN)
    lake.compact()
    assert listed(lake) == [(FAN_IN, 2 * FAN_IN)]
    assert positions(lake) == list(range(2 * FAN_IN))


def test_sealing_takes_what_was_merged_and_sweeps_all_of_it(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN + 3)
    lake.compact()
    before = read(lake, Scan("ticks"))
    (sealed,) = lake.seal(all=True, grace_s=-1e9)
    assert (sealed.rows, sealed.parts) == (FAN_IN + 3, 1 if sealed.parts == 1 else 4)
    assert names(lake) == []
    assert read(lake, Scan("ticks")) == before


def test_a_reader_from_before_the_merge_still_has_its_files(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    (day,) = lake.days(Scan("ticks"))
    lake.compact()
    assert len(day.parts) == FAN_IN
    assert all(part.path.exists() for part in day.parts)


def test_a_state_that_was_merged_away_is_never_read_in_part(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    upto = lake.committed() - 1
    lake.compact(grace_s=-1e9)
    lake.compact(grace_s=-1e9)
    with pytest.raises(FileNotFoundError, match="merged"):
        lake.days(Scan("ticks"), upto)


def test_a_part_without_records_is_never_hidden_nor_doubled(lake: Lake) -> None:
    for first, after in [(0, 4), (4, 4), *((pos, pos + 1) for pos in range(4, 4 + FAN_IN))]:
        lake.commit(commit(first, after, market_microstructure=[bar(DAY_0 + after * MINUTE, first)]))
    before = read(lake, Scan("market_microstructure"))
    lake.compact(grace_s=-1e9)
    assert read(lake, Scan("market_microstructure")) == before
    assert listed(lake, "market_microstructure") == [(0, 4), (4, 4), (4, 4 + FAN_IN)]


def test_a_table_that_is_being_rearranged_is_left_to_the_next_call(lake: Lake) -> None:
    commit_ticks(lake, FAN_IN)
    with arranging(lake.root, TICKS, wait_s=0.0):
        assert lake.compact().made == 0
        with (
            pytest.raises(StorageBusy, match="ticks are being rearranged"),
            arranging(lake.root, TICKS, 0.02),
        ):
            pass
    assert lake.compact().made == 1


def test_sealing_waits_for_a_compaction_of_its_table(lake: Lake) -> None:
    commit_ticks(lake, 2)
    begun, finished = threading.Event(), threading.Event()

    def compacting() -> None:
        with arranging(lake.root, TICKS, wait_s=0.0):
            begun.set()
            finished.wait(10)

    thread = threading.Thread(target=compacting)
    thread.start()
    assert begun.wait(10)
    threading.Timer(0.05, finished.set).start()
    assert [sealed.rows for sealed in lake.seal(all=True)] == [2]
    assert finished.is_set()
    thread.join()


def test_a_broken_part_is_told_after_all_other_tables_were_compacted(lake: Lake) -> None:
    for pos in range(FAN_IN):
        quote = {"ts": DAY_0, "tape_pos": pos}
        lake.commit(commit(pos, pos + 1, ticks=[tick(DAY_0, pos)], quotes=[quote]))
    broken = lake.days(Scan("ticks"))[0].parts[3].path
    broken.write_bytes(b"")
    with pytest.raises(StoreCorrupt, match=broken.name):
        lake.compact()
    assert listed(lake, "quotes") == [(0, FAN_IN)]
    assert list((lake.root / ".hot" / "tmp").iterdir()) == []


def test_one_call_does_bounded_work(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_ticks(lake, 3 * FAN_IN)
    monkeypatch.setattr(compaction, "WORK_BYTES", 1)
    monkeypatch.setattr(compaction, "_MOST_INPUTS", FAN_IN)
    assert lake.compact().made == 1
    assert lake.compact().made == 1
    assert positions(lake) == list(range(3 * FAN_IN))


def test_threads_that_commit_compact_and_seal_do_not_disturb_each_other(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "FAN_IN", 2)
    over = threading.Event()
    wrong: list[BaseException] = []

    def until_over(work: object) -> None:
        try:
            while not over.is_set():
                work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - whatever it was, it is reported
            wrong.append(error)

    works = (lambda: lake.compact(grace_s=0.25), lambda: lake.seal(all=True, grace_s=0.25))
    threads = [threading.Thread(target=until_over, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    commit_ticks(lake, 200)
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert positions(lake) == list(range(200))


def test_due_merges_the_newest_full_tier_first() -> None:
    small, middle = 900, 40_000
    assert due([small] * 7) is None
    assert due([small] * 8) == (0, 8)
    assert due([middle] * 8 + [small] * 7) == (0, 8)
    assert due([middle] * 8 + [small] * 8) == (8, 16)
    assert due([middle] * 4 + [small] + [middle] * 3) == (0, 8)
    assert due([FULL_BYTES] * 20) is None
    assert due([FULL_BYTES - 1] * 20) == (0, 2)


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=3_000))
def test_after_compaction_a_day_of_any_commits_has_few_parts(commits: list[int]) -> None:
    sizes: list[int] = []
    rewritten = 0
    for size in commits:
        sizes.append(size)
        while (chosen := due(sizes)) is not None:
            merged = sum(sizes[slice(*chosen)])
            rewritten += merged
            sizes[slice(*chosen)] = [merged]
    tiers = 6
    assert len(sizes) <= (FAN_IN - 1) * tiers + sum(commits) // (FULL_BYTES // 2)
    assert rewritten <= tiers * sum(commits) + len(commits) * 64_000


def test_nested_finds_the_smallest_part_around_each() -> None:
    def name(first: int, after: int) -> str:
        return f"{first:016d}-{after:016d}.parquet"

    given = [(0, 2), (2, 4), (0, 4), (4, 4), (4, 6), (6, 9), (4, 9), (0, 9), (9, 12)]
    top, inner = nested(["arrange.lock", *(name(*bounds) for bounds in reversed(given))])
    assert top == [name(0, 9), name(4, 4), name(9, 12)]
    assert inner == [
        (name(0, 4), name(0, 9)),
        (name(0, 2), name(0, 4)),
        (name(2, 4), name(0, 4)),
        (name(4, 9), name(0, 9)),
        (name(4, 6), name(4, 9)),
        (name(6, 9), name(4, 9)),
    ]
