import hashlib
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from barograph.bars import BarSettings
from barograph.clock import ManualClock
from barograph.errors import DataError, SettingsError, TapeCorrupt
from barograph.recorder import LineSettings, rebuild, replay
from barograph.recorder.checkpoint import Checkpoints
from barograph.records import Records
from barograph.store import Lake, Scan
from barograph.tables import TABLES
from barograph.tape import TapeWriter
from barograph.tape.segments import RAW, segment_path

from .making import records

TAPE = records(seed=11, minutes=8)


def write(data: Path, run: Records) -> None:
    with TapeWriter(data / "tape", clock=ManualClock()) as tape:
        tape.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)


def tables(data: Path) -> dict[str, pa.Table]:
    lake = Lake(data / "lake")
    return {
        name: pa.Table.from_batches(lake.scan(Scan(name)), table.schema()) for name, table in TABLES.items()
    }


def files(data: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(data)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            0 if path.name.endswith(".lock") else path.stat().st_mtime_ns,
        )
        for path in data.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    data = tmp_path_factory.mktemp("undisturbed")
    write(data, TAPE)
    replay(data)
    return tables(data)


def test_the_same_replay_again_changes_no_row_and_no_file(tmp_path: Path, undisturbed):
    write(tmp_path, TAPE)
    first = replay(tmp_path, stride_records=300)
    before = files(tmp_path)
    again = replay(tmp_path, stride_records=300)
    assert (first.records, again.records) == (len(TAPE), 0)
    assert again.counts == first.counts
    assert files(tmp_path) == before
    assert tables(tmp_path) == undisturbed


def test_a_replay_whose_checkpoint_is_lost_finds_its_commits_again(tmp_path: Path, undisturbed):
    write(tmp_path, TAPE)
    replay(tmp_path, stride_records=300)
    before = {name: found for name, found in files(tmp_path).items() if name.startswith("lake")}
    Checkpoints(tmp_path / "state").path.unlink()
    replay(tmp_path, stride_records=777)
    assert {name: found for name, found in files(tmp_path).items() if name.startswith("lake")} == before
    assert tables(tmp_path) == undisturbed


def test_a_tape_that_grows_between_replays_gives_the_same_rows(tmp_path: Path, undisturbed):
    for start in range(0, len(TAPE), 500):
        write(tmp_path, TAPE.cut(start, min(start + 500, len(TAPE))))
        replay(tmp_path)
    assert tables(tmp_path) == undisturbed


def test_sealing_between_replays_gives_the_same_rows(tmp_path: Path, undisturbed):
    for start in range(0, len(TAPE), 700):
        write(tmp_path, TAPE.cut(start, min(start + 700, len(TAPE))))
        replay(tmp_path, stride_records=200, checkpoint_every=1)
        Lake(tmp_path / "lake").seal(all=True, grace_s=0)
    assert tables(tmp_path) == undisturbed


def test_rows_of_minutes_that_left_memory_are_recalled_from_the_lake(tmp_path: Path, undisturbed):
    forgetful = LineSettings(bars=BarSettings(retain_us=0, history_bars=1))
    write(tmp_path, TAPE)
    result = replay(tmp_path, forgetful, stride_records=50)
    assert result.counts.late > 0
    assert result.counts.unrevised == 0
    assert tables(tmp_path) == undisturbed


def test_rebuild_makes_the_same_tables_and_replay_goes_on_from_them(tmp_path: Path, undisturbed):
    write(tmp_path, TAPE.cut(0, 1_200))
    replay(tmp_path, stride_records=100)
    other = LineSettings(bars=BarSettings(allowed_lateness_us=0))
    with pytest.raises(SettingsError, match="barograph rebuild"):
        replay(tmp_path, other)
    rebuild(tmp_path, other)
    rebuild(tmp_path)
    write(tmp_path, TAPE.cut(1_200, len(TAPE)))
    replay(tmp_path)
    assert tables(tmp_path) == undisturbed
    assert not (tmp_path / "state" / "rebuild").exists()


def test_replay_given_a_tape_shorter_than_its_tables_raises(tmp_path: Path):
    write(tmp_path / "long", TAPE)
    replay(tmp_path / "long")
    write(tmp_path, TAPE.cut(0, 100))
    (tmp_path / "long" / "lake").rename(tmp_path / "lake")
    with pytest.raises(TapeCorrupt, match="rebuild"):
        replay(tmp_path)


def test_tables_that_were_deleted_are_made_again(tmp_path: Path, undisturbed):
    write(tmp_path, TAPE)
    replay(tmp_path)
    shutil.rmtree(tmp_path / "lake")
    assert replay(tmp_path).records == len(TAPE)
    assert tables(tmp_path) == undisturbed


def test_a_checkpoint_of_another_version_asks_for_a_rebuild(tmp_path: Path, undisturbed):
    write(tmp_path, TAPE)
    replay(tmp_path)
    Checkpoints(tmp_path / "state").save(msgspec.msgpack.encode({"next_pos": 5}))
    with pytest.raises(SettingsError, match=r"another version.*barograph rebuild"):
        replay(tmp_path)
    rebuild(tmp_path)
    assert tables(tmp_path) == undisturbed


def test_replay_given_a_tape_without_its_beginning_raises(tmp_path: Path):
    write(tmp_path, TAPE.cut(0, 1_000))
    with TapeWriter(tmp_path / "tape", clock=ManualClock(10**18), roll_bytes=1) as tape:
        for part in (TAPE.cut(1_000, 1_500), TAPE.cut(1_500, 1_600)):
            tape.append_many(part.streams, part.stream, part.recv_ns, part.kind, part.payloads)
    min((tmp_path / "tape").glob("0*")).unlink()
    with pytest.raises(DataError, match="put the older segments back"):
        replay(tmp_path)


def test_given_an_empty_tape_that_was_begun_where_the_tables_end_then_rebuild_refuses(tmp_path: Path):
    write(tmp_path, TAPE)
    end = replay(tmp_path).next_pos
    before = tables(tmp_path)
    shutil.rmtree(tmp_path / "tape")
    (tmp_path / "tape").mkdir()
    segment_path(tmp_path / "tape", end, RAW).touch()
    TapeWriter(tmp_path / "tape", clock=ManualClock()).close()
    assert replay(tmp_path).records == 0
    with pytest.raises(DataError, match="put the older segments back"):
        rebuild(tmp_path)
    assert tables(tmp_path) == before


def test_an_empty_tape_has_empty_tables(tmp_path: Path):
    with TapeWriter(tmp_path / "tape", clock=ManualClock()):
        pass
    assert replay(tmp_path).records == 0
    assert all(rows.num_rows == 0 for rows in tables(tmp_path).values())
