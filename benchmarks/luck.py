"""How often is luck called skill, and skill luck? Seeded studies of coin flips, some with an edge planted.

    python -m benchmarks.luck [--studies 1000] [--tries 500] [--days 875] [--workers 2] [--json]

Every study makes a market of 875 days, 365 a year, without drift (Student t with 4 degrees of freedom, 3 %
a day), and 500 strategies that are in it or out of it, each day by a fair coin; what they earn is net of 10
basis points a side, and in *coin flips, no fees* not. *Planted*: one of them guesses the next day's direction
a little better than a coin, just so that its own annual Sharpe ratio after fees is 3.0 in the long run.
*Hard*: the same, but 3.0 is the ratio of what is left after the same average exposure is taken off, which is
what the tests look at.

A strategy is selected as a study does it, and called skill when it is in StepM's superior set (studentised,
5 % for the family, all tries, whole sample). Compared are ways of selecting: by Sharpe ratio in the first
70 %, by the part of winning days in the first 70 %, by Sharpe ratio on the whole. Beside them: ``spa``,
whether SPA's consistent p-value is at most 5 %, and ``held_out``, whether the one selected in the first 70 %
beats 0 at 5 % in the last 30 % alone.

Returns are simulated directly, with the arithmetic of a position that is all in at each day's close; that the
trading kernel does the same with the same signals is a test (tests/research/honesty/test_luck_benchmark.py).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import NormalDist
from typing import Any, NamedTuple

# One thread a process: the processes are as many as the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from barograph.research.honesty.criteria import best, sharpe_ratio, win_rate_periods
from barograph.research.honesty.superior import LEVEL, luck_tests
from barograph.rows import Floats, Mask

DAYS_A_YEAR = 365
DAILY = 0.03
FREEDOM = 4
FEE = 0.001
EDGE = 3.0
TRAIN = 0.7
KINDS = ("coin flips", "coin flips, no fees", "planted", "hard")
MOST_CALLED_SKILL = 0.064
LEAST_POWER = 0.75


class Made(NamedTuple):
    """Returns (P, N) after fees, mean exposures (N,), the market's returns (P,), and who has an edge."""

    returns: Floats
    exposure: Floats
    market: Floats
    planted: int | None


def market(days: int, rng: np.random.Generator) -> Floats:
    """Daily returns without drift."""
    return rng.standard_t(FREEDOM, days) * (DAILY / math.sqrt(FREEDOM / (FREEDOM - 2)))


def after_fees(held: Mask, moves: Floats, fee: float) -> Floats:
    """Returns (P, N) of all-in positions that are taken and left at the close before each day."""
    change = np.diff(held.astype(np.int8), axis=0, prepend=0)
    paid = np.where(change > 0, 1 / (1 + fee), np.where(change < 0, 1 - fee, 1.0))
    return (1 + held * moves[:, None]) * paid - 1


def planted_odds(edge: float, fee: float, *, hedged: bool) -> float:
    """How often the planted strategy must be right: in the long run its ratio is ``edge`` a year.

    In on half of the days and right with probability q, its mean is (q - 1/2) E|r| - fee / 2, and its
    deviation that of r over sqrt 2, or over 2 when half of the market is taken off.
    """
    draws = np.abs(market(4_000_000, np.random.default_rng(7)))
    deviation = math.sqrt((draws**2).mean() / (4 if hedged else 2))
    return 0.5 + (edge / math.sqrt(DAYS_A_YEAR) * deviation + fee / 2) / float(draws.mean())


def make(kind: str, seed: int, tries: int, days: int, odds: dict[str, float]) -> Made:
    """The returns of one study."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    moves = market(days, rng)
    held = rng.random((days, tries)) < 0.5
    planted = None
    if kind in odds:
        planted = int(rng.integers(tries))
        right = rng.random(days) < odds[kind]
        held[:, planted] = (moves > 0) == right
    returns = after_fees(held, moves, 0.0 if kind == "coin flips, no fees" else FEE)
    return Made(returns, held.mean(axis=0), moves, planted)


def one(kind: str, tries: int, days: int, odds: dict[str, float], seed: int) -> dict[str, float]:
    """What every rule says of one study: 1 where it calls the selected strategy skill."""
    made = make(kind, seed, tries, days, odds)
    return judged(made, seed)


def judged(made: Made, seed: int) -> dict[str, float]:
    """The verdicts on a study, by every way of selecting."""
    above = made.returns - made.market[:, None] * made.exposure
    ids = [str(i) for i in range(above.shape[1])]
    found = luck_tests(above, ids, seed=seed)
    cut = round(len(above) * TRAIN)
    by_sharpe = best(sharpe_ratio(made.returns[:cut], 1.0))
    chosen = {
        "sharpe, first 70 %": by_sharpe,
        "winning days, first 70 %": best(win_rate_periods(made.returns[:cut], 1.0)),
        "sharpe, whole": best(sharpe_ratio(made.returns, 1.0)),
    }
    verdicts = {name: float(found.p_values[which] <= LEVEL) for name, which in chosen.items()}
    later = above[cut:, by_sharpe]
    held_out = later.mean() / later.std(ddof=1) * math.sqrt(len(later)) > NormalDist().inv_cdf(1 - LEVEL)
    return verdicts | {
        "any in StepM's set": float(bool(found.superior)),
        "spa": float(found.spa_consistent <= LEVEL),
        "held_out": float(held_out),
        "planted selected, first 70 %": float(made.planted == by_sharpe),
        "planted in StepM's set": float(made.planted is not None and found.p_values[made.planted] <= LEVEL),
        "block": found.block,
    }


def studies(
    kind: str, count: int, tries: int, days: int, workers: int, progress: Callable[[int], None]
) -> dict[str, float]:
    """The share of ``count`` seeded studies in which each rule says skill (and the mean block length)."""
    odds = {
        "planted": planted_odds(EDGE, FEE, hedged=False),
        "hard": planted_odds(EDGE, FEE, hedged=True),
    }
    run = partial(one, kind, tries, days, odds)
    total: dict[str, float] = {}
    with ProcessPoolExecutor(workers) as pool:
        for done, verdicts in enumerate(pool.map(run, range(count), chunksize=4), 1):
            total = {name: total.get(name, 0.0) + value for name, value in verdicts.items()}
            progress(done)
    return {name: value / count for name, value in total.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--days", type=int, default=875)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for kind in KINDS:
        started = time.perf_counter()

        def show(done: int, kind: str = kind) -> None:
            if done % 10 == 0 or done == args.studies:
                print(f"\r{kind}: {done}/{args.studies}", end="", file=sys.stderr, flush=True)

        results[kind] = studies(kind, args.studies, args.tries, args.days, args.workers, show)
        results[kind]["seconds"] = time.perf_counter() - started
        print(file=sys.stderr)
    report(results, as_json=args.json)


def report(results: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'called skill, part of the studies':36}" + "".join(f"{kind:>22}" for kind in results))
    for name in next(iter(results.values())):
        print(f"{name:36}" + "".join(f"{results[kind][name]:22.3f}" for kind in results))


if __name__ == "__main__":
    main()
