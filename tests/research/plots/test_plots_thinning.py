"""Long lines keep what can be seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from barograph.research.plots.svg import line, plot
from barograph.research.plots.thinning import thin


@given(st.integers(0, 2**32 - 1), st.integers(500, 4_000), st.integers(10, 100))
def test_given_a_long_line_then_every_column_keeps_its_lowest_and_highest_point(
    seed: int, n: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.arange(n, dtype=np.float64), rng.normal(size=n).cumsum()
    y[rng.random(n) < 0.02] = np.nan
    kept = thin(x, y, columns)
    kept_x, kept_y = x[kept], y[kept]
    known = np.isfinite(y)
    first, last = x[known][[0, -1]]
    column = lambda at: ((at - first) / (last - first) * columns).astype(int).clip(0, columns - 1)  # noqa: E731
    for c in range(columns):
        whole, part = y[known][column(x[known]) == c], kept_y[column(kept_x) == c]
        if len(whole):
            assert (part.min(), part.max()) == (whole.min(), whole.max())
    assert np.all(np.diff(kept_x) > 0)
    assert len(kept_x) <= max(4 * columns, 0)
    assert kept_x[0] == first
    assert kept_x[-1] == last


def test_given_a_short_line_then_nothing_is_left_out_but_unknown_points() -> None:
    assert thin(np.arange(4.0), np.array([1.0, np.nan, 3.0, np.inf]), 100).tolist() == [0, 2]


def test_given_a_long_unknown_stretch_then_the_line_breaks_and_given_a_short_one_it_does_not() -> None:
    p = plot((1_000.0, 100.0), (0.0, 999.0), (0.0, 1.0))
    x, y = np.arange(1_000.0), np.full(1_000, 0.5)
    y[500] = np.nan
    assert line(p, x, y, "s").count("M") == 1
    y[500:520] = np.nan
    assert line(p, x, y, "s").count("M") == 2
