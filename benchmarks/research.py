"""Sweeps and statistics beside other tools, over the same bars, in one run.

    python -m benchmarks.research [--json] [--strategies 500] [--minutes 500000] [--minute-peer 50]

Parts:

daily       500 SMA crosses over 5,031 real daily bars of the S&P 500: vectorbt, backtesting.py, backtrader
minute      the same over 500,000 minute bars (a random walk): vectorbt, by slices of strategies
many        100,000 strategies of all families over 5,000 bars
first       the first sweep of a new process, compiled code on disk
honesty     PBO with 16 blocks, SPA with 1,000 repetitions, each 500 x 5,000: holdout-backtest, arch

Each engine is a process of its own, so that peak memory is its own. Slow peers get fewer strategies and
are scaled up, which is said (``of``): time grows with the number of strategies in all of them. Our trades
are compared with vectorbt's by their number and the returns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import python_of

HERE = Path(__file__).resolve().parent
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000

OURS = """
import json, resource, sys, time
import numpy as np
from barograph.research.backtesting import sweep
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

with np.load(sys.argv[1]) as file:
    data = {name: file[name] for name in file.files}
n, rounds, interval_us, families = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
prices = Prices("X", interval_us, data["ts_us"], data["open"], data["high"], data["low"], data["close"],
                np.full(len(data["close"]), np.nan))
if families == "all":
    from barograph.strategies.generating import generate
    strategies = generate(n, 42, sides=("long", "both"), stops=True)
else:
    strategies = tuple(Strategy(family="sma_cross", params={"fast": int(f), "slow": int(s)})
                       for f, s in zip(data["fast"][:n], data["slow"][:n], strict=True))
times, cpus = [], []
for _ in range(rounds):
    begun, cpu = time.perf_counter(), time.process_time()
    found = sweep(prices, strategies, Costs(fee_bps=10.0))
    times.append(time.perf_counter() - begun)
    cpus.append(time.process_time() - cpu)
print(json.dumps({
    "seconds": min(times[1:] or times), "first_s": times[0], "cpu_s": min(cpus[1:] or cpus),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "answer": {name: np.asarray(found.metrics[name])[:2000].tolist()
               for name in ("total_return", "num_trades")},
}))
"""

STATISTICS = """
import json, sys, time
import numpy as np
with np.load(sys.argv[1]) as file:
    returns = file["returns"]
def timed(work):
    work(returns[:, :3])
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        found = work(returns)
        times.append(time.perf_counter() - begun)
    return min(times), found
from barograph.research.honesty.overfitting import overfitting
from barograph.research.honesty.superior import luck_tests
pbo_s, pbo = timed(lambda r: overfitting(r, blocks=16))
ids = [str(number) for number in range(returns.shape[1])]
spa_s, found = timed(lambda r: luck_tests(r, ids[: r.shape[1]], seed=42, block=10.0, repetitions=1_000))
answer = {"pbo_s": pbo_s, "pbo": pbo.probability, "spa_s": spa_s, "spa": found.spa_consistent}
print(json.dumps(answer | {"also_reality_check_and_stepm": True}))
"""


def windows(n: int, seed: int = 42) -> tuple[Any, Any]:
    """``n`` pairs of windows, each pair once."""
    rng = np.random.default_rng(seed)
    pairs = [(fast, slow) for fast in range(10, 60) for slow in range(fast + 10, 200)]
    chosen = np.array(pairs)[np.sort(rng.choice(len(pairs), n, replace=False))]
    return chosen[:, 0], chosen[:, 1]


def daily() -> dict[str, Any]:
    """Real bars: the S&P 500 as it lies in arch, opens and all."""
    import arch.data.sp500

    frame = arch.data.sp500.load()
    columns = {name.lower(): frame[name].to_numpy(float) for name in ("Open", "High", "Low", "Close")}
    columns["high"] = np.maximum.reduce(list(columns.values()))
    columns["low"] = np.minimum.reduce(list(columns.values()))
    return {"ts_us": frame.index.to_numpy().astype("datetime64[us]").astype(np.int64), **columns}


def minutes(n: int) -> dict[str, Any]:
    """A random walk of minutes."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.001, n)))
    opened = np.concatenate(([100.0], close[:-1]))
    wick = np.exp(np.abs(rng.normal(0.0, 0.0005, n)))
    ts_us = 1_700_000_040_000_000 + np.arange(n) * MINUTE_US
    return {
        "ts_us": ts_us,
        "open": opened,
        "high": np.maximum(opened, close) * wick,
        "low": np.minimum(opened, close) / wick,
        "close": close,
    }


@contextmanager
def on_disk(folder: Path, name: str, columns: dict[str, Any]) -> Iterator[Path]:
    """Arrays for another process."""
    path = folder / f"{name}.npz"
    np.savez(path, **columns)
    yield path


def _answer(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def ours(path: Path, n: int, interval_us: int, rounds: int = 4, families: str = "sma") -> dict[str, Any]:
    """Our sweep, in a process of its own; the best round counts, the first one stands beside it."""
    return _answer([sys.executable, "-c", OURS, str(path), str(n), str(rounds), str(interval_us), families])


def peer(name: str, path: Path, of: int, n: int) -> dict[str, Any]:
    """A peer on ``of`` strategies, scaled up to ``n``."""
    sys.stderr.write(f"{name}, {of} strategies ...\n")
    script = str(HERE / "research_peers.py")
    found = _answer([str(python_of("backtests")), script, name, str(path), "--strategies", str(of)])
    return {**found, "of": of, "seconds_for_all": found["seconds"] * n / of}


def beside(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """One line of the result, without the long answers."""
    shown = {k: v for k, v in theirs.items() if k != "answer"}
    return {**shown, "ratio": theirs["seconds_for_all"] / mine["seconds"]}


def agreement(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Largest differences to a peer that makes the same trades."""
    n = len(theirs["answer"]["total_return"])
    trades = np.array(mine["answer"]["num_trades"][:n]) - np.array(theirs["answer"]["num_trades"])
    returns = np.array(mine["answer"]["total_return"][:n]) - np.array(theirs["answer"]["total_return"])
    return {"strategies": n, "trades": float(np.abs(trades).max()), "returns": float(np.abs(returns).max())}


def _short(mine: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in mine.items() if k != "answer"}


def sweeps(folder: Path, n: int, n_minutes: int, of: int) -> dict[str, Any]:
    """All sweeps."""
    fast, slow = windows(n)
    pairs = {"fast": fast, "slow": slow}
    results: dict[str, Any] = {}
    with on_disk(folder, "daily", {**daily(), **pairs}) as path:
        mine = ours(path, n, DAY_US, rounds=20)
        vectorbt = peer("vectorbt", path, n, n)
        slow_ones = {
            "backtesting": peer("backtesting", path, 10, n),
            "backtrader": peer("backtrader", path, 3, n),
        }
        results["daily"] = {
            "ours": _short(mine),
            "vectorbt": beside(mine, vectorbt),
            **{name: beside(mine, each) for name, each in slow_ones.items()},
            "agreement_with_vectorbt": agreement(mine, vectorbt),
        }
    with on_disk(folder, "minute", {**minutes(n_minutes), **pairs}) as path:
        mine = ours(path, n, MINUTE_US)
        vectorbt = peer("vectorbt", path, of, n)
        results["minute"] = {
            "ours": _short(mine),
            "vectorbt": beside(mine, vectorbt),
            "agreement_with_vectorbt": agreement(mine, vectorbt),
        }
    with on_disk(folder, "many", minutes(5_000)) as path:
        results["many"] = _short(ours(path, 100_000, MINUTE_US, rounds=2, families="all"))
    return results


def statistics(folder: Path) -> dict[str, Any]:
    """PBO and SPA."""
    returns = np.random.default_rng(1).normal(0.0, 0.01, (5_000, 500))
    with on_disk(folder, "returns", {"returns": returns}) as path:
        mine = _answer([sys.executable, "-c", STATISTICS, str(path)])
        peers = {name: peer(name, path, 500, 500) for name in ("pbo_holdout", "spa_arch", "spa_holdout")}
    results: dict[str, Any] = {"ours": mine}
    for name, each in peers.items():
        results[name] = {**each, "ratio": each["seconds"] / mine[f"{name[:3]}_s"]}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategies", type=int, default=500)
    parser.add_argument("--minutes", type=int, default=500_000)
    parser.add_argument(
        "--minute-peer", type=int, default=50, help="strategies that vectorbt gets over minutes"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barograph-bench-") as name:
        results = {"honesty": statistics(Path(name))}
        results |= sweeps(Path(name), given.strategies, given.minutes, given.minute_peer)
    print(json.dumps(results, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
