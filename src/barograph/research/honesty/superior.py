"""Is the best of many strategies better than nothing, given that it is the best of many?

Three tests on one set of bootstrap draws: White's Reality Check (2000), Hansen's test for superior
predictive ability (SPA, 2005), and the stepwise StepM of Romano and Wolf (2005), which says which
strategies are superior with a family-wise error of 5 %. SPA and StepM are studentised: each mean is
divided by its own standard error, else one noisy strategy hides the skill of a quiet one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.research.honesty.stationary import bootstrap_variance, counts, shared_block
from barograph.research.outcome import LuckTests, Sweep
from barograph.rows import Floats, Ints

LEVEL = 0.05
"""Family-wise error: how often any unskilled strategy at all is called superior."""

_SLICE_ROWS = 128
LEAST_PERIODS = 30


@dataclass(frozen=True, slots=True)
class Resampled:
    """Mean returns of N strategies, and of B draws of them.

    Attributes:
        periods: T.
        means: (N,).
        errors: (N,) standard errors of sqrt(T) x mean; 0 where a strategy's returns never change.
        draws: (B, N) means of the draws, less ``means``.
        studentised: whether means are compared in units of their errors, or as they are.
    """

    periods: int
    means: Floats
    errors: Floats
    draws: Floats
    studentised: bool = True

    @property
    def units(self) -> Floats:
        """(N,) what means are multiplied with before they are compared; 0 for those that take no part."""
        scale = self.errors if self.studentised else np.ones_like(self.errors)
        units = np.zeros_like(self.errors)
        np.divide(math.sqrt(self.periods), scale, out=units, where=self.errors > 0)
        return units


class Spa(NamedTuple):
    """Hansen's three p-values: ``lower`` <= ``consistent`` <= ``upper``; the middle one is the test."""

    lower: float
    consistent: float
    upper: float


def excess(sweep: Sweep) -> Floats:
    """Returns (P, N) above those of holding each strategy's mean exposure all the time.

    A strategy that is long two days in three gets two thirds of a rising market for nothing; what is
    left tells whether it was long on the right days.
    """
    return sweep.returns - sweep.market[:, None] * sweep.exposure[None, :]


def luck_tests(
    returns: Floats,
    ids: Sequence[str],
    *,
    seed: int,
    block: float | None = None,
    repetitions: int = 1_000,
    level: float = LEVEL,
) -> LuckTests:
    """All tests on one set of draws.

    Args:
        returns: (P, N) to compare with 0, such as ``excess(sweep)``.
        ids: N names.
        seed: of the bootstrap; the same seed gives the same p-values.
        block: mean block length in periods; None: the median of the strategies' own (Politis and White 2004).
        repetitions: B. A p-value of 0.05 has a Monte Carlo error of 0.007 with 1,000.
        level: family-wise error of ``superior``.

    Raises:
        UsageError: ids do not fit the returns.
        DataError: fewer than 30 periods, or a return that is not a number.

    Example:
        >>> chance = np.random.default_rng(4).normal(0, 0.01, (500, 3))
        >>> chance[:, 2] += 0.002
        >>> luck_tests(chance, ["a", "b", "c"], seed=1).superior
        ('c',)
    """
    _check(returns, ids)
    block = shared_block(returns) if block is None else block
    drawn = counts(len(returns), block, repetitions, np.random.default_rng(seed))
    sample = resampled(returns, block, drawn, repetitions)
    p_values = adjusted_p_values(sample)
    lower, consistent, upper = spa(sample)
    return LuckTests(
        reality_check=reality_check(sample),
        spa_lower=lower,
        spa_consistent=consistent,
        spa_upper=upper,
        superior=tuple(name for name, p in zip(ids, p_values, strict=True) if p <= level),
        block=block,
        repetitions=repetitions,
        p_values=p_values,
    )


def _check(returns: Floats, ids: Sequence[str]) -> None:
    periods, strategies = returns.shape
    if len(ids) != strategies:
        raise UsageError(f"{len(ids)} ids for {strategies} strategies; each needs one")
    if periods < LEAST_PERIODS:
        raise DataError(
            f"{periods} periods are too few to test for luck; at least {LEAST_PERIODS} are needed"
        )
    wrong = np.flatnonzero(~np.isfinite(returns).all(axis=0))
    if len(wrong):
        raise DataError(f"strategy {ids[int(wrong[0])]} has returns that are no numbers; {len(wrong)} have")


def resampled(returns: Floats, block: float, drawn: Iterable[Floats], repetitions: int) -> Resampled:
    """Means of every strategy in every draw: one matrix product, in slices.

    Memory stays at 8 B N bytes beside the returns.

    Args:
        returns: (T, N).
        block: mean block length of the draws, for the standard errors.
        drawn: slices of the (B, T) counts, see ``stationary.counts``.
        repetitions: B.
    """
    periods, strategies = returns.shape
    returns = np.ascontiguousarray(returns)
    means = returns.mean(axis=0)
    errors = np.sqrt(bootstrap_variance(returns, block))
    # What never changes has no error, but for rounding.
    errors[np.ptp(returns, axis=0) <= 1e-12 * np.abs(returns).max(axis=0)] = 0.0
    draws = np.empty((repetitions, strategies))
    done = 0
    for part in drawn:
        rows = draws[done : done + len(part)]
        np.matmul(part, returns, out=rows)
        rows /= periods
        rows -= means
        done += len(part)
    return Resampled(periods, means, errors, draws)


def reality_check(sample: Resampled) -> float:
    """White's p-value: how often the best of a draw beats its own mean by more than the best beats 0.

    Not studentised, as published: of strategies that vary little it sees little.
    """
    return spa(replace(sample, studentised=False)).upper


def spa(sample: Resampled) -> Spa:
    """Hansen's p-values.

    The three differ in which poor strategies count as competitors: all (upper), those that are not
    clearly worse than nothing (consistent: t >= -sqrt(2 ln ln T)), or those above 0 (lower). Strategies
    whose returns never change take no part. 0 stands for less than 1 / B.
    """
    tried = np.flatnonzero(sample.errors > 0)
    units, means = sample.units[tried], sample.means[tried]
    best = (means * units).max(initial=0.0)
    if best <= 0:
        return Spa(1.0, 1.0, 1.0)
    threshold = sample.errors[tried] * math.sqrt(2 * math.log(math.log(sample.periods)) / sample.periods)
    poor = means < -threshold
    recentred = [units * np.minimum(means, 0.0), units * np.where(poor, means, 0.0), np.zeros_like(means)]
    reached = np.zeros(3)
    for z in _slices(sample, tried):
        reached += [np.count_nonzero((z + moved).max(axis=1) >= best) for moved in recentred]
    return Spa(*(reached / len(sample.draws)).tolist())


def adjusted_p_values(sample: Resampled) -> Floats:
    """P-value (N,) of each strategy, adjusted for all of them by step-down (Romano and Wolf 2005, 2016).

    The k-th best is compared with the best of the k-th and all below it, and is never more significant
    than one before it. Those with p <= level are StepM's superior set at that level: rejecting one after
    the other ends where rejecting in rounds ends, and cannot run out of strategies.

    Strategies whose returns never change get 1.
    """
    tried = np.flatnonzero(sample.errors > 0)
    t = (sample.means * sample.units)[tried]
    order = np.argsort(-t, kind="stable")
    reached = np.zeros(len(tried))
    for z in _slices(sample, tried[order[::-1]]):
        best_from_here = np.maximum.accumulate(z, axis=1)[:, ::-1]
        reached += np.count_nonzero(best_from_here >= t[order], axis=0)
    p_values = np.ones(len(sample.means))
    p_values[tried[order]] = np.maximum.accumulate(reached / len(sample.draws))
    return p_values


def _slices(sample: Resampled, columns: Ints) -> Iterator[Floats]:
    """Draws of some columns in the units of the test, a few rows at a time."""
    units = sample.units[columns]
    for first in range(0, len(sample.draws), _SLICE_ROWS):
        yield sample.draws[first : first + _SLICE_ROWS, columns] * units
