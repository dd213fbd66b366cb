"""Bars: the batch pass against a bare OHLCV group-by, and the resumable kernel run by run.

    python benchmarks/bars_kernel.py [--json] [--rows 1000000]

**batch**: 1 M trades of 20 instruments over a day in the order of time, all columns of
``market_microstructure``, with the venue's sides and without quotes; then the same trades
without sides and as many quotes (every trade is signed by Lee and Ready). The peer is Polars
making open, high, low, close and volume of the same trades, and nothing else. Rows lie in
memory; both use what threads they use by default (ours: one).

**advance**: trades and quotes of 20 instruments at 50 rows a second, in runs of 65,536, 10
and 1 records; nanoseconds a row and microseconds a call.

Each figure is the least of the repetitions, which alternate between ours and the peer's.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from barograph.bars import BarKernel, BarSettings, Run
from barograph.bars.batch import batch
from barograph.clock import DAY_US, US_PER_S
from barograph.rows import C, Ints, Quotes, Ticks, columns

START_US = 1_723_075_200_000_000
INSTRUMENTS = 20
REPETITIONS = 7
SMALL_CALLS = 20_000


def made(n: int, span_us: int) -> tuple[Ticks, Quotes]:
    """``n`` trades, each with a quote in the record before it."""
    rng = np.random.default_rng(8)
    shared = {
        "ts_us": START_US + np.sort(rng.integers(0, span_us, n)),
        "instrument": rng.integers(0, INSTRUMENTS, n),
    }
    price = np.round(100 + np.cumsum(rng.normal(0, 0.01, n)), 2)
    order = np.arange(n)
    ticks = columns(
        Ticks,
        record=2 * order + 1,
        price=price,
        size=rng.exponential(1.0, n),
        side=rng.choice([-1, 1], n),
        **shared,
    )
    quotes = columns(Quotes, record=2 * order, bid_price=price - 0.01, ask_price=price + 0.01, **shared)
    return ticks, quotes


def group_by(frame: pl.DataFrame) -> pl.DataFrame:
    """The peer: open, high, low, close and volume a minute."""
    price = pl.col("price")
    return frame.group_by("instrument", pl.col("ts_us") // (60 * US_PER_S)).agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        pl.col("size").sum().alias("volume"),
    )


def least(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least time of each call in seconds, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPETITIONS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return {name: min(times) for name, times in taken.items()}


def measure_batch(n: int) -> dict[str, float]:
    """Seconds of the batch pass and of the peer, and their ratios."""
    ticks, quotes = made(n, DAY_US)
    unsigned = ticks.with_(side=np.zeros(n, dtype=np.int8))
    frame = pl.DataFrame({name: getattr(ticks, name) for name in ("ts_us", "instrument", "price", "size")})
    assert len(batch(ticks)) == len(group_by(frame))
    batch(unsigned, quotes)
    taken = least(
        {
            "all_columns": lambda: batch(ticks),
            "all_columns_with_quotes": lambda: batch(unsigned, quotes),
            "polars_ohlcv": lambda: group_by(frame),
        }
    )
    ratios = {
        f"{name}_ratio": s / taken["polars_ohlcv"] for name, s in taken.items() if name != "polars_ohlcv"
    }
    return taken | ratios


def part(rows: C, start: int, stop: int) -> C:
    """The rows of the records ``start`` to ``stop``, as rows of a run."""
    record: Ints = rows.record  # type: ignore[attr-defined]
    first, last = np.searchsorted(record, [start, stop])
    return rows.take(slice(int(first), int(last))).with_(record=record[first:last] - start)


def as_runs(ticks: Ticks, quotes: Quotes, size: int, limit: int) -> list[Run]:
    """The first ``limit`` runs of ``size`` records."""
    n = len(ticks) + len(quotes)
    recv_ns = np.repeat(ticks.ts_us, 2) * 1_000 + 50_000_000
    runs = []
    for start in range(0, min(n, size * limit), size):
        stop = min(start + size, n)
        kind, stream = np.ones(stop - start, dtype=np.uint8), np.zeros(stop - start, dtype=np.uint32)
        rows = part(ticks, start, stop), part(quotes, start, stop)
        runs.append(Run(start, recv_ns[start:stop], kind, stream, *rows))
    return runs


def measure_advance(n: int) -> dict[str, float]:
    """Nanoseconds a row and microseconds a call of the kernel, by length of run."""
    ticks, quotes = made(n // 2, n // 50 * US_PER_S)
    results: dict[str, float] = {}
    for size in (65_536, 10, 1):
        runs = as_runs(ticks, quotes, size, SMALL_CALLS)
        kernels: list[BarKernel] = []

        def play(runs: list[Run] = runs, kernels: list[BarKernel] = kernels) -> None:
            kernels.append(BarKernel(BarSettings()))
            for run in runs:
                kernels[-1].advance(run)

        taken = least({"advance": play})["advance"]
        rows = sum(len(run) for run in runs)
        results[f"ns_a_row_runs_of_{size}"] = taken / rows * 1e9
        results[f"us_a_call_runs_of_{size}"] = taken / len(runs) * 1e6
        results[f"state_mb_runs_of_{size}"] = kernels[-1].nbytes / 1e6
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--rows", type=int, default=1_000_000, help="trades in the batch, rows in the kernel")
    args = parser.parse_args()
    results: dict[str, Any] = {"batch_s": measure_batch(args.rows), "advance": measure_advance(args.rows)}
    results["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    if args.json:
        print(json.dumps(results, indent=2))
        return
    for group in ("batch_s", "advance"):
        for name, value in results[group].items():
            print(f"{group:8} {name:32} {value:12.4g}")


if __name__ == "__main__":
    main()
