"""The directory shelf: the contract, full disks, bad paths, what a copy that was cut off leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from barograph.errors import SettingsError, StorageError, StorageFull, UsageError
from barograph.vault.shelf import Shelf, shelf_at
from barograph.vault.shelves.directory import INCOMING, DirectoryShelf

from .shelf_contract import ShelfContract


class TestDirectoryShelf(ShelfContract):
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Shelf:
        return shelf_at(str(tmp_path / "not" / "there yet"))


def test_given_another_scheme_then_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="not to 'gs://bucket'"):
        shelf_at("gs://bucket")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "", "a/../../b"])
def test_given_a_path_that_leads_out_then_it_is_refused(path: str, tmp_path: Path) -> None:
    shelf = DirectoryShelf(tmp_path / "shelf")
    for action in (
        shelf.get_bytes,
        lambda path: shelf.put_bytes(path, b""),
        lambda path: shelf.delete([path]),
    ):
        with pytest.raises(UsageError, match="no path on a shelf"):
            action(path)


def test_given_a_full_disk_then_nothing_of_the_file_is_seen_or_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    shelf = DirectoryShelf(tmp_path / "shelf")
    (tmp_path / "large").write_bytes(bytes(200_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StorageFull, match="no space left"):
            shelf.put("daily/1/x", tmp_path / "large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()] == []
    shelf.put("daily/1/x", tmp_path / "large")


def test_given_a_file_where_the_directory_should_be_then_it_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="putting a/b"):
        DirectoryShelf(tmp_path / "file").put_bytes("a/b", b"")
    assert list(DirectoryShelf(tmp_path / "file").list()) == []


def test_what_a_copy_that_was_cut_off_left_is_not_listed_and_goes(tmp_path: Path) -> None:
    shelf = DirectoryShelf(tmp_path)
    shelf.put_bytes("a", b"1")
    left = tmp_path / INCOMING / "b.1.1.tmp"
    left.write_bytes(b"half")
    os.utime(left, (1_000, 1_000))
    assert [item.path for item in shelf.list()] == ["a"]
    shelf.tidy(999_000_000)
    assert left.exists()
    shelf.tidy(1_001_000_000)
    assert not left.exists()


def test_folders_that_are_empty_go_with_their_last_file(tmp_path: Path) -> None:
    shelf = DirectoryShelf(tmp_path / "shelf")
    shelf.put_bytes("daily/1/own/x/0", b"")
    shelf.delete(["daily/1/own/x/0"])
    assert not (tmp_path / "shelf" / "daily").exists()
    assert (tmp_path / "shelf").exists()
