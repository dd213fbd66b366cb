"""Rows in the order (ts, seq, tape), and what is remembered of revisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.bars.order import POS, SEQ, TS, sort_rows
from barograph.bars.revisions import assign, look_up, no_stretches
from barograph.clock import MINUTE_US


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.integers(0, 3)), max_size=40),
    data=st.data(),
)
def test_rows_are_sorted_stably_and_only_between_the_bounds(keys, data):
    rows = np.array([(*key, i) for i, key in enumerate(keys)], dtype=np.int64).reshape(-1, 4)
    amounts = rows[:, :2] * 1.5 + rows[:, 3:] * 10.0
    first = data.draw(st.integers(0, len(keys)))
    last = data.draw(st.integers(first, len(keys)))
    order = np.arange(len(keys))
    order[first:last] = first + np.lexsort(
        (rows[first:last, POS], rows[first:last, SEQ], rows[first:last, TS])
    )
    expected = rows[order], amounts[order]
    sort_rows(rows, amounts, first, last)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(amounts, expected[1])


@pytest.mark.parametrize("n", [2, 3, 1000])
def test_rows_the_wrong_way_round(n):
    rows = np.zeros((n, 4), dtype=np.int64)
    rows[:, TS] = np.arange(n)[::-1]
    amounts = np.column_stack([np.arange(n), np.arange(n)]).astype(np.float64)
    sort_rows(rows, amounts, 0, n)
    assert rows[:, TS].tolist() == list(range(n))
    assert amounts[:, 1].tolist() == list(range(n))[::-1]


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=10), max_size=8))
def test_revisions_are_remembered_minute_by_minute(batches):
    stretches, expected = no_stretches(), {}
    for batch in batches:
        expected.update({minute: revision for minute, revision in batch.items() if revision})
        minutes = np.array(sorted(batch), dtype=np.int64)
        revisions = np.array([batch[m] for m in sorted(batch)], dtype=np.int64)
        stretches = assign(stretches, minutes * MINUTE_US, revisions)
    asked = np.arange(31, dtype=np.int64)
    assert look_up(stretches, asked * MINUTE_US).tolist() == [expected.get(m, 0) for m in range(31)]


def test_neighbouring_minutes_of_one_revision_take_one_row():
    starts = np.arange(1000, dtype=np.int64) * MINUTE_US
    stretches = assign(no_stretches(), starts[:500], np.ones(500, dtype=np.int64))
    stretches = assign(stretches, starts[500:], np.ones(500, dtype=np.int64))
    assert stretches.tolist() == [[0, 999 * MINUTE_US, 1]]
