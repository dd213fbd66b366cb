"""Serve a recording: its frames go to whoever has subscribed, at the recording's pace or another.

A recording is a file of lines ``receipt time in nanoseconds, space, frame``, packed with gzip or
zstd or not at all. The handshake, replies and limits are the venue's; the events are the file's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from barograph.clock import NS_PER_S
from barograph.errors import DataError
from barograph.tape.recordings import PIECE_BYTES, open_recording
from barograph.testing.client import Client
from barograph.testing.server import VenueServer

AT_ONCE = 512
"""Frames handed over between two looks at the clock."""

Choose = Callable[[Client, bytes], bool]


def recorded(path: Path) -> Iterator[tuple[int, bytes]]:
    """The receipt times and frames of a recording.

    Raises:
        DataError: there is no such file, it is damaged, or a line of it is none of a recording.
    """
    recording = open_recording(path)
    number = 0
    for chunk in recording.chunks(PIECE_BYTES):
        for line in chunk.data.splitlines():
            number += 1
            moment, _, frame = line.partition(b" ")
            if not moment.isdigit() or not frame:
                raise DataError(f"line {number} of {path} is not `nanoseconds frame`: {line[:80]!r}")
            yield int(moment), frame
    if recording.damage:
        raise DataError(f"{path}: {recording.damage}")


async def replay(server: VenueServer, path: Path, speed: float = 1.0, choose: Choose | None = None) -> int:
    """Send a recording's frames to every client that has subscribed; how many frames there were.

    Args:
        server: a server that runs; its market may stand still.
        path: the recording.
        speed: times as fast as it was; 0 is as fast as clients take it.
        choose: which client gets which frame; all of them, if absent.
    """
    loop = asyncio.get_running_loop()
    begun, first_ns, sent = loop.time(), 0, 0
    batch: list[bytes] = []
    for recv_ns, frame in recorded(path):
        first_ns = first_ns or recv_ns
        due = begun + (recv_ns - first_ns) / NS_PER_S / speed if speed else begun
        if batch and (len(batch) >= AT_ONCE or due > loop.time()):
            sent += await _send(server, batch, choose)
            batch = []
            await asyncio.sleep(max(0.0, due - loop.time()))
        batch.append(frame)
    return sent + await _send(server, batch, choose)


async def _send(server: VenueServer, batch: list[bytes], choose: Choose | None) -> int:
    clients = [client for client in server.connections.values() if client.trades or client.quotes]
    for client in clients:
        chosen = batch if choose is None else [frame for frame in batch if choose(client, frame)]
        client.push(chosen, binary=server.venue.binary)
        await client.drained()
    return len(batch)
