"""Minutes with every column, against a Polars group-by that computes OHLCV and nothing else.

    python benchmarks/ohlcv_peer.py [--rows 1000000] [--rounds 5] [--json]

Both get the same trades of 20 symbols over one day, in memory, in order of time, and must agree
on open, high, low, close and volume first. Ours makes 20 columns by the one-shot pass, and by
the resumable kernel in runs of 65,536 as a replay does, with 1 of our threads against all of
Polars'. A third figure gives ours as many quotes besides, of which the group-by knows nothing.
The best of several rounds counts; the rounds alternate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from barograph.bars import BarKernel, BarSettings, Run
from barograph.bars.batch import batch
from barograph.records import Kind
from barograph.rows import Bars, Quotes, Ticks, columns

SYMBOLS = 20
DAY_US = 1_723_075_200_000_000
MINUTE_US = 60_000_000
RUN = 65_536


def simulate(rows: int) -> tuple[Ticks, Quotes]:
    """A day of trades and as many quotes: random walks, the first symbols busier than the last."""
    random = np.random.default_rng(1)
    weight = 1 / np.arange(1, SYMBOLS + 1)
    shared = {
        "ts_us": DAY_US + np.sort(random.integers(0, 86_400_000, rows)) * 1_000,
        "instrument": random.choice(SYMBOLS, rows, p=weight / weight.sum()),
    }
    price = 100 * (1 + shared["instrument"]) * np.exp(np.cumsum(random.normal(0, 2e-5, rows)))
    ticks = columns(
        Ticks,
        record=np.arange(rows),
        price=np.round(price, 2),
        size=np.round(random.lognormal(-4, 1.5, rows), 5) + 1e-5,
        side=random.choice([-1, 1], rows),
        seq=np.arange(rows),
        **shared,
    )
    spread = np.round(random.choice([0.01, 0.02, 0.05], rows), 2)
    quotes = columns(
        Quotes,
        record=np.arange(rows),
        bid_price=price,
        ask_price=price + spread,
        seq=np.arange(rows),
        **shared,
    )
    return ticks, quotes


def by_kernel(ticks: Ticks) -> int:
    """The trades through the resumable kernel, in runs; how many minutes it closed."""
    kernel = BarKernel(BarSettings())
    n = len(ticks)
    kinds, streams = np.full(RUN, Kind.FRAME, dtype=np.uint8), np.zeros(RUN, dtype=np.uint32)
    closed = 0
    for first in range(0, n, RUN):
        rows = ticks.take(slice(first, first + RUN))
        size = len(rows)
        rows = rows.with_(record=rows.record - first)
        run = Run(first, rows.ts_us * 1_000 + 20_000_000, kinds[:size], streams[:size], rows)
        closed += len(kernel.advance(run).bars)
    return closed + len(kernel.peek())


def group_by(frame: pl.DataFrame) -> pl.DataFrame:
    """Open, high, low, close and volume by symbol and minute."""
    return frame.group_by("instrument", pl.col("ts_us") // MINUTE_US * MINUTE_US).agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        price=pl.col("price").last(),
        volume=pl.col("size").sum(),
    )


def check_same(bars: Bars, frame: pl.DataFrame) -> None:
    """Stop unless both made the same OHLCV."""
    theirs = group_by(frame).sort("instrument", "ts_us")
    for name in ("open", "high", "low", "price", "volume"):
        np.testing.assert_allclose(getattr(bars, name), theirs[name].to_numpy(), rtol=1e-12)


def least_seconds(jobs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least seconds of each job; they take turns."""
    least = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            least[name] = min(least[name], time.perf_counter() - started)
    return least


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Seconds of each, and ours as so many times the group-by's."""
    ticks, quotes = simulate(rows)
    names = ("ts_us", "instrument", "price", "size")
    frame = pl.DataFrame({name: getattr(ticks, name) for name in names})
    bars = batch(ticks)
    check_same(bars, frame)
    jobs = {
        "batch_s": lambda: batch(ticks),
        "kernel_s": lambda: by_kernel(ticks),
        "batch_with_quotes_s": lambda: batch(ticks, quotes),
        "group_by_s": lambda: group_by(frame),
    }
    assert by_kernel(ticks) == len(bars)
    seconds = least_seconds(jobs, rounds)
    times = {name.replace("_s", "_times"): value / seconds["group_by_s"] for name, value in seconds.items()}
    return {"benchmark": "ohlcv_peer", "rows": rows, "minutes": len(bars), **seconds, **times}


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description="Minutes with every column against a bare group-by.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    answer = measure(options.rows, options.rounds)
    if options.json:
        print(json.dumps(answer))
        return
    for name, value in answer.items():
        print(f"{name:24} {value:.4g}" if isinstance(value, float) else f"{name:24} {value}")


if __name__ == "__main__":
    main()
