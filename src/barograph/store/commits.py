"""The log of commits: which runs of the tape's records are in the lake.

One entry of 24 bytes a commit, appended and synced after all the commit's parts have
their names: the entry is what makes the commit visible, whole. Entries ascend and do
not overlap. An entry is ``first_pos``, ``next_pos`` and a CRC-32 of the two, each as
eight bytes, little-endian; a torn last entry counts as not written. Four commits a
second make 8 MB a day; nothing is ever taken out.
"""

from __future__ import annotations

import bisect
import errno
import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from barograph.disk import sync_data, sync_directory
from barograph.errors import StoreCorrupt

_ENTRY = struct.Struct("<QQQ")
_RANGE = struct.Struct("<QQ")


def committed(path: Path) -> int:
    """The position after the last record that is in the lake; 0 when it is empty.

    Every hot part that ends at or before it is committed, every other one is not (yet).
    """
    with _opened(path) as entries:
        return entries[len(entries) - 1][1] if len(entries) else 0


def ranges(path: Path, after: int) -> list[tuple[int, int]]:
    """The committed ranges with ``first_pos >= after``, ascending."""
    with _opened(path) as entries:
        return [entries[index] for index in range(entries.at(after), len(entries))]


def holds(path: Path, first_pos: int, next_pos: int) -> bool:
    """Whether exactly this range has been committed."""
    with _opened(path) as entries:
        index = entries.at(first_pos)
        while index < len(entries) and entries[index][0] == first_pos:  # empty ranges share their start
            if entries[index][1] == next_pos:
                return True
            index += 1
        return False


def append(path: Path, first_pos: int, next_pos: int) -> None:
    """Add an entry after the last whole one, durably. Only the lake's one writer may call it."""
    extend(path, [(first_pos, next_pos)])


def extend(path: Path, ranges: Sequence[tuple[int, int]]) -> None:
    """Add entries, which ascend, after the last whole one, durably."""
    added = b"".join(_ENTRY.pack(*each, _check(*each)) for each in ranges)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as entries:
        whole = len(entries) * _ENTRY.size
    created = not path.exists()
    with path.open("ab", buffering=0) as file:
        file.truncate(whole)
        try:
            _write_whole(file, added)
            sync_data(file.fileno())
        except OSError:
            file.truncate(whole)
            raise
    if created:
        sync_directory(path.parent)


def _write_whole(file: io.FileIO, entries: bytes) -> None:
    if file.write(entries) != len(entries):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _check(first_pos: int, next_pos: int) -> int:
    return zlib.crc32(_RANGE.pack(first_pos, next_pos))


@contextmanager
def _opened(path: Path) -> Iterator[_Entries]:
    try:
        file: BinaryIO = path.open("rb")
    except FileNotFoundError:
        file = io.BytesIO()
    with file:
        yield _Entries(path, file)


class _Entries:
    """The whole entries of a log, each read when it is asked for."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._count = file.seek(0, os.SEEK_END) // _ENTRY.size
        if self._count and self._read(self._count - 1) is None:
            self._count -= 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[int, int]:
        entry = self._read(index)
        if entry is None:
            raise StoreCorrupt(
                f"{self._path}: entry {index} of {self._count} fails its checksum; "
                f"make the lake again from the tape with `barograph rebuild`"
            )
        return entry

    def at(self, first_pos: int) -> int:
        """The index of the first entry that starts at ``first_pos`` or later."""
        return bisect.bisect_left(range(self._count), first_pos, key=lambda index: self[index][0])

    def _read(self, index: int) -> tuple[int, int] | None:
        self._file.seek(index * _ENTRY.size)
        first_pos, next_pos, check = _ENTRY.unpack(self._file.read(_ENTRY.size))
        return (first_pos, next_pos) if check == _check(first_pos, next_pos) else None
