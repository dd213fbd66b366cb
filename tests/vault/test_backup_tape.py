"""Hourly backups: what is sealed and new, checked while it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.store.making import DAY_0
from tests.vault.backed_up import FIRST, SECOND, backed_up, clock_at, lake

from barograph.clock import ManualClock
from barograph.errors import DataError
from barograph.recorder.checkpoint import Checkpoints
from barograph.records import Kind, Stream
from barograph.snapshot import pack
from barograph.tape import TapeWriter, list_segments, verify
from barograph.vault.checkpoint import _Stand
from barograph.vault.listing import read_catalogue
from barograph.vault.places import Place
from barograph.vault.segments import TapeMade, back_up_tape, needed_from
from barograph.vault.shelves.directory import DirectoryShelf

DAY_S = 86_400


def tape(data: Path, segments: int, payload: bytes = b"x" * 70_000, connection: str = "c") -> list[Path]:
    """A tape of one record a segment; the newest one is not sealed. The sealed ones."""
    clock = clock_at()
    for _ in range(segments + 1):
        with TapeWriter(data / "tape", clock=clock, roll_bytes=64 * 1024) as writer:
            writer.append(Stream("sim", connection), DAY_0 * 1_000, Kind.FRAME, payload)
    return [each.path for each in list_segments(data / "tape") if each.state == "sealed"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(DirectoryShelf(tmp_path / "shelf"), 3.0)


def brought(data: Path, place: Place, clock: ManualClock | None = None) -> TapeMade:
    return back_up_tape(data, place, clock or clock_at(), lambda done, total: None)


def names(made: TapeMade) -> list[str]:
    return [file.path.removeprefix("tape/") for file in made.manifest.tape] if made.manifest else []


def test_sealed_segments_are_brought_once_and_can_be_read_again(
    data: Path, place: Place, tmp_path: Path
) -> None:
    first = tape(data, 2)
    made = brought(data, place)
    assert names(made) == [path.name for path in first]
    assert made.manifest is not None
    assert made.manifest.folder == "hourly-raw/2026-11-18T160000Z"
    assert brought(data, place) == TapeMade(None, ())
    second = tape(data, 0)
    assert names(brought(data, place)) == [path.name for path in second if path not in first]
    (tmp_path / "copy").mkdir()
    for path in second:
        place.shelf.get(f"tape/{path.name}", tmp_path / "copy" / path.name)
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()
    assert verify(tmp_path / "copy") == []


def test_a_damaged_segment_is_told_and_the_rest_goes(data: Path, place: Place) -> None:
    paths = tape(data, 3)
    raw = paths[1].read_bytes()
    for where in (10, len(raw) // 2, len(raw) - 30, len(raw) - 1):
        changed = bytearray(raw)
        changed[where] ^= 4
        paths[1].write_bytes(changed)
        made = brought(data, place)
        assert paths[1].name not in names(made)
        assert [paths[1].name in each for each in made.damaged] == [True]
    assert set(read_catalogue(place.shelf).segments) == {f"tape/{paths[0].name}", f"tape/{paths[2].name}"}
    paths[1].write_bytes(raw)
    assert names(brought(data, place)) == [paths[1].name]


def test_a_segment_that_is_lost_on_the_shelf_is_brought_again(data: Path, place: Place) -> None:
    paths = tape(data, 2)
    brought(data, place)
    place.shelf.delete([f"tape/{paths[0].name}"])
    place.shelf.put_bytes(f"tape/{paths[1].name}", b"cut off")
    assert names(brought(data, place)) == [path.name for path in paths]


def test_what_a_run_that_was_killed_has_brought_is_brought_again(data: Path, place: Place) -> None:
    paths = tape(data, 1)
    place.shelf.put(f"tape/{paths[0].name}", paths[0])
    assert names(brought(data, place)) == [paths[0].name]


def test_given_the_tape_of_another_data_directory_then_it_is_refused(
    data: Path, place: Place, tmp_path: Path
) -> None:
    tape(data, 1)
    brought(data, place)
    tape(tmp_path / "other", 1, b"y" * 80_000, "another connection")
    with pytest.raises(DataError, match=r"another tape.*a place of its own"):
        brought(tmp_path / "other", place)


def test_given_no_tape_then_it_is_said(data: Path, place: Place) -> None:
    with pytest.raises(DataError, match="there is no tape"):
        brought(data, place)


def test_a_segment_that_retention_deletes_meanwhile_is_no_error(
    data: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tape(data, 2)
    put = DirectoryShelf.put

    def and_delete(shelf: Any, path: str, file: Path) -> None:
        put(shelf, path, file)
        paths[1].unlink(missing_ok=True)

    monkeypatch.setattr(DirectoryShelf, "put", and_delete)
    assert names(brought(data, place)) == [paths[0].name]


def test_old_segments_that_would_be_removed_at_once_are_left_out(data: Path, place: Place) -> None:
    paths = tape(data, 3)
    for path in paths:
        os.utime(path, (1, 1))
    lake(data, FIRST, SECOND)
    Checkpoints(data / "state").save(pack(_Stand(20)))
    backed_up(data, place.shelf)
    assert needed_from(read_catalogue(place.shelf).of_rows) == 9, "the last commit, which ends there"
    assert names(brought(data, place)) == []
    place.shelf.delete([item.path for item in place.shelf.list("daily/")])
    assert names(brought(data, place)) == [path.name for path in paths], "no table holds them yet"


def test_of_old_segments_those_that_a_recorder_would_go_on_from_are_brought(data: Path, place: Place) -> None:
    paths = tape(data, 3)
    for path in paths:
        os.utime(path, (1, 1))
    lake(data, FIRST)
    Checkpoints(data / "state").save(pack(_Stand(0)))
    backed_up(data, place.shelf)
    assert names(brought(data, place)) == [path.name for path in paths]
