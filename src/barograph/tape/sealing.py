"""Sealing: a rolled segment becomes small, indexed and checksummed as a whole.

The sealed file is written beside the raw one, synced, and put in place by one rename;
only then is the raw one removed. A crash at any moment leaves either the raw one, or
both; :func:`clean` makes one of both.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard

from barograph.disk import storage_error, sync_directory
from barograph.errors import DataError, StorageError, TapeCorrupt
from barograph.log import get_logger
from barograph.records import Stream
from barograph.tape.blocks import REMEDY, BlockReader, Part
from barograph.tape.bodies import COMPRESSION_LEVEL, compress
from barograph.tape.cursor import cut
from barograph.tape.index import Tally, pack_index, pack_trailer
from barograph.tape.layout import (
    COLUMN_BYTES,
    BlockHead,
    Codec,
    State,
    pack_block_head,
    pack_segment_head,
    pack_streams,
)
from barograph.tape.segments import RAW, SEALED, SEALING, segment_files, segment_path

BLOCK_BYTES = 1 << 20
REST = 4.0
"""How long a sealer rests after each block, in times of what the block took: nobody waits for it, and
threads that decode want the interpreter."""

Pause = Callable[[float], object]
"""Called after each block with the seconds that it took."""

log = get_logger()


class SealedFile:
    """A sealed segment being written."""

    def __init__(self, file: BinaryIO, source: BlockReader) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        self._tally = Tally()
        self._blocks: list[tuple[int, int, int, int]] = []
        self._offset = 0
        self._defined = len(source.head.streams)
        head = source.head
        self._put(pack_segment_head(State.SEALED, head.created_ns, head.first_pos, head.streams))

    def add(self, parts: list[Part], streams: list[Stream]) -> None:
        """Write ``parts`` as one block; ``streams`` are all that are known by now."""
        definitions = pack_streams(self._defined, streams[self._defined :])
        self._defined = len(streams)
        block = Tally()
        for part in parts:
            block.add(part.columns)
            self._tally.add(part.columns)
        count = sum(len(part.columns.length) for part in parts)
        first_pos = parts[0].first_pos
        assert block.first_ns is not None
        assert block.last_ns is not None
        self._blocks.append((first_pos, self._offset, block.first_ns, block.last_ns))
        head = BlockHead(0, 0, count, first_pos, parts[-1].next_pos, len(definitions), Codec.ZSTD)
        body = compress(_body(parts, definitions), count, self._compressor)
        self._put(pack_block_head(head, body))
        self._put(body)

    def finish(self, next_pos: int, streams: list[Stream]) -> None:
        """Write index and trailer, and bring all to the disk."""
        index = pack_index(next_pos, self._blocks, self._tally.counts, streams)
        self._put(index)
        self._file.write(pack_trailer(self._sha256.digest(), index, self._tally.payload_bytes))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self._offset += len(data)


def _body(parts: list[Part], definitions: bytes) -> bytes:
    """The raw body of the records of ``parts``."""
    columns = [part.columns for part in parts]
    numbers = [
        np.concatenate([c.recv_ns for c in columns], dtype="<i8"),
        np.concatenate([c.length for c in columns], dtype="<u4"),
        np.concatenate([c.stream for c in columns], dtype="<u4"),
        np.concatenate([c.kind for c in columns], dtype="u1"),
    ]
    payloads = [stretch for c in columns for stretch in c.stretches()]
    return b"".join([*(column.tobytes() for column in numbers), definitions, *payloads])


def seal(raw: Path, pause: Pause | None = None) -> Path:
    """Put the sealed form of the rolled segment ``raw`` in its place; return its path.

    Memory is bounded by the segment's largest block. ``pause`` may rest after each block.

    Raises:
        TapeCorrupt: ``raw`` is damaged; it stays as it is.
        StorageError, StorageFull: the disk refused; ``raw`` stays as it is.
    """
    temporary, sealed = raw.with_suffix(SEALING), raw.with_suffix(SEALED)
    try:
        with BlockReader(raw) as source, temporary.open("wb") as file:
            _copy(source, SealedFile(file, source), pause)
        temporary.replace(sealed)
        sync_directory(raw.parent)
        raw.unlink()
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, f"sealing {raw}") from error
    except DataError:
        temporary.unlink(missing_ok=True)
        raise
    return sealed


def _copy(source: BlockReader, target: SealedFile, pause: Pause | None) -> None:
    waiting: list[Part] = []
    size = 0
    begun_s = time.monotonic()
    while parts := source.read():
        for piece in chain.from_iterable(map(_pieces, parts)):
            more = int(piece.columns.length.sum(dtype=np.int64)) + COLUMN_BYTES * len(piece.columns.length)
            if waiting and size + more > BLOCK_BYTES * 5 // 4:
                target.add(waiting, source.streams)
                waiting, size = [], 0
            waiting.append(piece)
            size += more
        if pause is not None:
            pause(time.monotonic() - begun_s)
            begun_s = time.monotonic()
    if source.fault:
        raise TapeCorrupt(f"{source.path}: damaged at offset {source.offset}: {source.fault}; {REMEDY}")
    if waiting:
        target.add(waiting, source.streams)
    target.finish(source.pos, source.streams)


def _pieces(part: Part) -> Iterator[Part]:
    """``part`` in pieces of about :data:`BLOCK_BYTES`."""
    ends = np.cumsum(part.columns.length + np.int64(COLUMN_BYTES))
    bounds = np.flatnonzero(np.diff(ends // BLOCK_BYTES)) + 1
    edges = [0, *bounds.tolist(), len(ends)]
    for start, stop in pairwise(edges):
        yield cut(part, part.first_pos + start, part.first_pos + stop)


def clean(tape: Path) -> None:
    """Remove what a crash while sealing has left: unfinished files, and raw ones that were sealed.

    A sealed file that cannot be opened gives way to its raw one, which is then sealed again.
    """
    for unfinished in tape.glob(f"*{SEALING}"):
        unfinished.unlink()
    for first_pos in segment_files(tape):
        raw, sealed = segment_path(tape, first_pos, RAW), segment_path(tape, first_pos, SEALED)
        if not (raw.exists() and sealed.exists()):
            continue
        try:
            BlockReader(sealed).close()
        except TapeCorrupt:
            log.warning("tape.sealed_again", path=str(sealed))
            sealed.unlink()
        else:
            raw.unlink()


class Sealer:
    """Seals rolled segments, one at a time, in a thread of its own.

    It takes its time, unless segments come faster than it seals, or somebody waits for it to end.
    """

    def __init__(self, tape: Path) -> None:
        self._tape = tape
        self._live: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._damaged: set[Path] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tape-seal", daemon=True)
        self._thread.start()

    def seal_before(self, live: int) -> None:
        """Have every raw segment before the one at position ``live`` sealed."""
        self._live.put(live)

    def close(self) -> None:
        """Wait until all that was asked for is sealed."""
        self._closing.set()
        self._live.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (live := self._live.get()) is not None:
            for first_pos, path in segment_files(self._tape).items():
                if first_pos < live and path.suffix == RAW and path not in self._damaged:
                    self._seal(path)

    def _seal(self, raw: Path) -> None:
        """Seal ``raw``. A refusal is no harm to the tape: the raw segment stays, and is tried again."""
        try:
            seal(raw, self._rest)
        except DataError as error:
            self._damaged.add(raw)
            log.error("tape.seal_damaged", path=str(raw), error=str(error))  # noqa: TRY400 the message says it all
        except StorageError as error:
            log.warning("tape.seal_later", path=str(raw), error=str(error))

    def _rest(self, worked_s: float) -> None:
        if self._live.empty():
            self._closing.wait(REST * worked_s)
