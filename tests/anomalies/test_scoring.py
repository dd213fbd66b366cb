"""Precision and recall against what was put in."""

from __future__ import annotations

import pytest

from barograph.anomalies import Found, Label, Score, score

LABEL = Label("price_jump", "A", 1_000, 2_000)


@pytest.mark.parametrize(
    ("row", "true"),
    [
        (("price_jump", "A", 1_500), True),
        (("price_jump", "A", 900), True),
        (("price_jump", "A", 2_100), True),
        (("price_jump", "A", 899), False),
        (("price_jump", "A", 2_101), False),
        (("price_jump", "B", 1_500), False),
        (("stale", "A", 1_500), False),
    ],
)
def test_a_row_is_true_within_its_label(row, true):
    total = score([Found(*row)], [LABEL], tolerance_us=100).total
    assert total == Score(labels=1, labels_found=int(true), rows=1, rows_true=int(true))


def test_by_kind_and_in_all():
    found = [Found("price_jump", "A", 1_500), Found("price_jump", "A", 1_600), Found("volume_spike", "A", 5)]
    labels = [LABEL, LABEL._replace(symbol="B"), Label("stale", "A", 0, 1)]
    scores = score(found, labels, tolerance_us=0)
    assert scores.kinds == {
        "price_jump": Score(labels=2, labels_found=1, rows=2, rows_true=2),
        "stale": Score(labels=1, labels_found=0, rows=0, rows_true=0),
        "volume_spike": Score(labels=0, labels_found=0, rows=1, rows_true=0),
    }
    assert scores.total == Score(labels=3, labels_found=1, rows=3, rows_true=2)
    assert (scores.total.precision, scores.total.recall) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert scores.kinds["stale"].precision is None
    assert scores.kinds["volume_spike"].recall is None


def test_a_stalled_feed_is_found_by_stale_in_every_symbol():
    label = Label("feed_stall", "", 100, 200)
    found = [Found("stale", "A", 110), Found("stale", "B", 110)]
    assert score(found, [label], 0).total == Score(labels=1, labels_found=1, rows=2, rows_true=2)


def test_nothing_at_all():
    total = score([], [], 0).total
    assert (total.precision, total.recall) == (None, None)
