"""Recordings that others made, as files: unpacked by their magic, cut into chunks of whole lines."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import zstandard

from barograph.errors import DataError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
_READ = 256 << 10
PIECE_BYTES = 4 << 20


class Chunk(NamedTuple):
    """Some lines of a recording.

    Attributes:
        data: whole lines, each with its newline.
        finished: False for the last line of a file that does not end in a newline.
        oversized: instead of ``data``, the bytes of one line that was longer than the bound.
    """

    data: bytes
    finished: bool = True
    oversized: int = 0


@dataclass(slots=True)
class Recording:
    """A file of lines, packed with gzip or zstd or not at all.

    Attributes:
        path: the file.
        size: its bytes.
        done: bytes of it that have been read.
        damage: what was wrong with the packed data where reading it ended early.
    """

    path: Path
    size: int
    done: int = 0
    damage: str | None = None

    def pieces(self) -> Iterator[bytes]:
        """The unpacked content from the beginning, at most 4 MiB at a time, up to any damage."""
        self.done, self.damage = 0, None
        with self.path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            packed = {GZIP: self._gunzip, ZSTD: self._unzstd}.get(magic if magic == ZSTD else magic[:2])
            try:
                yield from packed(file) if packed else self._stored(file)
            except (zlib.error, zstandard.ZstdError, EOFError) as error:
                self.damage = f"the packed data is damaged before byte {self.done} of {self.size}: {error}"

    def prefix(self, size: int) -> bytes:
        """The first ``size`` bytes of the content, or all of it."""
        found = b""
        for piece in self.pieces():
            found += piece
            if len(found) >= size:
                break
        return found[:size]

    def chunks(self, max_line_bytes: int) -> Iterator[Chunk]:
        """The content in chunks of whole lines; never more in memory than a line and a piece.

        A line that damage cuts is not among them. ``max_line_bytes`` is at least :data:`PIECE_BYTES`.
        """
        parts: list[bytes] = []
        held = 0
        for piece in self.pieces():
            first, last = piece.find(b"\n"), piece.rfind(b"\n")
            if last < 0:
                held += len(piece)
                parts.append(piece)
                if held > max_line_bytes:
                    parts.clear()
                continue
            if held + first > max_line_bytes:
                yield Chunk(b"", oversized=held + first)
                parts, first = [], first + 1
            else:
                first = 0
            if last >= first:
                yield Chunk(b"".join([*parts, piece[first : last + 1]]))
            parts, held = [piece[last + 1 :]], len(piece) - last - 1
        if self.damage:
            return
        if held > max_line_bytes:
            yield Chunk(b"", finished=False, oversized=held)
        elif held:
            yield Chunk(b"".join(parts), finished=False)

    def _stored(self, file: BinaryIO) -> Iterator[bytes]:
        while data := file.read(PIECE_BYTES // 2):
            self.done += len(data)
            yield data

    def _gunzip(self, file: BinaryIO) -> Iterator[bytes]:
        """Every member of the file; zeros between and behind them are padding."""
        unpacker, data = zlib.decompressobj(31), b""
        between = False
        while data or (data := self._more(file)):
            if between and not (data := data.lstrip(b"\0")):
                continue
            between = False
            if piece := unpacker.decompress(data, PIECE_BYTES):
                yield piece
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                unpacker, data, between = zlib.decompressobj(31), unpacker.unused_data, True
        if not between:
            raise EOFError("the file ends before the data does")

    def _unzstd(self, file: BinaryIO) -> Iterator[bytes]:
        unpacker, data = zstandard.ZstdDecompressor().decompressobj(), b""
        between = False
        while data or (data := self._more(file)):
            between = False
            unpacked = unpacker.decompress(data)
            for start in range(0, len(unpacked), PIECE_BYTES):
                yield unpacked[start : start + PIECE_BYTES]
            data = unpacker.unused_data
            if unpacker.eof:
                unpacker, between = zstandard.ZstdDecompressor().decompressobj(), True
        if not between:
            raise EOFError("the file ends before the data does")

    def _more(self, file: BinaryIO) -> bytes:
        data = file.read(_READ)
        self.done += len(data)
        return data


def open_recording(path: Path) -> Recording:
    """The recording at ``path``.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"there is no recording at {path}; name a file of recorded lines, packed or not")
    return Recording(path, path.stat().st_size)
