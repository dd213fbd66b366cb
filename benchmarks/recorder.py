"""The live recorder as a user runs it, against venue servers in another process.

    python -m benchmarks.recorder [--minutes 10] [--rate 50000] [--days 7] [--no-peer] [--json]

Binance, Coinbase and Kraken servers (``barograph.testing``) trade over real sockets into one
``barograph record``. Reported are:

sustained   frames a second for so many minutes: loss, how far ticks are behind, memory and its slope,
            processor time a frame beside a bare client that receives and drops
burst       100,000 frames at once: loss, and how long until they are in the tables
reconnect   from a clean close by the venue to the next stored tick
stop        SIGTERM to exit
week        a simulated week through everything behind the sockets (``week.py``): memory at its end
peer        cryptofeed against the same Binance server, with callbacks that do nothing: processor time a
            frame, and the rate at which it falls behind or loses its connection

``--python`` is the interpreter that runs the recorder: one with the core packages alone is what a user has.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recorder_peer import cryptofeed
from benchmarks.servers import Servers

VENUES = ("binance", "coinbase", "kraken")
SYMBOLS = {
    "binance": ["BTC-USDT", "ETH-USDT"],
    "coinbase": ["BTC-USD", "ETH-USD"],
    "kraken": ["BTC-USD", "ETH-USD"],
}
FRAMES_AN_EVENT = 0.79
"""Measured: Coinbase tells of a quote in the ticker of its trade."""
TARGET_PER_S = 50_000
TARGET_MB = 300
BURST = 100_000
TICKS = os.sysconf("SC_CLK_TCK")


def write_settings(folder: Path, addresses: dict[str, dict[str, str]], **record: Any) -> Path:
    """A ``barograph.toml`` that records every served venue."""
    lines = [f'data_dir = "{folder / "data"}"', "[record]", f"feeds = {json.dumps(list(addresses))}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in record.items()]
    for venue, address in addresses.items():
        url = address["url"] + ("/v2" if venue == "kraken" else "")
        lines += [f"[feeds.{venue}]", f"symbols = {json.dumps(SYMBOLS[venue])}"]
        lines += [f'url = "{url}"', f'rest_url = "{address["rest_url"]}"']
    path = folder / "barograph.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


class Recording:
    """A ``barograph record`` process, run by the interpreter ``python``."""

    python = sys.executable

    def __init__(self, settings: Path, folder: Path) -> None:
        self.data = folder / "data"
        self.log = (folder / "recorder.log").open("ab")
        command = [
            self.python,
            "-m",
            "barograph",
            "record",
            "--config",
            str(settings),
            "--json",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)

    @property
    def status(self) -> dict[str, Any]:
        """The status file, newest."""
        try:
            status: dict[str, Any] = json.loads((self.data / "state" / "recorder.status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def memory_mb(self) -> tuple[float, float]:
        """Memory of the recorder and its child: pages that both share counted once, and counted twice."""
        once, twice = zip(*map(memory_mb, processes(self.process.pid)), strict=True)
        return sum(once), sum(twice)

    def cpu_s(self) -> float:
        """Processor time so far, of the recorder and its child."""
        return sum(map(cpu_s, processes(self.process.pid)))

    def until(self, what: str, condition: Any, within_s: float = 120.0) -> float:
        """Seconds until ``condition`` holds."""
        begun = time.monotonic()
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError(f"the recorder ended ({self.process.returncode}); see {self.log.name}")
            if time.monotonic() - begun > within_s:
                raise TimeoutError(f"{what}: not within {within_s} s; {self.status}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def ready(self) -> bool:
        """Whether every feed has all of its connections."""
        feeds = self.status.get("feeds", {})
        return len(feeds) == len(VENUES) and all(
            feed["planned"] and feed["connections"] == feed["planned"] for feed in feeds.values()
        )

    def caught_up(self) -> bool:
        """Whether nothing waits between the wire and the tables."""
        status = self.status
        tables, journal = status["tables"], status["journal"]
        return journal["waiting_records"] == 0 and tables["next_pos"] >= tables["tape_pos"] > 0

    def stop(self) -> float:
        """SIGTERM; seconds until it has ended."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if code != 0:
            raise RuntimeError(f"the recorder ended with {code}; see {self.log.name}")
        return time.monotonic() - begun


def processes(pid: int) -> list[int]:
    """A process and its children."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(int(each) for found in threads for each in found.read_text().split())]


def memory_mb(pid: int) -> tuple[float, float]:
    """A process's proportional and resident set size (smaps_rollup, see proc(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return sizes["Pss"] * 1024 / 1e6, sizes["Rss"] * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def stored(data: Path) -> dict[tuple[str, str, str], int]:
    """Rows of ticks and quotes in the lake, and distinct trade ids: by venue, symbol and channel."""
    from barograph import connect

    market = connect(data)
    rows = market.sql(
        "SELECT venue, symbol, 'trades' AS channel, count(*) AS n, count(DISTINCT trade_id) AS d FROM ticks "
        "GROUP BY ALL UNION ALL "
        "SELECT venue, symbol, 'quotes', count(*), count(*) FROM quotes GROUP BY ALL"
    )
    counts = {}
    for venue, symbol, channel, n, distinct in rows.rows():
        if n != distinct:
            raise AssertionError(f"{n - distinct} trades of {venue} {symbol} are twice in the tables")
        counts[venue, symbol, channel] = n
    return counts


@contextmanager
def recording(folder: Path, addresses: dict[str, dict[str, str]], **record: Any) -> Iterator[Recording]:
    """A recorder that is connected to all venues."""
    recorder = Recording(write_settings(folder, addresses, **record), folder)
    try:
        recorder.until("connecting", recorder.ready)
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()


def sustained(servers: Servers, recorder: Recording, rate: float, minutes: float) -> dict[str, Any]:
    """``rate`` events a second for so long."""
    servers.say(f"rate {rate / FRAMES_AN_EVENT}")
    time.sleep(10)  # not measured: caches fill, code is compiled
    frames_0, cpu_0, begun = _frames(recorder), recorder.cpu_s(), time.monotonic()
    lags, memory = [], []
    while time.monotonic() - begun < minutes * 60:
        time.sleep(1.0)
        status = recorder.status
        lags.append(status["tables"]["lag_s"])
        memory.append((time.monotonic() - begun, *recorder.memory_mb()))
    frames, cpu, elapsed = _frames(recorder) - frames_0, recorder.cpu_s() - cpu_0, time.monotonic() - begun
    late_s = servers.say("report")["late_s"]
    servers.say("rate 0")
    recorder.until("catching up", recorder.caught_up)
    times, sizes, twice = np.array(memory).T
    return {
        "frames_per_s": frames / elapsed,
        "minutes": elapsed / 60,
        "cpu_us_a_frame": cpu / frames * 1e6,
        "cpu_share": cpu / elapsed,
        "lag_s_median": statistics.median(lags),
        "lag_s_p99": float(np.quantile(lags, 0.99)),
        "lag_s_max": max(lags),
        "seconds_with_lag_above_1_s": sum(lag > 1.0 for lag in lags),
        "servers_late_s_max": late_s,
        "memory_mb_max": float(sizes.max()),
        "rss_mb_max": float(twice.max()),
        "memory_mb_an_hour": float(np.polyfit(times, sizes, 1)[0] * 3600),
        "memory_mb_first_last": [float(sizes[:30].mean()), float(sizes[-30:].mean())],
    }


def _frames(recorder: Recording) -> int:
    return sum(feed["frames"] for feed in recorder.status["feeds"].values())


def burst(servers: Servers, recorder: Recording) -> dict[str, Any]:
    """Many events at once, on all venues."""
    sent = servers.frames()
    before = _frames(recorder)
    begun = time.monotonic()
    servers.say(f"burst {round(BURST / FRAMES_AN_EVENT)}")
    frames = servers.frames() - sent
    recorder.until("the burst", lambda: _frames(recorder) >= before + frames)
    on_tape = time.monotonic() - begun
    recorder.until("catching up", recorder.caught_up)
    return {
        "frames": frames,
        "received_s": on_tape,
        "in_tables_s": time.monotonic() - begun,
        "buffer_mb_max": recorder.status["journal"]["highest_bytes"] / 1e6,
    }


def reconnect(servers: Servers, recorder: Recording, times: int = 5) -> dict[str, Any]:
    """A clean close by Binance, then trades: until the first tick behind it is stored."""
    took = []
    servers.say("rate 2000")
    for _ in range(times):
        time.sleep(3.0)  # data for long enough that the waits begin anew
        connects = recorder.status["feeds"]["binance"]["connects"]
        begun_ns = time.time_ns()
        servers.say("act close binance")
        recorder.until("reconnecting", lambda n=connects: recorder.status["feeds"]["binance"]["connects"] > n)
        recorder.until("a tick", lambda since=begun_ns: _first_tick_after(recorder.data, since) is not None)
        first_ns = _first_tick_after(recorder.data, begun_ns)
        assert first_ns is not None
        took.append((first_ns - begun_ns) / 1e9)
    servers.say("rate 0")
    return {"first_stored_tick_s_median": statistics.median(took), "first_stored_tick_s_max": max(took)}


def _first_tick_after(data: Path, opened_after_ns: int) -> int | None:
    """Receipt time of the first frame on a connection that was opened after a moment."""
    from barograph.records import Kind
    from barograph.tape import TapeReader, list_segments

    segment = list_segments(data / "tape")[-1]
    opened = set()
    for run in TapeReader(data / "tape").read(segment.first_pos):
        for record in run:
            if record.stream.feed != "binance":
                continue
            if record.kind == Kind.OPEN and record.recv_ns > opened_after_ns:
                opened.add(record.stream)
            if record.kind == Kind.FRAME and record.stream in opened and b'"e":"trade"' in record.payload:
                return record.recv_ns
    return None


BARE = """
import asyncio, sys, time
from picows import WSFrame, WSListener, WSTransport, ws_connect
class Drop(WSListener):
    frames = 0
    def on_ws_connected(self, transport):
        transport.send(1, sys.argv[2].encode())
    def on_ws_frame(self, transport, frame):
        Drop.frames += 1
async def main():
    await ws_connect(Drop, sys.argv[1])
    await asyncio.sleep(2)
    frames, cpu = Drop.frames, time.process_time()
    await asyncio.sleep(float(sys.argv[3]))
    print(Drop.frames - frames, time.process_time() - cpu)
asyncio.run(main())
"""


def bare_client(servers: Servers, rate: float, seconds: float = 10.0) -> dict[str, Any]:
    """A client that receives from Binance and drops: the floor."""
    url = servers.addresses["binance"]["url"] + "/ws"
    streams = ["btcusdt@trade", "ethusdt@trade", "btcusdt@bookTicker", "ethusdt@bookTicker"]
    subscribe = json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1})
    servers.say(f"rate {rate}")
    done = subprocess.run(
        [sys.executable, "-c", BARE, url, subscribe, str(seconds)], check=True, capture_output=True, text=True
    )
    servers.say("rate 0")
    frames, cpu = done.stdout.split()
    return {"frames_per_s": int(frames) / seconds, "cpu_us_a_frame": float(cpu) / int(frames) * 1e6}


def compared(made: dict[Any, int], kept: dict[Any, int]) -> dict[str, Any]:
    """What was made and what is in the tables."""
    lost = {key: count - kept.get(key, 0) for key, count in made.items() if kept.get(key, 0) != count}
    return {
        "made": sum(made.values()),
        "stored": sum(kept.values()),
        "different": [[*k, n] for k, n in lost.items()],
    }


def week(days: float) -> Any:
    """The simulated week, in a process of its own."""
    command = [Recording.python, "-m", "benchmarks.week", "--days", str(days), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class Results(dict[str, Any]):
    """Results, told as they come: a run of a quarter of an hour should not be lost at its end."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        sys.stderr.write(f"{name}: {json.dumps(value)}\n")


def measure(minutes: float, rate: float, days: float, peer: bool) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="barograph-bench-") as name:
        folder = Path(name)
        servers = Servers(*VENUES)
        results = Results()
        try:
            with recording(folder, servers.addresses, sustained_s=1.0) as recorder:
                results["idle_memory_mb"] = recorder.memory_mb()[0]
                results["sustained"] = sustained(servers, recorder, rate, minutes)
                results["burst"] = burst(servers, recorder)
                results["compared"] = compared(servers.made(), stored(recorder.data))
                results["reconnect"] = reconnect(servers, recorder)
                recorder.until("catching up", recorder.caught_up)
                results["stop_s"] = recorder.stop()
                results["compared_at_the_end"] = compared(servers.made(), stored(recorder.data))
            results["bare"] = bare_client(servers, rate)
            if peer:
                results["cryptofeed"] = cryptofeed(servers)
        finally:
            servers.close()
    if days:
        results["week"] = week(days)
    results["cpu_to_bare"] = results["sustained"]["cpu_us_a_frame"] / results["bare"]["cpu_us_a_frame"]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=TARGET_PER_S)
    parser.add_argument("--days", type=float, default=7.0, help="of the simulated week; 0 leaves it out")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    Recording.python = given.python
    results = measure(given.minutes, given.rate, given.days, not given.no_peer)
    print(json.dumps(results, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
