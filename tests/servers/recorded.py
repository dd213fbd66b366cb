"""A simulated market's tape with something in every table, for tests over both kinds of store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from barograph.clock import MINUTE_US, NS_PER_US, ManualClock
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.store.opening import Location
from barograph.tape import TapeWriter

if TYPE_CHECKING:
    from barograph.store.postgres.address import Address

START_US = 1_723_161_600_000_000 - 45 * MINUTE_US
"""45 minutes before midnight of 2024-08-09, UTC, so that there are two days."""
_CANDLES = "timestamp,open,high,low,close,volume\n" + "".join(
    f"2024-08-{8 + k // 24:02d}T{k % 24:02d}:00:00Z,{100 + k},{101 + k},{99 + k},{100 + k}.5,{k}\n"
    for k in range(30)
)


def write_tape(data: Path, minutes: int = 90, rate: float = 0.4, seed: int = 3) -> None:
    """Put the market's frames on the tape of ``data``, with one that nobody can read, and candles."""
    from barograph.feeds.candle_files import parse_candles

    market = Market(seed, ["BTC-USD", "ETH-USD", "AAPL"], start_us=START_US, minutes=minutes, rate=rate)
    stream, end_us = Stream("sim", "tests"), START_US + (minutes + 1) * MINUTE_US
    with TapeWriter(data / "tape", clock=ManualClock(START_US * NS_PER_US)) as tape:
        tape.append(stream, START_US * NS_PER_US, Kind.OPEN, b'{"url":"sim:"}')
        for batch in frames(market):
            tape.append_many([stream], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
        tape.append(stream, end_us * NS_PER_US, Kind.FRAME, b'{"nobody":"knows"')
        tape.append(stream, end_us * NS_PER_US, Kind.CLOCK, b"")
        made = parse_candles(_CANDLES.splitlines(True), venue="file", symbol="SPY", interval_s=3_600)
        payloads = [frame.payload for frame in made]
        times = np.full(len(payloads), end_us * NS_PER_US, np.int64)
        tape.append_many([Stream("candles", "import:tests")], 0, times, Kind.FRAME, payloads)


def recorded(data: Path, minutes: int = 90, *, sealed: bool = False) -> Path:
    """The data directory ``data`` with that tape and its tables; ``sealed``: its first day is."""
    from barograph.recorder import replay
    from barograph.store import Lake

    write_tape(data, minutes)
    replay(data)
    if sealed:
        Lake(data / "lake").seal(grace_s=0.0)
    return data


def also_at(address: Address, data: Path) -> Location:
    """The location of tables at ``address``, made of the tape of ``data``, which has a lake of its own."""
    from barograph.recorder import replay

    where = replace(with_tables(address), data=data)
    (data / "state" / "line.checkpoint").unlink()
    replay(data, tables=where)
    return where


def with_tables(address: Address) -> Location:
    """The location of tables at ``address``, which are made."""
    from tests.store.postgres import making_tables

    return Location(None, making_tables.with_tables(address))
