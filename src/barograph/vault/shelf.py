"""Where backups lie: a directory or S3 behind one small protocol. Who uses a shelf does not know which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from barograph.disk import storage_error, temporary
from barograph.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Item:
    """A file on a shelf.

    Attributes:
        modified_us: when it was put there, by the shelf's own clock; microseconds UTC.
    """

    path: str
    bytes: int
    modified_us: int = 0


class Shelf(Protocol):
    """Files by path (``daily/2026-11-20T103000Z/ticks/0000.parquet``), each whole or not there."""

    def put(self, path: str, file: Path) -> None:
        """Copy a local file onto the shelf, durably, whole or not at all; an equal path is replaced.

        Raises:
            StorageError, StorageFull: it could not be done; trying again may help.
        """
        ...

    def put_bytes(self, path: str, content: bytes) -> None:
        """The same with a small file's content."""
        ...

    def get(self, path: str, file: Path) -> None:
        """Copy a file from the shelf to a local path, whole or not at all.

        Raises:
            DataError: there is no such file.
            StorageError: it could not be read; trying again may help.
        """
        ...

    def get_bytes(self, path: str) -> bytes:
        """The same for a small file's content."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content in pieces of a few MB, for who only looks at it.

        Raises:
            DataError: there is no such file.
            StorageError: it could not be read to its end; trying again may help.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[Item]:
        """All files below a folder (``"daily/"``), ascending by path; none if there is no such folder."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""
        ...

    def __str__(self) -> str:
        """Where it is, without secrets."""
        ...


def write_whole(file: Path, chunks: Iterable[bytes], doing: str) -> None:
    """Write a file's content, as it comes from a shelf, to a local path, whole or not at all.

    Args:
        doing: what this is, for the message.

    Raises:
        StorageError, StorageFull: the local disk said no.
    """
    staged = temporary(file.parent, file.name)
    try:
        with staged.open("wb") as target:
            for chunk in chunks:
                target.write(chunk)
        staged.replace(file)
    except OSError as error:
        raise storage_error(error, doing) from error
    finally:
        staged.unlink(missing_ok=True)


def shelf_at(where: str) -> Shelf:
    """The shelf at a directory's path or at ``s3://bucket/prefix``.

    Raises:
        SettingsError: S3 without the packages for it, or another scheme.
    """
    if where.startswith("s3://"):
        from barograph.vault.shelves.s3 import S3Shelf

        return S3Shelf.of(where)
    if "://" in where:
        raise SettingsError(f"backups go to a directory or to s3://bucket/prefix, not to {where!r}")
    from barograph.vault.shelves.directory import DirectoryShelf

    return DirectoryShelf(Path(where))
