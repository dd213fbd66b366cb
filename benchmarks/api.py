"""The API as clients see it: a year of minutes at once, and many small questions while recording goes on.

    python -m benchmarks.api [--seconds 60] [--rate 200] [--python PATH] [--no-browser] [--json]

year       one symbol's minutes of a year (525,600 rows) from ``barograph serve``, by one client on loopback:
           seconds from the request to the last byte, best and median of five, and the server's memory
small      ``/v1/bars?limit=500`` so many times a second over 16 connections, a random symbol and a random
           start each, while ``barograph record`` records the simulator's feed into the same data directory.
           Times are from the moment when a request was due, whether or not one before it was late (no
           coordinated omission). There are 90 different questions; answers to some come from memory.
           Before, the same for the minute in which the recorder seals the day that is asked for
dashboard  how soon the dashboard's first page and another symbol are there, see :mod:`benchmarks.dashboard`

Server, recorder and client share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from barograph.clock import DAY_US, MINUTE_US
from barograph.store import Commit, Lake
from barograph.tables import MARKET_MICROSTRUCTURE
from benchmarks import dashboard

DAYS = 365
START_US = 1_704_067_200_000_000
TRIES = 5
CONNECTIONS = 16
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD")
HOURS = 24
"""Of simulated market before the recording, to ask for."""
SEALING_S = 90.0
"""A minute after it has begun the recorder seals that day, as it does with each when it is over: all answers
about it are made anew. That is measured by itself."""


def write_year(data: Path) -> None:
    """A sealed year of one symbol: prices of two decimals that walk, computed columns of all digits."""
    lake = Lake(data / "lake")
    walk = np.random.default_rng(7)
    for day in range(DAYS):
        rows = _day(walk, START_US + day * DAY_US, day * 1_440)
        lake.commit(Commit(day * 1_440, (day + 1) * 1_440, {MARKET_MICROSTRUCTURE.name: rows}))
    lake.seal(all=True, grace_s=0)
    lake.close()


def _day(walk: np.random.Generator, start_us: int, pos: int) -> pa.Table:
    count = 1_440
    price = np.round(50_000 * np.exp(np.cumsum(walk.normal(0, 1e-4, count))), 2)
    rounded = {"open", "high", "low", "price", "exec_price", "bid_price", "ask_price", "bid_ask_spread"}
    values: dict[str, Any] = {}
    for column in MARKET_MICROSTRUCTURE.columns:
        if column.type == "time":
            values[column.name] = start_us + np.arange(count) * MINUTE_US
        elif column.type == "string":
            values[column.name] = ["BTC-USD" if column.name == "symbol" else "sim"] * count
        elif column.name in rounded:
            values[column.name] = price
        elif column.type == "double":
            values[column.name] = walk.lognormal(0, 1, count)
        else:
            values[column.name] = pos + np.arange(count) if column.name == "tape_pos" else np.full(count, 1)
    schema = MARKET_MICROSTRUCTURE.schema()
    return pa.table([pa.array(values[field.name]).cast(field.type) for field in schema], schema=schema)


@contextmanager
def served(python: str, data: Path) -> Iterator[tuple[str, int, int]]:
    """``barograph serve`` over a data directory: host, port, process."""
    command = [python, "-m", "barograph", "serve", "--data", str(data), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = urlsplit(json.loads(process.stdout.readline())["url"])
        assert url.hostname is not None
        assert url.port is not None
        _ask(url.hostname, url.port, "/v1/bars?limit=1")
        yield url.hostname, url.port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _ask(host: str, port: int, path: str) -> tuple[float, int]:
    """Seconds until the last byte, and bytes."""
    connection = HTTPConnection(host, port, timeout=120)
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    took = time.perf_counter() - begun
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return took, size


def year(python: str) -> dict[str, Any]:
    """A year of minutes in each form."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="barograph-api-") as folder:
        data = Path(folder)
        write_year(data)
        with served(python, data) as (host, port, pid):
            for form in ("arrow", "json", "csv"):
                path = f"/v1/bars?symbol=BTC-USD&limit=600000&format={form}"
                times, sizes = zip(*(_ask(host, port, path) for _ in range(TRIES)), strict=True)
                figures[f"{form}_s_best"] = min(times)
                figures[f"{form}_s_median"] = statistics.median(times)
                figures[f"{form}_mb"] = sizes[0] / 1e6
            figures["server_peak_mb"] = _peak_mb(pid)
    return figures


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def small(python: str, seconds: float, rate: float) -> dict[str, Any]:
    """Many small questions beside a recorder."""
    with tempfile.TemporaryDirectory(prefix="barograph-api-") as folder:
        data = Path(folder)
        _run(python, "simulate", "--data", str(data), "--duration", f"{HOURS}h", "--quiet")
        _run(python, "replay", "--data", str(data), "--quiet")
        with recording(python, data), served(python, data) as (host, port, pid):
            sealing_ms, _ = asyncio.run(_load(host, port, SEALING_S, rate))
            took_ms, size = asyncio.run(_load(host, port, seconds, rate))
            peak_mb = _peak_mb(pid)
    return {
        "requests": len(took_ms),
        "mb_per_s": size / seconds / 1e6,
        "ms_p50": float(np.quantile(took_ms, 0.5)),
        "ms_p99": float(np.quantile(took_ms, 0.99)),
        "ms_p999": float(np.quantile(took_ms, 0.999)),
        "ms_max": max(took_ms),
        "sealing_ms_p99": float(np.quantile(sealing_ms, 0.99)),
        "sealing_ms_max": max(sealing_ms),
        "server_peak_mb": peak_mb,
    }


def _run(python: str, *words: str) -> None:
    subprocess.run([python, "-m", "barograph", *words], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def recording(python: str, data: Path) -> Iterator[None]:
    """``barograph record`` of the simulator's feed, once it has begun."""
    command = [python, "-m", "barograph", "record", "--feed", "sim", "--data", str(data), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status = data / "state" / "recorder.status.json"
    try:
        until = time.monotonic() + 60.0
        while not _frames(status):
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("the recorder did not begin within a minute")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _frames(status: Path) -> int:
    """Frames that the recorder has taken, by its status file."""
    feeds = json.loads(status.read_bytes())["feeds"] if status.exists() else {}
    return sum(feed["frames"] for feed in feeds.values())


async def _load(host: str, port: int, seconds: float, rate: float) -> tuple[list[float], int]:
    """Milliseconds of every request since it was due, and bytes."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    took_ms: list[float] = []
    sizes: list[int] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        chosen = random.Random(number)
        while (at := await due.get()) is not None:
            writer.write(_request(host, chosen))
            sizes.append(await _answer(reader))
            took_ms.append((time.perf_counter() - at) * 1e3)
        writer.close()

    clients = [asyncio.create_task(client(number)) for number in range(CONNECTIONS)]
    begun = time.perf_counter()
    for number in range(int(seconds * rate)):
        at = begun + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    return took_ms, sum(sizes)


def _request(host: str, chosen: random.Random) -> bytes:
    hour = chosen.randrange(HOURS - 9)
    path = f"/v1/bars?limit=500&symbol={chosen.choice(SYMBOLS)}&start=2024-08-08T{hour:02d}:00"
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    size = int(length.partition(b":")[2])
    await reader.readexactly(size)
    return size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--python", default=sys.executable, help="runs the server and the recorder")
    parser.add_argument("--no-browser", action="store_true", help="leave the dashboard out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = {"year": year(given.python), "small": small(given.python, given.seconds, given.rate)}
    if not given.no_browser:
        figures["dashboard"] = dashboard.measure(given.python)
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, of in figures.items():
        lines = (
            f"  {key:<28}{value if isinstance(value, str) else f'{value:>14,.3f}'}"
            for key, value in of.items()
        )
        print(name, *lines, sep="\n")


if __name__ == "__main__":
    main()
