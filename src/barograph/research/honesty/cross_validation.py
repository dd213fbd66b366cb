"""Cross-validation of time series: purged k-fold and combinatorial purged.

After Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.

The splitters have scikit-learn's interface (``split``, ``get_n_splits``) without needing it.
Around each test fold, rows are taken out of the training set: those whose labels overlap the fold
(*purged*, on both sides) and some more after it, because what happened in the fold lingers (*embargo*).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.research.honesty.criteria import best, criterion
from barograph.rows import Floats, Ints, Mask

MOST_SPLITS = 20_000


@dataclass(frozen=True)
class CombinatorialPurgedCV:
    """Every choice of ``n_test_folds`` out of ``n_folds`` folds is tested once, trained on the rest.

    The tested folds recombine to C(n_folds, n_test_folds) n_test_folds / n_folds whole paths through
    the data: a distribution of out-of-sample results in place of one.

    Attributes:
        n_folds: consecutive folds, as equal as whole rows allow; the last has those left over.
        n_test_folds: 1 gives k-fold.
        purge: rows taken out of the training set on both sides of a test fold: as many as a label
            looks ahead.
        embargo: rows taken out after a test fold, beside the purged.

    Raises:
        UsageError: values that make no split, or more than 20,000.

    Example:
        >>> cv = CombinatorialPurgedCV(n_folds=3, n_test_folds=2, purge=1)
        >>> [(train.tolist(), test.tolist()) for train, test in cv.split(range(6))][0]
        ([5], [0, 1, 2, 3])
    """

    n_folds: int = 6
    n_test_folds: int = 2
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_test_folds < self.n_folds:
            raise UsageError(
                f"{self.n_test_folds} of {self.n_folds} folds cannot be tested; 1 or more, not all"
            )
        if self.purge < 0 or self.embargo < 0:
            raise UsageError(f"purge is {self.purge} and embargo {self.embargo}; both must be 0 or more")
        if self.get_n_splits() > MOST_SPLITS:
            raise UsageError(
                f"{self.get_n_splits():,} splits are too many (most: {MOST_SPLITS:,}); use fewer folds"
            )

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: ARG002, N803
        """C(n_folds, n_test_folds)."""
        return math.comb(self.n_folds, self.n_test_folds)

    def split(self, X: Sized, y: object = None, groups: object = None) -> Iterator[tuple[Ints, Ints]]:  # noqa: ARG002, N803
        """Rows to train on and rows to test on, in order of time, for each split.

        Raises:
            DataError: fewer rows than folds.
        """
        fold = self.folds(len(X))
        for tested in combinations(range(self.n_folds), self.n_test_folds):
            test = np.isin(fold, tested)
            yield np.flatnonzero(self._may_train(test)), np.flatnonzero(test)

    def folds(self, rows: int) -> Ints:
        """The fold (rows,) of each row."""
        if rows < self.n_folds:
            raise DataError(
                f"{rows} rows cannot be cut into {self.n_folds} folds; use fewer folds or more data"
            )
        return np.minimum(np.arange(rows) // (rows // self.n_folds), self.n_folds - 1)

    def _may_train(self, test: Mask) -> Mask:
        free = ~test
        edge = np.diff(test.astype(np.int8), prepend=0, append=0)
        for start, stop in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
            free[max(0, start - self.purge) : start] = False
            free[stop : stop + self.purge + self.embargo] = False
        return free

    def paths(self) -> Ints:
        """(paths, n_folds): for each path, the split in which each fold is tested. No pair is used twice."""
        splits = list(combinations(range(self.n_folds), self.n_test_folds))
        tests = [[i for i, tested in enumerate(splits) if fold in tested] for fold in range(self.n_folds)]
        return np.array(tests, dtype=np.int64).T


def PurgedKFold(n_splits: int = 5, purge: int = 0, embargo: int = 0) -> CombinatorialPurgedCV:  # noqa: N802
    """Each of ``n_splits`` consecutive folds is tested once, with purge and embargo.

    >>> [test.tolist() for _, test in PurgedKFold(3).split(range(6))]
    [[0, 1], [2, 3], [4, 5]]
    """
    return CombinatorialPurgedCV(n_splits, 1, purge, embargo)


@dataclass(frozen=True)
class Paths:
    """What selecting by a metric gives out of sample, on every path.

    Attributes:
        chosen: (splits,) ids of what was selected in each split.
        returns: (paths, P) of the selected strategies, each period out of sample.
        scores: (paths,) the metric on each path; NaN where undefined.
    """

    chosen: tuple[str, ...]
    returns: Floats
    scores: Floats


def evaluate(
    returns: Floats,
    ids: Sequence[str],
    cv: CombinatorialPurgedCV,
    *,
    select_by: str = "sharpe_ratio",
    periods_per_year: float = 1.0,
) -> Paths:
    """Select on the training rows of every split and follow the choice through its test folds.

    Args:
        returns: (P, N) such as a sweep's.
        ids: N names.
        cv: the splits. Purge at least as many periods as a position is held for long.
        select_by: see ``criteria``.
        periods_per_year: to annualise ratios.

    Raises:
        UsageError: see ``criteria.criterion``.
        DataError: a split has fewer than 3 rows left to train on.
    """
    score = criterion(select_by)
    chosen = np.empty(cv.get_n_splits(), dtype=np.int64)
    for i, (train, _) in enumerate(cv.split(returns)):
        if len(train) < 3:
            raise DataError(
                f"{len(train)} periods are left to train on; use fewer folds, purge less, or more data"
            )
        chosen[i] = best(score(returns[train], periods_per_year))
    followed = chosen[cv.paths()[:, cv.folds(len(returns))]]
    traded = returns[np.arange(len(returns)), followed]
    scores = score(np.ascontiguousarray(traded.T), periods_per_year)
    return Paths(tuple(ids[int(i)] for i in chosen), traded, scores)
