"""A shelf in a directory: a disk of one's own, or one that is mounted from elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from barograph.clock import NS_PER_US
from barograph.disk import storage_error, sync_data, sync_directory
from barograph.errors import DataError, UsageError
from barograph.store.durable import temporary
from barograph.vault.shelf import Item, write_whole

INCOMING = ".incoming"
"""Where files are written before they get their names; nothing in it is on the shelf."""

_CHUNK = 4 * 1024 * 1024


class DirectoryShelf:
    """A :class:`~barograph.vault.shelf.Shelf` below ``root``, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser()

    def put(self, path: str, file: Path) -> None:
        """Copy a local file onto the shelf; see the protocol."""

        def write(target: BinaryIO) -> None:
            with file.open("rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)

        self._write(path, write)

    def put_bytes(self, path: str, content: bytes) -> None:
        """The same with a small file's content."""
        self._write(path, lambda target: target.write(content))

    def get(self, path: str, file: Path) -> None:
        """Copy a file from the shelf; see the protocol."""
        write_whole(file, self.chunks(path), f"copying {path} from {self} to {file}")

    def get_bytes(self, path: str) -> bytes:
        """A small file's content."""
        return b"".join(self.chunks(path))

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content in pieces; see the protocol."""
        try:
            with self._place(path).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise DataError(f"{self} has no file {path}") from None
        except OSError as error:
            raise storage_error(error, f"reading {path} from {self}") from error

    def list(self, prefix: str = "") -> Iterator[Item]:
        """All files below a folder, ascending by path."""
        try:
            found = list(self._below(self.root / prefix))
        except OSError as error:
            raise storage_error(error, f"listing {self}") from error
        yield from sorted(found, key=lambda item: item.path)

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files, and folders that are empty then."""
        folders: set[Path] = set()
        try:
            for path in paths:
                place = self._place(path)
                place.unlink(missing_ok=True)
                folders.add(place.parent)
            for folder in folders:
                self._remove_empty(folder)
        except OSError as error:
            raise storage_error(error, f"deleting from {self}") from error

    def tidy(self, before_us: int) -> None:
        """Remove what copies that were cut off before a moment have left."""
        try:
            for left in self._incoming.glob("*.tmp"):
                if left.stat().st_mtime_ns // NS_PER_US < before_us:
                    left.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # somebody else tidies too
        except OSError as error:
            raise storage_error(error, f"tidying {self}") from error

    def __str__(self) -> str:
        return str(self.root)

    @property
    def _incoming(self) -> Path:
        return self.root / INCOMING

    def _place(self, path: str) -> Path:
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
            raise UsageError(f"{path!r} is no path on a shelf")
        return self.root.joinpath(*parts)

    def _write(self, path: str, write: Callable[[BinaryIO], object]) -> None:
        """Write under a temporary name, sync, rename, sync the folders."""
        target = self._place(path)
        staged = temporary(self._incoming, target.name)
        try:
            new = _make_folders(target.parent)
            self._incoming.mkdir(exist_ok=True)
            try:
                with staged.open("wb") as file:
                    write(file)
                    file.flush()
                    sync_data(file.fileno())
                staged.replace(target)
            finally:
                staged.unlink(missing_ok=True)
            for folder in (target.parent, *(each.parent for each in new)):
                sync_directory(folder)
        except OSError as error:
            raise storage_error(error, f"putting {path} on {self}") from error

    def _below(self, folder: Path) -> Iterator[Item]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue  # incoming, and what file managers leave
            if entry.is_dir():
                yield from self._below(Path(entry.path))
                continue
            try:
                about = entry.stat()
            except FileNotFoundError:
                continue
            path = Path(entry.path).relative_to(self.root).as_posix()
            yield Item(path, about.st_size, about.st_mtime_ns // NS_PER_US)

    def _remove_empty(self, folder: Path) -> None:
        while folder != self.root and folder.is_relative_to(self.root):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
                    return  # Windows tells of a folder that is not empty, or in use, in several ways
                raise
            folder = folder.parent


def _make_folders(folder: Path) -> list[Path]:
    """Make ``folder`` and what is above it; those that were not there."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return new
