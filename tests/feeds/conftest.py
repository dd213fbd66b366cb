"""Building tapes for decoders, and telling what they gave as plain values."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from barograph import snapshot
from barograph.feeds.feed import Feed
from barograph.records import Frames, Kind, Records, Stream
from barograph.rows import Decoded

START_NS = 1_723_161_255_000_000_000
GAP_NS = 10_000_000


class Recording(NamedTuple):
    """A real recording: receipt times and frames."""

    recv_ns: list[int]
    payloads: list[bytes]

    def frames(self) -> Frames:
        return frames_of(self.payloads, recv_ns=self.recv_ns)


def frames_of(
    payloads: list[bytes],
    recv_ns: list[int] | None = None,
    kinds: list[Kind] | None = None,
    streams: list[int] | None = None,
) -> Frames:
    """Frames of one connection, 10 ms apart, unless told otherwise."""
    n = len(payloads)
    return Frames(
        0,
        np.arange(n),
        np.array(recv_ns or [START_NS + GAP_NS * i for i in range(n)], dtype=np.int64),
        np.array(kinds or [Kind.FRAME] * n, dtype=np.uint8),
        np.array(streams or [0] * n, dtype=np.uint32),
        payloads,
    )


def rest(url: str, body: Any) -> bytes:
    """The payload of a REST record."""
    text = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return msgspec.json.encode({"url": url}) + b"\n" + text


def outcome(parts: Iterable[tuple[int, Decoded]]) -> dict[str, Any]:
    """What all parts gave together: columns as bytes, records as positions on the tape."""
    found: dict[str, Any] = {"rejects": [], "unknown": {}}
    for first_pos, decoded in parts:
        for table in ("ticks", "quotes", "marks", "candles"):
            rows = getattr(decoded, table)
            rows = rows.with_(record=rows.record + first_pos)
            for column in fields(rows):
                key = f"{table}.{column.name}"
                found[key] = found.get(key, b"") + getattr(rows, column.name).tobytes()
        found["rejects"] += [(first_pos + r.record, r.reason, r.excerpt) for r in decoded.rejects]
        for kind, times in decoded.unknown.items():
            found["unknown"][kind] = found["unknown"].get(kind, 0) + times
    return found


def decode_in_pieces(feed: Feed, records: Records, cuts: Iterable[int]) -> dict[str, Any]:
    """The tape decoded in runs, with the state written down and read back between them."""
    state = feed.state()
    parts = []
    edges = [0, *sorted(cuts), len(records)]
    for start, stop in pairwise(edges):
        run = records.cut(start, stop)
        parts.append((run.first_pos, feed.decode(state, run.of(feed.name))))
        state = snapshot.unpack(snapshot.pack(state), feed.state)
    return outcome(parts)


class Tools(NamedTuple):
    """The functions above, for tests (test modules are not importable from each other)."""

    frames_of: Callable[..., Frames] = frames_of
    rest: Callable[[str, Any], bytes] = rest
    outcome: Callable[[Iterable[tuple[int, Decoded]]], dict[str, Any]] = outcome
    decode_in_pieces: Callable[[Feed, Records, Iterable[int]], dict[str, Any]] = decode_in_pieces
    stream: Callable[..., Stream] = Stream


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


def _jsonl(path: Path) -> Recording:
    """Lines of ``nanoseconds frame``."""
    lines = gzip.decompress(path.read_bytes()).splitlines()
    parts = [line.split(b" ", 1) for line in lines]
    return Recording([int(recv) for recv, _ in parts], [frame for _, frame in parts])


def _text(path: Path) -> Recording:
    """Lines of ``seconds: frame``; lines that begin with an address are what was sent."""
    recording = Recording([], [])
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        match = re.fullmatch(r"(\d+(?:\.\d+)?): (.*)", line)
        if match:
            recording.recv_ns.append(int(Decimal(match[1]) * 1_000_000_000))
            recording.payloads.append(match[2].encode())
    return recording


@pytest.fixture(scope="session")
def recorded(recordings: Path) -> Callable[[str], Recording]:
    """``recorded("kraken-48")``: the recording whose file begins so, read once."""
    known: dict[str, Recording] = {}

    def load(start: str) -> Recording:
        if start not in known:
            (path,) = recordings.glob(f"{start}*.gz")
            known[start] = _jsonl(path) if ".jsonl" in path.name else _text(path)
        return known[start]

    return load
