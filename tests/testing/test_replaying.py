"""Recordings served over a venue's handshake."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from barograph.errors import DataError
from barograph.testing import Binance, Client, LiveMarket, VenueServer
from barograph.testing.replaying import recorded, replay

FRAMES = [b'{"n":%d}' % n for n in range(6)]


def recording(folder: Path, name: str = "frames.jsonl.gz") -> Path:
    """Six frames, 20 ms apart."""
    path = folder / name
    lines = b"".join(b"%d %s\n" % (1_000_000_000 + n * 20_000_000, frame) for n, frame in enumerate(FRAMES))
    path.write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    return path


def test_a_recording_is_sent_frame_by_frame_at_its_pace(wire: Any, tmp_path: Path) -> None:
    async def scenario(speed: float) -> float:
        async with (
            VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            await server.connected(1)
            begun = asyncio.get_running_loop().time()
            sending = asyncio.ensure_future(replay(server, recording(tmp_path), speed))
            assert [await socket.text() for _ in FRAMES] == FRAMES
            assert await sending == 6
            assert server.connections[1].frames == 6
            return asyncio.get_running_loop().time() - begun

    assert asyncio.run(scenario(1.0)) >= 0.1
    assert asyncio.run(scenario(10.0)) < 0.1


def test_frames_can_be_chosen_for_each_client(wire: Any, tmp_path: Path) -> None:
    def even(client: Client, frame: bytes) -> bool:
        return frame[-2:-1] in (b"0", b"2", b"4")

    async def scenario() -> list[bytes]:
        async with (
            VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            await server.connected(1)
            await replay(server, recording(tmp_path, "frames.jsonl"), 0, even)
            return [await socket.text() for _ in range(3)]

    assert asyncio.run(scenario()) == FRAMES[::2]


def test_a_real_recording_arrives_whole(wire: Any, recordings: Path) -> None:
    path = recordings / "binance-spot-btcusdt_20240808.jsonl.gz"

    async def scenario() -> int:
        async with (
            VenueServer(Binance(LiveMarket(["BTC-USDT"]), messages=10_000)) as server,
            wire.connect(f"{server.url}/stream?streams=btcusdt@trade") as socket,
        ):
            await server.connected(1)
            sending = asyncio.ensure_future(replay(server, path, 0))
            got = 0
            for _, frame in recorded(path):
                assert await socket.text() == frame
                got += 1
                if got == 5_000:
                    break
            sending.cancel()
            return got

    assert asyncio.run(scenario()) == 5_000


def test_a_line_that_is_none_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b'1 {"a":1}\nnothing\n')
    with pytest.raises(DataError, match="line 2"):
        list(recorded(path))


def test_a_damaged_recording_is_told(tmp_path: Path) -> None:
    path = recording(tmp_path)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="damaged"):
        list(recorded(path))
