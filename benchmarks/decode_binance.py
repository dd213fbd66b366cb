"""Binance messages a second: our decoder against cryptofeed's handler, in one process.

    python benchmarks/decode_binance.py [--json] [--recording FILE]

The peer is ``message_handler`` of cryptofeed's Binance feed with callbacks that do nothing
(``pip install 'barograph[bench]'``); without it only ours is measured, and that is said.
It takes one frame at a time and makes one object; ours makes columns, from runs of 1 (a
lone live frame), 64, 4,096 and 65,536 frames (a replay), with the clock offset, numbering and
checks included. Kernels are compiled beforehand. ``mixed`` are the frames of a recording of
USD-M futures beside the other, as they came, depth updates among them, for ours only.

The frames are real where a recording is at hand (lines of ``nanoseconds frame``, gzipped),
else made here in the same form. cryptofeed knows trades only as ``aggTrade`` events: it gets
the same trades under that name, with the three numbers added that such an event has.
Both are checked to have read the same prices and sizes first. Each figure is processor time,
the least of the repetitions, which alternate between the two.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import importlib.util
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from barograph.feeds.binance import FEED
from barograph.records import Frames, Kind

RECORDING = Path(__file__).resolve().parents[2] / "shared/data/tapes/binance-spot-btcusdt_20240808.jsonl.gz"
FUTURES = "binance-usdm-btcusdt_20240808.jsonl.gz"
MESSAGES = 8_192
RUNS = (1, 64, 4_096, 65_536)
REPETITIONS = 7
KINDS = ("trade", "bookTicker")


def recorded(path: Path) -> dict[str, list[bytes]]:
    """The first frames of each kind in a recording."""
    found: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    with gzip.open(path) as lines:
        for line in lines:
            frame = line.split(b" ", 1)[1].rstrip()
            kind = frame[:80].partition(b"@")[2].partition(b'"')[0].decode()
            if kind in found:
                found[kind].append(frame)
    return {kind: frames[:MESSAGES] for kind, frames in found.items()}


def mixed(path: Path) -> list[bytes]:
    """All frames of a recording, in their order."""
    with gzip.open(path) as lines:
        return [line.split(b" ", 1)[1].rstrip() for line in lines]


def made() -> dict[str, list[bytes]]:
    """Frames in the form of Binance's, where there is no recording."""
    trade = (
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"61%03d.63000000",'
        '"q":"0.%05d000","T":%d,"m":%s,"M":true}}'
    )
    book = (
        '{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"61%03d.63000000",'
        '"B":"3.%05d000","a":"61%03d.64000000","A":"1.%05d000"}}'
    )
    n, start = range(MESSAGES), 1_723_161_255_343
    trades = [trade % (start + i, i, i % 999, i, start + i - 1, "true" if i % 3 else "false") for i in n]
    books = [book % (i, i % 999, i, i % 999, i) for i in n]
    return {"trade": [t.encode() for t in trades], "bookTicker": [b.encode() for b in books]}


def runs_of(payloads: list[bytes], size: int) -> list[Frames]:
    """The frames as a decoder gets them, ``size`` to a run."""
    runs = []
    for at in range(0, len(payloads) - len(payloads) % size, size):
        part = payloads[at : at + size]
        recv_ns = np.arange(at, at + size) * 1_000_000 + 1_723_161_254_087_891_268
        kind = np.full(size, Kind.FRAME, dtype=np.uint8)
        runs.append(Frames(at, np.arange(size), recv_ns, kind, np.zeros(size, dtype=np.uint32), part))
    return runs


def ours(payloads: list[bytes], size: int) -> tuple[Callable[[], object], int]:
    """A job that decodes the frames in runs of ``size``, and how many it decodes."""
    # Copies, since a replay finds each frame in a place of its own.
    copies = [bytes(bytearray(p)) for _ in range(len(payloads), size, len(payloads)) for p in payloads]
    runs = runs_of(payloads + copies, size)
    state = FEED.state()
    FEED.decode(state, runs[0])

    def job() -> None:
        for run in runs:
            FEED.decode(state, run)

    return job, len(runs) * size


def as_agg_trade(frame: bytes) -> str:
    """A trade as cryptofeed knows it."""
    number = json.loads(frame)["data"]["t"]
    text = frame.decode().replace('@trade"', '@aggTrade"').replace('"e":"trade"', '"e":"aggTrade"')
    return text.replace(f'"t":{number}', f'"a":{number},"f":{number},"l":{number}')


class Peer:
    """cryptofeed's Binance feed; ``seen`` gets what its callbacks get while it is not None."""

    def __init__(self) -> None:
        from cryptofeed.defines import TICKER, TRADES
        from cryptofeed.exchanges import Binance
        from cryptofeed.symbols import Symbols

        # Given here, the symbols are not fetched from the venue.
        info = {"tick_size": {}, "instrument_type": {"BTC-USDT": "spot"}}
        Symbols.set(Binance.id, {"BTC-USDT": "BTCUSDT"}, info)
        self.seen: list[Any] | None = None
        self.feed = Binance(
            symbols=["BTC-USDT"],
            channels=[TRADES, TICKER],
            callbacks={TRADES: self._noop, TICKER: self._noop},
        )

    async def _noop(self, obj: Any, _receipt_timestamp: float) -> None:
        if self.seen is not None:
            self.seen.append(obj)

    def job(self, frames: list[str]) -> Callable[[], object]:
        """A job that handles each frame as one that has just come."""
        handle = self.feed.message_handler

        async def all_of_them() -> None:
            for frame in frames:
                await handle(frame, None, 1_723_161_254.087891)

        return lambda: asyncio.run(all_of_them())

    def check(self, kind: str, payloads: list[bytes], frames: list[str]) -> None:
        """Raise unless both read the same numbers."""
        self.seen = []
        self.job(frames)()
        decoded = FEED.decode(FEED.state(), runs_of(payloads, len(payloads))[0])
        if kind == "trade":
            mine = zip(decoded.ticks.price.tolist(), decoded.ticks.size.tolist(), strict=True)
            theirs = [(float(t.price), float(t.amount)) for t in self.seen]
        else:
            mine = zip(decoded.quotes.bid_price.tolist(), decoded.quotes.ask_price.tolist(), strict=True)
            theirs = [(float(t.bid), float(t.ask)) for t in self.seen]
        if list(mine) != theirs:
            raise SystemExit(f"the two read different {kind} numbers: nothing to compare")
        self.seen = None


def least_seconds(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The least processor seconds of each job, taken in turns."""
    least = dict.fromkeys(jobs, float("inf"))
    for _ in range(REPETITIONS):
        for name, job in jobs.items():
            begun = time.thread_time()
            job()
            least[name] = min(least[name], time.thread_time() - begun)
    return least


def measure(kind: str, payloads: list[bytes], peer: Peer | None) -> dict[str, Any]:
    """Microseconds a message of ours by size of run, of the peer, and the ratios."""
    jobs, counts = {}, {}
    for size in RUNS:
        jobs[str(size)], counts[str(size)] = ours(payloads, size)
    if peer is not None:
        frames = [as_agg_trade(p) if kind == "trade" else p.decode() for p in payloads]
        peer.check(kind, payloads, frames)
        jobs["peer"], counts["peer"] = peer.job(frames), len(frames)
    least = least_seconds(jobs)
    each_us = {name: least[name] / counts[name] * 1e6 for name in jobs}
    peer_us = each_us.pop("peer", None)
    ratios = {name: peer_us / us for name, us in each_us.items()} if peer_us else {}
    return {"kind": kind, "ours_us": each_us, "cryptofeed_us": peer_us, "times_faster": ratios}


def show(results: list[dict[str, Any]], source: str) -> None:
    """The figures as a table."""
    print(f"{source}; Python {platform.python_version()}, {platform.machine()}")
    print(f"{'message':<12}{'run of':>8}{'ours us':>10}{'cryptofeed us':>15}{'times':>8}")
    for result in results:
        for size, us in result["ours_us"].items():
            peer_us, ratio = result["cryptofeed_us"], result["times_faster"].get(size)
            theirs = f"{peer_us:>15.2f}{ratio:>8.2f}" if peer_us else f"{'-':>15}{'-':>8}"
            print(f"{result['kind']:<12}{size:>8}{us:>10.2f}{theirs}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Binance messages a second, ours and cryptofeed's")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--recording", type=Path, default=RECORDING)
    options = parser.parse_args()
    real = options.recording.is_file()
    frames = recorded(options.recording) if real else made()
    there = importlib.util.find_spec("cryptofeed") is not None
    if not there:
        print(
            "cryptofeed is absent, so only ours is measured: pip install 'barograph[bench]'", file=sys.stderr
        )
    peer = Peer() if there else None
    results = [measure(kind, frames[kind], peer) for kind in KINDS]
    futures = options.recording.with_name(FUTURES)
    alone = [measure("mixed", mixed(futures), None)] if futures.is_file() else []
    source = f"real frames of {options.recording.name}" if real else "frames made here"
    if options.json:
        found = {"frames": source, "python": platform.python_version()}
        print(json.dumps(found | {"results": results, "ours_alone": alone}))
    else:
        show(results + alone, source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
