"""Taking recordings of others onto the tape, exactly once however often it is tried.

A recording is known by its feed and the hash of its first 64 KiB, which its connection's
name carries: ``import-HASH-LENGTH``. The lines of a recording that are on the tape already
are counted from the indexes, skipped, and the rest is appended; so the same file may be
imported again, or after it grew, or after a crash at any moment.

A connection on the tape ends once. When a recording grows after its CLOSE, the rest goes
to ``import-HASH-LENGTH-2`` and so on: each of these *sessions* holds an OPEN of ours unless
its first line is one, then one record a line, then a CLOSE. That is all there is to count.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.errors import DataError, UsageError
from barograph.records import Kind, Stream
from barograph.tape.lines import Batch, parse_line, parse_lines
from barograph.tape.listing import list_segments
from barograph.tape.recordings import PIECE_BYTES, Chunk, Recording, open_recording
from barograph.tape.writer import TapeWriter

PREFIX_BYTES = 64 << 10
MAX_LINE_BYTES = 256 << 20
_REPORTED = 10

Progress = Callable[[int, int], None]
"""Told bytes of the file that are read, and its size."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a recording.

    Attributes:
        appended: records that this import made of lines.
        already: records of lines that were on the tape before.
        rejected_lines: lines, of those appended, that fit no form; they are on the tape as frames.
        sent: frames sent, of those appended.
        first_pos: the tape's next position before the import.
        next_pos: the tape's next position after it, behind the OPEN and CLOSE that it added.
        skipped_lines: lines left out because they are longer than the bound.
        messages: the first ten lines that were rejected or left out, told by number.
        stream: where the records went, or were found.
    """

    appended: int
    already: int
    rejected_lines: int
    sent: int
    first_pos: int
    next_pos: int
    skipped_lines: int
    messages: tuple[str, ...]
    stream: Stream


@dataclass(slots=True)
class _Session:
    """One connection of the recording on the tape. ``records`` counts all but the CLOSE."""

    stream: Stream
    records: int
    closed: bool


@dataclass(slots=True)
class _Import:
    """An import under way. ``line`` counts from 1 and is the next to be read."""

    writer: TapeWriter
    recording: Recording
    base: Stream
    sessions: list[_Session]
    line: int = 1
    last_ns: int | None = None
    seen: int = 0
    appended: int = 0
    already: int = 0
    rejected: int = 0
    sent: int = 0
    skipped: int = 0
    messages: list[str] = field(default_factory=list)
    _session: int = 0
    _left: int = 0

    def take(self, chunk: Chunk) -> None:
        """Bring the lines of ``chunk`` onto the tape, as far as they are not there."""
        if chunk.oversized:
            self.skipped += 1
            self._tell(self.line, f"is {chunk.oversized} bytes long and was left out")
            self.line += 1
            return
        if not chunk.finished and not _is_complete(chunk.data):
            self._take_unfinished(chunk.data)
            return
        batch = parse_lines(chunk.data if chunk.finished else chunk.data + b"\n", self.last_ns)
        if batch.payloads:
            self._check_first(batch)
            self.last_ns = int(batch.recv_ns[-1])
            skip = self._on_tape(batch.kind)
            self.already += skip
            self.seen += len(batch.payloads)
            self._append(batch.since(skip))
        self.line += batch.lines

    def close(self) -> None:
        """End the connection that is open, if one is."""
        if self.sessions and not self.sessions[-1].closed and self.last_ns is not None:
            session = self.sessions[-1]
            reason = msgspec.json.encode({"reason": f"the recording {self.recording.path.name} ends"})
            self.writer.append(session.stream, self.last_ns, Kind.CLOSE, reason)
            session.closed = True

    def _check_first(self, batch: Batch) -> None:
        if not self.seen and len(batch.rejected) == len(batch.payloads):
            raise _no_recording(self.recording.path, len(batch.payloads))

    def _on_tape(self, kinds: npt.NDArray[np.uint8]) -> int:
        """How many of the next records, of these ``kinds``, are on the tape: they are passed over."""
        at = 0
        while at < len(kinds):
            if not self._left:
                if self._session == len(self.sessions):
                    break
                # Unless the session's first line opened the connection, its first record is an OPEN of ours.
                self._left = self.sessions[self._session].records - int(kinds[at] != Kind.OPEN)
                self._session += 1
            step = min(self._left, len(kinds) - at)
            self._left -= step
            at += step
        return at

    def _append(self, batch: Batch) -> None:
        n = len(batch.payloads)
        if not n:
            return
        recv_ns, kind, payloads = batch.recv_ns, batch.kind, batch.payloads
        session = self._open_session()
        if not session.records and kind[0] != Kind.OPEN:
            url = msgspec.json.encode({"url": f"file:{self.recording.path.name}"})
            recv_ns, kind = np.insert(recv_ns, 0, recv_ns[0]), np.insert(kind, 0, Kind.OPEN)
            payloads = [url, *payloads]
        self.writer.append_many([session.stream], 0, recv_ns, kind, payloads)
        session.records += len(payloads)
        self.appended += n
        self.sent += int((batch.kind == Kind.SENT).sum())
        self.rejected += len(batch.rejected)
        for i in batch.rejected:
            self._tell(self.line + int(batch.line[i]), f"fits no form: {batch.payloads[i][:60]!r}")

    def _open_session(self) -> _Session:
        if not self.sessions or self.sessions[-1].closed:
            number = len(self.sessions) + 1
            name = self.base.connection + (f"-{number}" if number > 1 else "")
            self.sessions.append(_Session(Stream(self.base.feed, name), 0, closed=False))
            self._session = len(self.sessions)
        return self.sessions[-1]

    def _take_unfinished(self, line: bytes) -> None:
        """Keep a last line that may yet grow apart, by its number: its whole form counts as a line later."""
        stream = Stream(self.base.feed, f"{self.base.connection}-line-{self.line}")
        parsed = parse_line(line)
        recv_ns = parsed.recv_ns if parsed else self.last_ns
        if recv_ns is None:
            raise _no_recording(self.recording.path, 1)
        self.last_ns = recv_ns
        if stream in self.writer.streams:
            self.already += 1
        else:
            self.writer.append(stream, recv_ns, Kind.FRAME, parsed.payload if parsed else line)
            self.appended += 1
            self.rejected += 1
            self._tell(self.line, f"is not finished: {line[:60]!r}")
        self.line += 1

    def _tell(self, line: int, what: str) -> None:
        if len(self.messages) < _REPORTED:
            self.messages.append(f"line {line} {what}")


def import_recording(
    writer: TapeWriter,
    source_path: Path,
    feed: str,
    *,
    connection: str | None = None,
    progress: Progress | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> ImportResult:
    """Append the records of a recording that are not on the tape yet.

    The file holds lines as :mod:`barograph.tape.lines` reads them, packed with gzip or zstd
    or not at all. Nothing of it is lost: a line that fits no form becomes a frame with the
    receipt time of the line before, for the feed's decoder to reject. Secrets in addresses
    and in frames that were sent are replaced by ``***``.

    Args:
        writer: the tape; at the end it is synced.
        source_path: the file.
        feed: name of the feed whose frames these are.
        connection: what the connection's name begins with, instead of ``import``.
        progress: called with the bytes of the file that are read, and its size.
        max_line_bytes: longer lines are left out and told of; at least 4 MiB.

    Raises:
        DataError: no such file; it is empty; its first lines fit no form; or its packed data is
            damaged, in which case all before the damage is on the tape.
        StorageFull, StorageError: the disk refused; import again to go on.
    """
    if max_line_bytes < PIECE_BYTES:
        raise UsageError(f"max_line_bytes is {max_line_bytes}; it must be at least {PIECE_BYTES}")
    recording = open_recording(Path(source_path))
    base = _identity(writer, recording, feed, connection or "import")
    run = _Import(writer, recording, base, _sessions(writer, base))
    first_pos = writer.next_pos
    for chunk in recording.chunks(max_line_bytes):
        run.take(chunk)
        if progress:
            progress(recording.done, recording.size)
    run.close()
    writer.sync()
    _check_whole(run)
    return ImportResult(
        run.appended,
        run.already,
        run.rejected,
        run.sent,
        first_pos,
        writer.next_pos,
        run.skipped,
        tuple(run.messages),
        base,
    )


def _check_whole(run: _Import) -> None:
    path = run.recording.path
    if run.recording.damage:
        raise DataError(
            f"{path}: {run.recording.damage}. The {run.line - 1} lines before it are on the tape, "
            f"{run.appended} of their records new: repair the file or fetch it again, and import it again "
            "to append the rest"
        )
    if run.line == 1 or not (run.appended or run.already or run.skipped):
        raise DataError(f"{path} holds no lines; nothing was appended: is the recording finished?")


def _no_recording(path: Path, lines: int) -> DataError:
    return DataError(
        f"{path}: none of the first {lines} lines is `NANOSECONDS FRAME`, `SECONDS: FRAME` or "
        "`URL <-> SECONDS`; this is no recording that can be imported, and nothing was appended"
    )


def _is_complete(line: bytes) -> bool:
    """Whether a line without a newline cannot be the beginning of a longer one: its frame is whole JSON."""
    parsed = parse_line(line)
    if parsed is None or parsed.payload[-1:] not in (b"}", b"]") or parsed.kind == Kind.OPEN:
        return False
    try:
        msgspec.json.decode(
            parsed.payload.partition(b"\n")[2] if parsed.kind == Kind.REST else parsed.payload
        )
    except msgspec.DecodeError:
        return False
    return True


def _identity(writer: TapeWriter, recording: Recording, feed: str, label: str) -> Stream:
    """The stream of the recording: the one that an earlier import gave it, else a new name.

    A recording that was shorter than 64 KiB when it was imported is known by what it held then.
    """
    prefix = recording.prefix(PREFIX_BYTES)
    name = re.compile(rf"{re.escape(label)}-([0-9a-f]{{16}})-(\d+)")
    known = [name.fullmatch(stream.connection) for stream in writer.streams if stream.feed == feed]
    known.sort(key=lambda matched: int(matched[2]) if matched else 0, reverse=True)
    for matched in filter(None, known):
        if len(prefix) >= int(matched[2]) and _hash(prefix[: int(matched[2])]) == matched[1]:
            return Stream(feed, matched[0])
    return Stream(feed, f"{label}-{_hash(prefix)}-{len(prefix)}")


def _hash(prefix: bytes) -> str:
    return hashlib.blake2b(prefix, digest_size=8).hexdigest()


def _sessions(writer: TapeWriter, base: Stream) -> list[_Session]:
    """The connections of the recording that are on the tape, in order, counted from the indexes."""
    name = re.compile(rf"{re.escape(base.connection)}(-\d+)?")
    streams = [s for s in writer.streams if s.feed == base.feed and name.fullmatch(s.connection)]
    if not streams:
        return []
    counts: Counter[tuple[Stream, int]] = Counter()
    for segment in list_segments(writer.path):
        counts.update(segment.counts)
    return [
        _Session(
            stream,
            sum(n for (s, kind), n in counts.items() if s == stream and kind != Kind.CLOSE),
            closed=counts[stream, Kind.CLOSE] > 0,
        )
        for stream in streams
    ]
