"""Everything back, as of a moment, in either kind of store; and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest
from tests.store.making import DAY_0, commit, tick

from barograph.clock import SystemClock
from barograph.errors import DataError, UsageError
from barograph.recorder import replay
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.store import Lake, Scan, read
from barograph.store.store import Absorbing
from barograph.tape import TapeReader, TapeWriter
from barograph.vault.comparing import comparable, compare, summed_rows
from barograph.vault.going_on import moved
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import moment_us
from barograph.vault.places import Place
from barograph.vault.restore import plan_restore
from barograph.vault.segments import back_up_tape
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.state import state_file

from .backed_up import LakeAtRest, backed_up, clock_at, lake, shelf_with_a_chain
from .taking import content, empty_store, quiet, restored, step

START_US = 1_723_075_200_000_000
MARKET = ("BTC-USD", "ETH-USD")


def tape_of(data: Path, minutes: int, start: int = 0, symbols: Sequence[str] = MARKET) -> int:
    """Minutes of a simulated market on the tape, from frame ``start`` on; sealed but for the end."""
    stream, number = Stream("sim", "sim-1"), 0
    with TapeWriter(data / "tape", clock=clock_at(), roll_bytes=4_096) as tape:
        for batch in frames(Market(1, list(symbols), start_us=START_US, minutes=minutes, rate=0.2)):
            for recv_ns, payload in zip(batch.recv_ns.tolist(), batch.payloads, strict=True):
                if number >= start:
                    tape.append(stream, recv_ns, Kind.FRAME, payload)
                number += 1
    return number


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The data directory to restore into."""
    return tmp_path / "new"


@pytest.fixture(params=["lake", "postgresql"])
def store(request: pytest.FixtureRequest, new: Path) -> Iterator[Absorbing]:
    yield from empty_store(request, new)


def test_given_a_chain_the_store_is_equal_and_goes_on(tmp_path: Path, store: Absorbing, new: Path) -> None:
    home = lake(tmp_path / "home", *map(step, range(3)))
    shelf, clock = DirectoryShelf(tmp_path / "shelf"), clock_at()
    backed_up(tmp_path / "home", shelf, clock=clock)
    home.commit(step(3))
    last = backed_up(tmp_path / "home", shelf, clock=clock)
    done = restored(shelf, store, new)
    assert [each.folder for each in done.plan.chain][-1] == last.folder
    assert content(store) == content(home)
    assert (store.lineage(), store.committed()) == (home.lineage(), 40)
    for each in (home, store):
        each.commit(step(4))
    assert content(store) == content(home)
    assert not state_file(new, "restore", None).path.exists()


def test_given_a_moment_what_was_then_comes_back(tmp_path: Path, new: Path) -> None:
    shelf, made = shelf_with_a_chain(tmp_path / "home")
    for until, positions in ((made[0], 9), (made[1], 20), (made[2], 30)):
        folder = new / until.id
        found = Lake(folder / "lake")
        restored(shelf, found, folder, moment_us(until.id))
        assert found.committed() == positions
        restored_rows = read(found, Scan("market_microstructure")).column("revision").to_pylist()
        assert restored_rows == ([0] if positions == 9 else [1])
    with pytest.raises(DataError, match="no full backup at or before"):
        plan_restore(shelf, moment_us(made[0].id) - 1_000_000)


def test_a_store_or_folder_that_is_not_empty_is_refused(tmp_path: Path, store: Absorbing, new: Path) -> None:
    shelf, _ = shelf_with_a_chain(tmp_path / "home")
    store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
    store.close()
    with pytest.raises(UsageError, match="not empty"):
        restored(shelf, store, new)
    assert store.committed() == 5
    other = tmp_path / "other"
    tape_of(other, 2)
    with pytest.raises(UsageError, match="tape"):
        restored(shelf, Lake(other / "lake"), other)


@pytest.mark.parametrize("seed", range(3))
def test_every_changed_byte_and_every_missing_file_is_found(tmp_path: Path, new: Path, seed: int) -> None:
    home = tmp_path / "home"
    tape_of(home, 6)
    replay(home)
    lake(home).close()
    shelf, random = DirectoryShelf(tmp_path / "shelf"), Random(seed)
    with closing(LakeAtRest(home / "lake")):
        made = backed_up(home, shelf)
    back_up_tape(home, Place(shelf, 1e6), clock_at("2026-11-18T15:00:00+00:00"), quiet)
    files = sorted(item.path for item in shelf.list())
    assert {path.split("/")[0] for path in files} == {"daily", "tape", "hourly-raw"}
    for number, path in enumerate(files):
        good = shelf.get_bytes(path)
        bad = bytearray(good)
        bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
        shelf.put_bytes(path, bytes(bad))
        folder = new / str(number)
        with pytest.raises(DataError):
            restored(shelf, Lake(folder / "lake"), folder)
        shelf.delete([path])
        if path == made.path or path.startswith("hourly-raw/"):
            # What nobody names any more may be an upload that was cut off: it is told.
            with suppress(DataError):
                assert plan_restore(shelf).left_out or not plan_restore(shelf).tape
        else:
            with pytest.raises(DataError):
                restored(shelf, Lake(folder / "lake2"), folder / "2")
        shelf.put_bytes(path, good)
    done = restored(shelf, Lake(new / "lake"), new)
    assert content(Lake(new / "lake")) == content(Lake(home / "lake"))
    assert done.tape.end == TapeReader(new / "tape").end


def test_given_more_tape_than_tables_a_replay_makes_the_rest(tmp_path: Path, new: Path) -> None:
    home = tmp_path / "home"
    taped = tape_of(home, 6)
    replay(home, stride_records=50, checkpoint_every=2)
    shelf = DirectoryShelf(tmp_path / "shelf")
    made = backed_up(home, shelf)
    tape_of(home, 20, start=taped)
    back_up_tape(home, Place(shelf, 1e6), clock_at("2026-11-18T22:00:00+00:00"), quiet)
    done = restored(shelf, Lake(new / "lake"), new)
    assert not done.tape.begins_anew
    assert Lake(new / "lake").committed() == made.next_pos < done.tape.end
    shutil.copytree(new / "tape", tmp_path / "peace" / "tape")
    assert replay(new, stride_records=50).records > 0
    replay(tmp_path / "peace", stride_records=50)
    found, peace = content(Lake(new / "lake")), content(Lake(tmp_path / "peace" / "lake"))
    # Minutes that were open at the end of the first replay had been written as they stood then.
    bars = [table.pop("market_microstructure") for table in (found, peace)]
    assert found == peace
    assert bars[0].num_rows == bars[1].num_rows > 0
    assert replay(new).records == 0


@pytest.mark.parametrize("with_tape", [False, True])
def test_given_less_tape_than_tables_recording_goes_on_where_the_tables_end(
    tmp_path: Path, new: Path, with_tape: bool
) -> None:
    home = tmp_path / "home"
    tape_of(home, 6)
    replay(home, stride_records=50, checkpoint_every=3)
    shelf = DirectoryShelf(tmp_path / "shelf")
    made = backed_up(home, shelf)
    if with_tape:
        back_up_tape(home, Place(shelf, 1e6), clock_at("2026-11-18T16:00:00+00:00"), quiet)
    done = restored(shelf, Lake(new / "lake"), new)
    assert done.tape.begins_anew
    assert (done.tape.begin, done.tape.end) == (made.next_pos, made.next_pos)
    assert bool(list(new.glob("tape.before/*"))) == with_tape
    assert replay(new).records == 0
    with TapeWriter(new / "tape", clock=SystemClock()) as tape:
        assert tape.next_pos == made.next_pos
    tape_of(new, 8, symbols=["SOL-USD"])
    before = content(Lake(home / "lake"))["ticks"].num_rows
    assert replay(new).records > 0
    assert content(Lake(new / "lake"))["ticks"].num_rows > before


def test_a_checkpoint_that_is_moved_is_the_same_but_for_its_place(tmp_path: Path) -> None:
    tape_of(tmp_path, 3)
    replay(tmp_path)
    raw = (tmp_path / "state" / "line.checkpoint").read_bytes()
    place = replay(tmp_path).next_pos
    assert moved(raw, place) == raw
    assert moved(moved(raw, place + 7), place) == raw


def test_verifying_finds_a_store_equal_and_one_changed_value(
    tmp_path: Path, store: Absorbing, new: Path
) -> None:
    home = lake(tmp_path / "home", *map(step, range(3)))
    shelf, clock = DirectoryShelf(tmp_path / "shelf"), clock_at()
    backed_up(tmp_path / "home", shelf, clock=clock)
    home.commit(step(3))
    backed_up(tmp_path / "home", shelf, clock=clock)
    restored(shelf, store, new)
    catalogue = read_catalogue(shelf)
    chain = catalogue.chain(comparable(catalogue, store))
    compared = compare(shelf, chain, store, tmp_path / "scratch", quiet)
    assert all(each.equal for each in compared)
    assert {each.table: each.rows for each in compared}["ticks"] == 16
    ticks = home.scan(Scan("ticks"))
    (table,) = [each for each in compared if each.table == "ticks"]
    assert summed_rows(ticks, read_table("ticks")) == (16, table.sha256)
    wrong = lake(tmp_path / "wrong", *map(step, range(3)))
    wrong.commit(commit(30, 40, **{name: rows.to_pylist() for name, rows in altered().items()}))
    with closing(wrong):
        found = compare(shelf, chain, wrong, tmp_path / "scratch", quiet)
    assert [each.table for each in found if not each.equal] == ["ticks"]
    store.commit(step(4))
    with pytest.raises(UsageError, match="no backup ends there"):
        comparable(catalogue, store)


def read_table(name: str):  # type: ignore[no-untyped-def]
    from barograph.tables import TABLES

    return TABLES[name]


def altered():  # type: ignore[no-untyped-def]
    """The fourth step, with another price in one of its trades."""
    tables = dict(step(3).tables)
    rows = tables["ticks"].to_pylist()
    rows[2]["price"] += 1e-9
    import pyarrow as pa

    tables["ticks"] = pa.Table.from_pylist(rows, tables["ticks"].schema)
    return tables
