"""Probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

The rows are cut into S blocks. Each way to take half of them is one split: the strategy that is best
on these blocks is looked up among all on the other blocks. If choosing works, it is near the top there too.

What makes it quick: a block's sum of returns and of squares is all that is needed of it; the sums of any
choice of blocks are one from the first S/2 and one from the last S/2, taken from two small
tables; and the two halves of a split are each other's in and out of sample. Every column is worked on
by itself in a fixed order, so equal columns have equal ratios, to the last bit, and tie.

Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), "The Probability of Backtest Overfitting".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.errors import DataError, UsageError
from barograph.research.outcome import Overfitting
from barograph.rows import Floats, Ints

MOST_BLOCKS = 24
"""2.7 million splits; two more blocks would make it 10 million."""
GRID = 101
"""Points at which the distributions of performance are told."""
_TABLE_BYTES = 64 << 20
_SLICE_BYTES = 512 << 10
_NO_VARIATION = 1e-12


def overfitting(returns: Floats, blocks: int = 16) -> Overfitting:
    """How often the best strategy in sample is in the lower half out of sample, and how it does there.

    Performance is the Sharpe ratio per period (ddof 1) over a half's rows. A strategy whose returns do
    not vary there has 0: who does nothing shows nothing, and a constant gain is no ratio. Of several best in
    sample the first is chosen; among equals out of sample it has the mean of their ranks. The relative
    rank is rank / (N + 1), the logit ln(w / (1 - w)); a logit of 0 counts as overfit. Splits are in the
    lexicographic order of the blocks in sample.

    Args:
        returns: (T, N) per period. Where S does not divide T, the oldest T % S rows are left out.
        blocks: S, even, 2 to 24.

    Raises:
        UsageError: S is odd or out of bounds.
        DataError: fewer than two strategies, fewer than max(S, 4) rows, or a return that is not finite.
    """
    _check(returns, blocks)
    dropped = len(returns) % blocks
    halves = _Halves(returns[dropped:], blocks)
    best, lowest, highest = _choose(halves)
    below, equal, all_counts = _rank(halves, best.out_of_sample, (lowest, highest))
    rank = below + (equal + 1) / 2
    logits = np.log(rank / (returns.shape[1] + 1 - rank))
    in_sample, out_of_sample = halves.sharpe(best.in_sample), halves.sharpe(best.out_of_sample)
    slope, intercept, r_squared = _regression(in_sample, out_of_sample)
    chosen_counts = np.bincount(_bins(best.out_of_sample, lowest, highest), minlength=GRID)
    return Overfitting(
        probability=float(np.mean(logits <= 0)),
        logits=logits,
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        loss_probability=float(np.mean(out_of_sample < 0)),
        grid=halves.sharpe(np.linspace(lowest, highest, GRID)),
        chosen_cdf=np.cumsum(chosen_counts) / len(logits),
        all_cdf=np.cumsum(all_counts) / (len(logits) * returns.shape[1]),
        blocks=blocks,
        dropped=dropped,
    )


def dominates(found: Overfitting) -> tuple[bool, bool]:
    """Whether the winner's performance out of sample dominates that of all strategies: first, second order.

    First: nowhere on the grid is it more likely to be at or below a value. Second: nowhere is the area
    below its distribution, from the left, greater, so that everybody who dislikes risk prefers it. The first
    implies the second. Choosing that finds nothing fails both.
    """
    ahead = found.all_cdf - found.chosen_cdf
    steps = np.diff(found.grid)
    area = np.concatenate([[0.0], np.cumsum(ahead[:-1] * steps)])
    rounding = 1e-12 * float(steps.sum())
    return bool(np.all(ahead >= -1e-12)), bool(np.all(area >= -rounding))


@dataclass(slots=True)
class _Best:
    """Of each split (C,): the winner's score in sample and its score out of sample."""

    in_sample: Floats
    out_of_sample: Floats


class _Tables(NamedTuple):
    """Sums and sums of squares (2^(S/2), N) of every choice from the first S/2 blocks, and from the last."""

    first_sums: Floats
    first_squares: Floats
    last_sums: Floats
    last_squares: Floats


class _Halves:
    """The scores of all strategies on all halves, a piece at a time.

    A score is ``t = s / sqrt(n q)``, of the sum s and the sum of squares q of n rows. It is within [-1, 1]
    and grows with the Sharpe ratio, which is sqrt((n - 1) / n) t / sqrt(1 - t^2).
    """

    def __init__(self, returns: Floats, blocks: int) -> None:
        self._returns = returns
        self._blocks = blocks
        self._rows = len(returns) // 2
        first = np.arange(1 << (blocks - 1), 1 << blocks, dtype=np.uint32)
        half = first[np.bitwise_count(first) == blocks // 2]
        # The first block is the highest bit: falling numbers are blocks in lexicographic order.
        self._masks = half[::-1]

    @property
    def splits(self) -> int:
        return 2 * len(self._masks)

    def sharpe(self, scores: Floats) -> Floats:
        per_score = math.sqrt((self._rows - 1) / self._rows)
        ratios: Floats = per_score * scores / np.sqrt(1 - scores * scores)
        return ratios

    def pieces(self) -> Iterator[tuple[slice, Floats, Floats]]:
        """Splits, and the scores (splits, some strategies) of their blocks and of the other blocks."""
        half = self._blocks // 2
        at_once = max(1, _TABLE_BYTES // (4 * 8 << half))
        everything = np.uint32((1 << self._blocks) - 1)
        for column in range(0, self._returns.shape[1], at_once):
            tables = self._tables(slice(column, column + at_once))
            step = max(1, _SLICE_BYTES // (8 * tables.first_sums.shape[1]))
            for start in range(0, len(self._masks), step):
                part = slice(start, min(start + step, len(self._masks)))
                masks = self._masks[part]
                yield part, self._scores(tables, masks), self._scores(tables, everything ^ masks)

    def _tables(self, columns: slice) -> _Tables:
        returns = self._returns[:, columns]
        length = len(returns) // self._blocks
        sums = np.empty((self._blocks, returns.shape[1]))
        squares = np.empty_like(sums)
        for k in range(self._blocks):
            block = np.ascontiguousarray(returns[k * length : (k + 1) * length])
            sums[k] = block.sum(axis=0)
            squares[k] = np.square(block).sum(axis=0)
        half = self._blocks // 2
        return _Tables(
            *(_choices(part) for part in (sums[:half], squares[:half], sums[half:], squares[half:]))
        )

    def _scores(self, tables: _Tables, masks: npt.NDArray[np.uint32]) -> Floats:
        half = self._blocks // 2
        first, last = masks >> np.uint32(half), masks & np.uint32((1 << half) - 1)
        scores: Floats = tables.first_sums[first]
        scores += tables.last_sums[last]
        squares = tables.first_squares[first]
        squares += tables.last_squares[last]
        squares *= self._rows
        with np.errstate(invalid="ignore"):
            scores /= np.sqrt(squares, out=squares)
        # Not a number: no returns but zeros. One: always the same return.
        scores[~(np.abs(scores) < 1 - _NO_VARIATION)] = 0.0
        return scores


def _choices(values: Floats) -> Floats:
    """Sums (2^k, N) of every choice from k rows; the first row is the highest bit."""
    sums = np.zeros((1, values.shape[1]))
    for row in values:
        # Each choice from the rows before goes on without this row and with it.
        sums = np.stack([sums, sums + row], axis=1).reshape(-1, values.shape[1])
    return sums


def _choose(halves: _Halves) -> tuple[_Best, float, float]:
    """The winner of each split, and the lowest and highest score of all."""
    n = halves.splits
    best = _Best(np.full(n, -np.inf), np.empty(n))
    lowest, highest = math.inf, -math.inf
    for part, ours, theirs in halves.pieces():
        split = np.arange(part.start, part.stop)
        _take(best, split, ours, theirs)
        _take(best, n - 1 - split, theirs, ours)
        lowest = min(lowest, float(ours.min()), float(theirs.min()))
        highest = max(highest, float(ours.max()), float(theirs.max()))
    return best, lowest, highest


def _take(best: _Best, split: Ints, in_sample: Floats, out_of_sample: Floats) -> None:
    """Those of the splits in which one of these strategies is better than all before it."""
    row = np.arange(len(split))
    winner = in_sample.argmax(axis=1)
    score = in_sample[row, winner]
    better = score > best.in_sample[split]
    best.in_sample[split[better]] = score[better]
    best.out_of_sample[split[better]] = out_of_sample[row, winner][better]


def _rank(halves: _Halves, chosen: Floats, bounds: tuple[float, float]) -> tuple[Ints, Ints, Ints]:
    """How many strategies are below and equal to the chosen out of sample, by split; counts of all by bin."""
    n = halves.splits
    below, equal = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    counts = np.zeros(GRID, dtype=np.int64)
    for part, ours, theirs in halves.pieces():
        split = np.arange(part.start, part.stop)
        for index, scores in ((split, theirs), (n - 1 - split, ours)):
            level = chosen[index, None]
            below[index] += np.count_nonzero(scores < level, axis=1)
            equal[index] += np.count_nonzero(scores == level, axis=1)
            counts += np.bincount(_bins(scores, *bounds).ravel(), minlength=GRID)
    return below, equal, counts


def _bins(scores: Floats, lowest: float, highest: float) -> npt.NDArray[np.intp]:
    """The first point of the grid that is not below each score."""
    scale = (GRID - 1) / (highest - lowest) if highest > lowest else 0.0
    place = scores - lowest
    place *= scale
    return np.minimum(np.ceil(place, out=place), GRID - 1).astype(np.intp)


def _regression(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Slope, intercept, r squared of y on x; NaN where x (or, for the last, y) never varies."""
    dx, dy = x - x.mean(), y - y.mean()
    xx, xy, yy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
    if xx == 0:
        return math.nan, math.nan, math.nan
    slope = xy / xx
    return slope, float(y.mean()) - slope * float(x.mean()), xy * xy / (xx * yy) if yy > 0 else math.nan


def _check(returns: Floats, blocks: int) -> None:
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise UsageError(
            f"{blocks} blocks cannot be halved in every way; take an even number, 2 to {MOST_BLOCKS}"
        )
    periods, strategies = returns.shape
    if strategies < 2:
        raise DataError(f"{strategies} strategies leave nothing to choose from; overfitting needs at least 2")
    if periods < max(blocks, 4):
        raise DataError(f"{periods} periods are too few for {blocks} blocks; take fewer blocks or more data")
    # A sum is finite only if all it is made of is; only where it is not, someone has to look closer.
    if not math.isfinite(float(returns.sum())) and not np.isfinite(returns).all():
        row, column = np.argwhere(~np.isfinite(returns))[0]
        raise DataError(
            f"the return of strategy {column} in period {row} is {returns[row, column]}; it must be known"
        )
