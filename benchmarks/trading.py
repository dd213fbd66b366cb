"""Paper trading: how soon an order follows the bytes that led to it, and how many events a consumer takes.

    python -m benchmarks.trading [--seconds 60] [--rate 5000] [--json]

consumer   trade events a second in one process when no order results, beside what Python needs to parse the
           same events out of JSON (``json.loads``, the peer that every consumer of a stream pays first)
live       a Binance server in one process trades so many times a second, ``barograph record`` records it,
           and ``barograph trade`` trades the dip strategy (on moves so small that orders come all the time)
           into its SQLite ledger: from the receipt of the frame that filled an order to that order in the
           ledger, median and 99th percentile
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recorder import Recording, write_settings
from benchmarks.servers import Servers

EVENTS = 500_000


def consumer() -> dict[str, Any]:
    """Events a second, of one symbol and of twenty, no order resulting."""
    from barograph.paper.consumer import Consumer
    from barograph.paper.dip import Dip
    from barograph.paper.events import TradeEvent
    from barograph.paper.ledgers.sqlite import SqliteLedger

    figures: dict[str, Any] = {}
    for symbols in (1, 20):
        walk = 100.0 + np.cumsum(np.random.default_rng(7).normal(0.0, 1e-4, EVENTS))
        events = [
            TradeEvent(f"S{k % symbols}", price, 1.0, 1_723_075_200_000_000 + k * 200, f"t{k}", "sim")
            for k, price in enumerate(walk.tolist())
        ]
        with tempfile.TemporaryDirectory() as folder:
            ledger = SqliteLedger(Path(folder) / "ledger.sqlite")
            consuming = Consumer(ledger, Dip(drop_pct=50.0, profit_pct=50.0))
            begun = time.perf_counter()
            for start in range(0, EVENTS, 1_000):
                consuming.handle(events[start : start + 1_000])
            took = time.perf_counter() - begun
            consuming.keep()
            if list(ledger.trades()) or consuming.positions():
                raise AssertionError("an order came of events that should have led to none")
            ledger.shut()
        figures[f"events_per_s_{symbols}_symbols"] = EVENTS / took
    return figures | _peer()


def _peer() -> dict[str, Any]:
    lines = [
        json.dumps({"symbol": "S1", "price": 100.0 + k / 1e6, "volume": 1.0, "timestamp": 1_723_075_200 + k})
        for k in range(100_000)
    ]
    begun = time.perf_counter()
    for line in lines:
        json.loads(line)
    return {"json_loads_per_s": len(lines) / (time.perf_counter() - begun)}


def live(seconds: float, rate: float) -> dict[str, Any]:
    """From bytes to orders, with three processes on this machine."""
    with tempfile.TemporaryDirectory(prefix="barograph-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        servers = Servers("binance")
        settings = write_settings(folder, servers.addresses)
        recorder = Recording(settings, folder)
        trader = None
        try:
            recorder.until("connecting", lambda: _ready(recorder))
            trader = _trader(settings, folder)
            servers.say("quotes 0")
            servers.say(f"pace {1 / rate}")  # trades one by one, as a venue sends them, not in handfuls
            servers.say(f"rate {rate}")
            _await_orders(folder)
            time.sleep(5.0)  # code is compiled, caches fill
            skipped, frames = len(_orders(folder)), recorder.status["feeds"]["binance"]["frames"]
            time.sleep(seconds)
            took_ms = _orders(folder)[skipped:]
            frames = recorder.status["feeds"]["binance"]["frames"] - frames
            servers.say("rate 0")
        finally:
            for process in (trader, recorder.process):
                if process is not None:
                    process.terminate()
                    process.wait(30)
            servers.close()
        return {
            "ticks_per_s": frames / seconds,
            "orders": len(took_ms),
            "order_ms_p50": float(np.quantile(took_ms, 0.5)),
            "order_ms_p99": float(np.quantile(took_ms, 0.99)),
            "order_ms_max": max(took_ms),
        }


def _ready(recorder: Recording) -> bool:
    feed = recorder.status.get("feeds", {}).get("binance")
    return bool(feed and feed["planned"] and feed["connections"] == feed["planned"])


def _trader(settings: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "barograph", "trade", "--config", str(settings), "--strategy", "dip"]
    command += ["--drop-pct", "0.001", "--profit-pct", "0.001", "--stop-pct", "0.001", "--lookback-s", "1"]
    log = (folder / "trader.log").open("wb")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def _orders(folder: Path) -> list[float]:
    """From the receipt of the frame that filled an order to the ledger: every order so far, by the log."""
    found = re.findall(rb"took_ms=([0-9.]+)", (folder / "trader.log").read_bytes())
    return [float(took) for took in found]


def _await_orders(folder: Path) -> None:
    until = time.monotonic() + 60.0
    while not _orders(folder):
        if time.monotonic() > until:
            raise TimeoutError(f"no order within a minute; see {folder / 'trader.log'}")
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=5_000.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = {"consumer": consumer(), "live": live(given.seconds, given.rate)}
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, of in figures.items():
        print(name, *(f"  {key:<28}{value:>14,.3f}" for key, value in of.items()), sep="\n")


if __name__ == "__main__":
    main()
