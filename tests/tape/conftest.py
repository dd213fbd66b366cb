"""Tapes to test with: small ones, written through the real writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barograph.clock import ManualClock
from barograph.records import Kind, Record, Stream
from barograph.tape import TapeReader, TapeWriter

START_NS = 1_723_161_254_087_891_268
STREAM = Stream("sim", "sim-1")

Open = Callable[..., TapeWriter]


@pytest.fixture
def clock() -> ManualClock:
    """Stands at 2024-08-08 23:54:14 UTC, so the hour is over in 346 s."""
    return ManualClock(START_NS)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Where the test's tape is."""
    return tmp_path / "tape"


@pytest.fixture
def opened(tape: Path, clock: ManualClock) -> Iterator[Open]:
    """Open the tape for writing; whatever is still open is closed in the end."""
    writers = []

    def open_tape(**settings: Any) -> TapeWriter:
        writers.append(TapeWriter(tape, clock=clock, **settings))
        return writers[-1]

    yield open_tape
    for writer in writers:
        writer.close()


@pytest.fixture
def fill(tape: Path, clock: ManualClock) -> Callable[..., list[Record]]:
    """Append batches of payloads of one stream, one block each, and return all records of the tape."""

    def fill_tape(*batches: Sequence[bytes], stream: Stream = STREAM, **settings: Any) -> list[Record]:
        with TapeWriter(tape, clock=clock, **settings) as writer:
            for batch in batches:
                recv_ns = START_NS + writer.next_pos + np.arange(len(batch))
                writer.append_many([stream], 0, recv_ns, Kind.FRAME, batch)
        return read_all(tape)

    return fill_tape


def read_all(tape: Path, **bounds: Any) -> list[Record]:
    """Every record of the tape, checked for positions without holes."""
    found = [record for run in TapeReader(tape).read(**bounds) for record in run]
    if found:
        assert [record.pos for record in found] == list(range(found[0].pos, found[0].pos + len(found)))
    return found


@pytest.fixture
def records(tape: Path) -> Callable[..., list[Record]]:
    """Read the test's tape."""
    return lambda **bounds: read_all(tape, **bounds)


@contextmanager
def patched(path: Path, offset: int, data: bytes) -> Iterator[None]:
    """Some bytes of a file changed for a while."""
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(len(data))
        file.seek(offset)
        file.write(data)
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(before)


@pytest.fixture(name="patched")
def patched_fixture() -> Callable[[Path, int, bytes], Any]:
    """Change some bytes of a file for a while."""
    return patched
