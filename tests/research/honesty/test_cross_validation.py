"""Purged and combinatorial cross-validation, against skfolio and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV as Reference
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import KFold, cross_val_score

from barograph.errors import DataError, UsageError
from barograph.research.honesty.cross_validation import CombinatorialPurgedCV, PurgedKFold, evaluate


@pytest.mark.parametrize(
    ("rows", "folds", "tests", "purge", "embargo"),
    [
        (60, 6, 2, 0, 0),
        (60, 6, 2, 3, 0),
        (60, 6, 2, 0, 4),
        (125, 10, 8, 2, 3),
        (47, 5, 3, 1, 2),
        (100, 8, 4, 5, 5),
    ],
)
def test_splits_and_paths_equal_skfolios(rows: int, folds: int, tests: int, purge: int, embargo: int) -> None:
    data = np.zeros((rows, 1))
    ours = CombinatorialPurgedCV(folds, tests, purge, embargo)
    theirs = Reference(n_folds=folds, n_test_folds=tests, purged_size=purge, embargo_size=embargo)
    reference = list(theirs.split(data))
    found = list(ours.split(data))
    assert len(found) == len(reference) == ours.get_n_splits() == theirs.n_splits
    for (train, test), (their_train, their_tests) in zip(found, reference, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, np.concatenate(their_tests))
    assert ours.paths().shape == (theirs.n_test_paths, folds)
    # Theirs tells for each split and test fold which path it belongs to.
    tested = theirs.test_set_index
    for split, (test_folds, paths) in enumerate(zip(tested, theirs.get_path_ids(), strict=True)):
        for fold, path in zip(test_folds, paths, strict=True):
            assert ours.paths()[path, fold] == split


@given(st.integers(2, 7), st.integers(1, 6), st.integers(0, 4), st.integers(0, 4), st.integers(8, 70))
@settings(max_examples=80, deadline=None)
def test_nothing_near_a_test_fold_is_trained_on(
    folds: int, tests: int, purge: int, embargo: int, rows: int
) -> None:
    if tests >= folds:
        return
    cv = CombinatorialPurgedCV(folds, tests, purge, embargo)
    often = np.zeros(rows, dtype=int)
    for train, test in cv.split(range(rows)):
        often[test] += 1
        tested = set(test.tolist())
        for row in set(range(rows)) - tested:
            near = range(row - purge - embargo, row + purge + 1)
            assert (row in train) == tested.isdisjoint(near)
    assert set(often) == {math.comb(folds - 1, tests - 1)}


@given(st.integers(2, 8), st.integers(1, 7))
def test_every_split_and_fold_is_used_on_one_path(folds: int, tests: int) -> None:
    if tests >= folds:
        return
    paths = CombinatorialPurgedCV(folds, tests).paths()
    assert paths.shape == (math.comb(folds, tests) * tests // folds, folds)
    pairs = {(split, fold) for path in paths.tolist() for fold, split in enumerate(path)}
    assert len(pairs) == paths.size


def test_purged_k_fold_without_purging_is_k_fold() -> None:
    ours, theirs = PurgedKFold(5), KFold(5)
    for (train, test), (their_train, their_test) in zip(
        ours.split(np.zeros(50)), theirs.split(np.zeros(50)), strict=True
    ):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_scikit_learn_takes_it_as_a_splitter() -> None:
    rng = np.random.default_rng(0)
    scores = cross_val_score(
        DummyRegressor(), rng.normal(size=(60, 2)), rng.normal(size=60), cv=PurgedKFold(6, 2, 1)
    )
    assert scores.shape == (6,)


def test_what_is_selected_on_the_rest_is_followed_through_each_path() -> None:
    returns = np.random.default_rng(2).normal(0, 0.01, (61, 9))
    cv = CombinatorialPurgedCV(6, 2, 1, 1)
    found = evaluate(returns, [str(i) for i in range(9)], cv)
    splits = list(cv.split(returns))
    for (train, _), chosen in zip(splits, found.chosen, strict=True):
        sharpes = returns[train].mean(axis=0) / returns[train].std(axis=0, ddof=1)
        assert chosen == str(int(np.argmax(sharpes)))
    assert found.returns.shape == (5, 61)
    fold = cv.folds(61)
    for path, row, score in zip(cv.paths(), found.returns, found.scores, strict=True):
        expected = [returns[t, int(found.chosen[path[fold[t]]])] for t in range(61)]
        np.testing.assert_array_equal(row, expected)
        assert score == pytest.approx(row.mean() / row.std(ddof=1))


def test_a_choice_does_not_hang_on_what_is_tested_or_near_it() -> None:
    returns = np.random.default_rng(2).normal(0, 0.01, (60, 9))
    ids = [str(i) for i in range(9)]
    cv = CombinatorialPurgedCV(6, 2, 2, 2)
    found = evaluate(returns, ids, cv)
    for i, (train, _) in enumerate(cv.split(returns)):
        changed = np.random.default_rng(5).normal(0, 0.1, (60, 9))
        changed[train] = returns[train]
        assert evaluate(changed, ids, cv).chosen[i] == found.chosen[i]


def test_a_lasting_edge_survives_on_every_path() -> None:
    returns = np.random.default_rng(2).normal(0, 0.01, (300, 9))
    returns[:, 4] += 0.006
    found = evaluate(returns, [str(i) for i in range(9)], CombinatorialPurgedCV(), periods_per_year=252)
    assert set(found.chosen) == {"4"}
    assert found.scores.min() > 5


@pytest.mark.parametrize("values", [(3, 3), (3, 0), (5, 2, -1), (5, 2, 0, -1), (30, 15)])
def test_folds_that_make_no_split_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        CombinatorialPurgedCV(*values)


def test_too_little_data_is_refused() -> None:
    with pytest.raises(DataError, match="5 rows cannot be cut into 6 folds"):
        list(CombinatorialPurgedCV(6, 2).split(range(5)))
    with pytest.raises(DataError, match="left to train on"):
        evaluate(np.zeros((12, 2)), ["a", "b"], CombinatorialPurgedCV(3, 2, 4))
