"""What every shelf must do, whatever is behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from barograph.errors import DataError
from barograph.vault.shelf import Shelf

LARGE = Random(1).randbytes(20_000_003)
"""More than one part of an upload, and no round number."""


class ShelfContract:
    """Inherit, and give a fixture ``shelf`` with nothing on it."""

    def test_what_was_put_is_got_back_byte_for_byte(self, shelf: Shelf, tmp_path: Path) -> None:
        for name, content in {"a/empty": b"", "a/b/small": b"x\0y", "large": LARGE}.items():
            (tmp_path / "source").write_bytes(content)
            shelf.put(name, tmp_path / "source")
            shelf.get(name, tmp_path / "target")
            assert (tmp_path / "target").read_bytes() == content
            assert shelf.get_bytes(name) == content
            assert b"".join(shelf.chunks(name)) == content
        assert (tmp_path / "source").read_bytes() == LARGE

    def test_a_file_is_listed_with_its_size_below_its_folders_only(self, shelf: Shelf) -> None:
        for path in ("daily/2/x.parquet", "daily/1/manifest.json", "daily-else/1/y", "weekly/1/z"):
            shelf.put_bytes(path, path.encode())
        found = list(shelf.list())
        assert [(item.path, item.bytes) for item in found] == [
            (path, len(path)) for path in sorted(item.path for item in found)
        ]
        assert len(found) == 4
        assert [item.path for item in shelf.list("daily/")] == ["daily/1/manifest.json", "daily/2/x.parquet"]
        assert [item.path for item in shelf.list("daily/2/")] == ["daily/2/x.parquet"]
        assert list(shelf.list("hourly-raw/")) == []

    def test_many_files_are_all_listed(self, shelf: Shelf) -> None:
        paths = [f"tape/{number:04d}" for number in range(1_010)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda path: shelf.put_bytes(path, b""), paths))
        assert [item.path for item in shelf.list("tape/")] == paths
        shelf.delete(paths)
        assert list(shelf.list()) == []

    def test_given_an_equal_path_then_the_newer_content_counts(self, shelf: Shelf, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"newer")
        shelf.put_bytes("a/one", b"older, longer")
        shelf.put("a/one", tmp_path / "file")
        assert shelf.get_bytes("a/one") == b"newer"
        shelf.put_bytes("a/one", b"newest")
        assert shelf.get_bytes("a/one") == b"newest"
        assert [item.bytes for item in shelf.list()] == [6]

    def test_when_a_file_was_put_is_known(self, shelf: Shelf) -> None:
        import time

        shelf.put_bytes("a", b"")
        (item,) = shelf.list()
        assert abs(item.modified_us / 1e6 - time.time()) < 60

    def test_given_no_such_file_then_it_is_said_and_nothing_is_left(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        shelf.put_bytes("daily/x", b"1")
        for path in ("daily/y", "none/at/all", "daily/x/y"):
            with pytest.raises(DataError, match="has no file"):
                shelf.get(path, tmp_path / "target")
            with pytest.raises(DataError, match="has no file"):
                shelf.get_bytes(path)
        assert list(tmp_path.glob("target*")) == []

    def test_what_was_deleted_is_gone_and_again_is_no_error(self, shelf: Shelf) -> None:
        for path in ("daily/1/a", "daily/1/b", "daily/2/a"):
            shelf.put_bytes(path, b"1")
        shelf.delete(["daily/1/a", "daily/1/b", "daily/9/c"])
        shelf.delete(["daily/1/a"])
        shelf.delete([])
        assert [item.path for item in shelf.list()] == ["daily/2/a"]

    def test_given_a_source_that_is_missing_then_nothing_is_put(self, shelf: Shelf, tmp_path: Path) -> None:
        with pytest.raises(Exception, match="no-such-source"):
            shelf.put("a", tmp_path / "no-such-source")
        assert list(shelf.list()) == []
