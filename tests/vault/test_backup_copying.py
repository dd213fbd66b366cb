"""Copying to a second place: what it lacks and would keep, manifests last, damage told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.s3 import S3Server, s3_server
from tests.vault.backed_up import backed_up, clock_at, contents, lake, put_together, shelf_with_a_chain

from barograph.clock import DAY_US
from barograph.errors import DataError, StorageError
from barograph.vault.copying import mirror
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import MANIFEST, Manifest, moment_us
from barograph.vault.places import Place
from barograph.vault.shelf import Shelf
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.shelves.s3 import S3Shelf
from barograph.vault.verifying import verify

NOW_US = moment_us("2026-11-18T200000Z")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def far(tmp_path: Path) -> Place:
    return Place(DirectoryShelf(tmp_path / "far"), 30.0)


def copied(data: Path, source: Shelf, target: Place, now_us: int = NOW_US) -> list[Manifest]:
    return mirror(data, source, target, now_us, lambda done, total: None)


def test_everything_is_copied_once_to_s3_too(data: Path, server: S3Server) -> None:
    source, made = shelf_with_a_chain(data)
    far = Place(S3Shelf.of(f"s3://{server.bucket()}/backups", server.environ), 30.0)
    assert copied(data, source, far) == made
    assert copied(data, source, far) == []
    assert verify(far.shelf, (), lambda done, total: None).problems == ()
    assert put_together(far.shelf, made[-1]) == contents(lake(data))
    assert [item.path for item in far.shelf.list()] == [item.path for item in source.list()]


def test_what_comes_later_follows_and_what_the_near_place_has_forgotten_stays(data: Path, far: Place) -> None:
    source, made = shelf_with_a_chain(data)
    copied(data, source, far)
    weekly = backed_up(data, source, "weekly", clock_at("2026-11-18T19:30:00+00:00"))
    for each in made:
        source.delete([each.path, *each.contents])
    assert copied(data, source, far) == [weekly]
    assert read_catalogue(far.shelf).manifests == (*made, weekly)


def test_what_the_far_place_would_remove_at_once_is_not_brought(data: Path, far: Place) -> None:
    source, _ = shelf_with_a_chain(data)
    weekly = backed_up(data, source, "weekly", clock_at("2026-11-18T19:30:00+00:00"))
    assert copied(data, source, far, NOW_US + 40 * DAY_US) == [weekly]


def test_given_a_place_that_fails_in_the_middle_then_nothing_of_that_backup_is_visible_and_it_goes_on(
    data: Path, far: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = shelf_with_a_chain(data)
    put, count = DirectoryShelf.put, 0

    def fail(shelf: DirectoryShelf, path: str, file: Path) -> None:
        nonlocal count
        count += 1
        if count == 6:
            raise StorageError("the line is cut")
        put(shelf, path, file)

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryShelf, "put", fail)
        with pytest.raises(StorageError, match="the line is cut"):
            copied(data, source, far)
    found = read_catalogue(far.shelf)
    assert found.manifests == (made[0],)
    assert found.unfinished == (made[1].folder,)
    assert copied(data, source, far) == made[1:]
    assert verify(far.shelf, (), lambda done, total: None).problems == ()


def test_a_damaged_backup_is_told_and_the_others_are_copied(data: Path, far: Place) -> None:
    source, made = shelf_with_a_chain(data)
    assert isinstance(source, DirectoryShelf)
    file = source.root / made[1].folder / "ticks" / "0000.parquet"
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    with pytest.raises(DataError, match=r"ticks/0000\.parquet is not what its manifest says"):
        copied(data, source, far)
    assert read_catalogue(far.shelf).manifests == (made[0], made[2])


def test_a_copy_that_has_lost_a_file_is_made_again(data: Path, far: Place) -> None:
    source, made = shelf_with_a_chain(data)
    copied(data, source, far)
    far.shelf.delete([f"{made[1].folder}/ticks/0000.parquet"])
    assert copied(data, source, far) == [made[1]]
    far.shelf.delete([made[2].path])
    assert copied(data, source, far) == [made[2]]
    assert verify(far.shelf, (), lambda done, total: None).problems == ()


def test_nothing_of_a_copy_stays_in_the_data_directory(data: Path, far: Place) -> None:
    source, _ = shelf_with_a_chain(data)
    copied(data, source, far)
    assert [path.name for path in (data / "state").iterdir() if "backup" in path.name] == []
    shutil.rmtree(data / "state")
    assert copied(data, source, far) == []
    assert MANIFEST == "manifest.json"
