"""Charts of trading and research: from numbers to figures."""

from __future__ import annotations

import numpy as np
import pytest

from barograph.dashboard.charts.equity import Curve, Look, below_peak, equity, palette
from barograph.dashboard.charts.histogram import Axis, Mark, histogram
from barograph.dashboard.charts.study import cloud, families, tries, walk_forward
from barograph.dashboard.sheets import Cell, Column, sheet
from barograph.dashboard.theme import DARK, LIGHT
from barograph.rows import Floats

DAY_US = 86_400_000_000


def days(count: int) -> Curve:
    rng = np.random.default_rng(1)
    grown = np.cumprod(1 + rng.normal(0, 0.01, count))
    return Curve("one", np.arange(count, dtype=np.int64) * DAY_US, grown)


def test_a_long_curve_is_drawn_with_few_points_and_all_its_peaks() -> None:
    curve = days(200_000)
    figure = equity([curve], Look(LIGHT, floor=1.0, relative=True))
    line = figure.data[0]
    assert len(line.x) < 2_000
    assert max(line.y) == curve.values.max()
    assert (line.y[0], line.y[-1]) == (curve.values[0], curve.values[-1])


@pytest.mark.parametrize(
    ("values", "floor", "relative", "wanted"),
    [
        ([-1.0, 2.0, 1.5], 0.0, False, [-1.0, 0.0, -0.5]),
        ([-1.0, -3.0], None, False, [0.0, -2.0]),
        ([1.0, 2.0, 1.0], 1.0, True, [0.0, 0.0, -0.5]),
        ([0.5, 0.0], 1.0, True, [-0.5, -1.0]),
    ],
)
def test_how_far_below_the_peak(
    values: list[float], floor: float | None, relative: bool, wanted: list[float]
) -> None:
    assert below_peak(np.array(values), floor, relative=relative).tolist() == wanted


def test_the_border_of_validation_is_drawn_in_both_parts() -> None:
    curve = days(100)
    figure = equity([curve], Look(DARK, border_us=70 * DAY_US, relative=True))
    assert sum(shape.type == "rect" for shape in figure.layout.shapes) == 2
    assert {"training", "validation"} <= {note.text.strip() for note in figure.layout.annotations}


def test_no_two_of_many_lines_look_alike() -> None:
    for theme in (LIGHT, DARK):
        assert len({palette(theme, place) for place in range(32)}) == 32


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(0),
        np.array([np.nan, np.inf]),
        np.array([0.5]),
        np.array([1.0, 1.0]),
        np.linspace(-1, 1, 5_000),
    ],
    ids=["none", "unknown", "one", "equal", "many"],
)
def test_a_histogram_counts_every_known_value_once(values: Floats) -> None:
    marks = [Mark(3.0, "the winner", "winner"), Mark(float("nan"), "unknown", "luck")]
    figure = histogram(values, marks, Axis("number"), LIGHT)
    assert sum(figure.data[0].y) == np.isfinite(values).sum()
    assert [trace.name for trace in figure.data[1:]] == ["the winner"]
    assert figure.data[1].x[0] == 3.0


def test_a_cloud_is_bounded_and_shows_the_winner() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.normal(size=10_000), rng.normal(size=10_000)
    before[:100] = np.nan
    figure = cloud(before, after, 9_999, ("Sharpe", ".2f"), LIGHT)
    points = {trace.name: len(trace.x) for trace in figure.data}
    assert points["strategies"] <= 2_000
    assert points["the winner"] == 1
    assert figure.data[-1].x[0] == before[9_999]


def test_a_winner_without_a_metric_in_validation_is_no_point() -> None:
    figure = cloud(np.array([0.1, 0.5]), np.array([0.2, np.nan]), 1, ("rate", ".0%"), LIGHT)
    assert "the winner" not in {trace.name for trace in figure.data}


def test_the_curve_of_luck_rises_with_the_tries() -> None:
    figure = tries([(500.0, 1.5, "the winner")], 0.5, LIGHT)
    assert list(figure.data[0].y) == sorted(figure.data[0].y)
    assert figure.data[0].y[0] == 0.0
    assert (figure.data[1].x[0], figure.data[1].y[0]) == (500.0, 1.5)


def test_windows_and_families() -> None:
    starts = np.array([0, 365 * DAY_US], dtype=np.int64)
    walked = walk_forward(starts, np.array([1.0, 0.8]), np.array([0.5, np.nan]), ("Sharpe", ".2f"), LIGHT)
    assert list(walked.data[0].x) == ["1970-01-01", "1971-01-01"]
    tried = families({"rsi": 3, "sma_cross": 5}, "rsi", LIGHT)
    assert list(tried.data[0].y) == ["rsi", "sma cross"]
    assert tried.data[0].marker.color == (LIGHT.down, LIGHT.quiet)


def test_a_sheet_escapes_and_sums_up() -> None:
    made = sheet(
        [Column("a <b>", "left"), Column("n", is_less=True)], [["<i>", Cell("1", "#fff")]], ["sum", "1"]
    )
    assert "&lt;i&gt;" in made
    assert "a &lt;b&gt;" in made
    assert 'class="sum"' in made
    assert 'style="color: #fff"' in made
    assert made.count('class="less"') == 3


def test_growth_is_drawn_so_that_twice_as_much_is_as_far_everywhere() -> None:
    lost = Curve("lost", np.array([0, 1]), np.array([1.0, 0.0]))
    assert equity([days(50)], Look(LIGHT, relative=True)).layout.yaxis.type == "log"
    assert equity([lost], Look(LIGHT, relative=True)).layout.yaxis.type is None
    assert equity([days(50)], Look(LIGHT)).layout.yaxis.type is None


def test_growth_of_many_times_has_few_ticks() -> None:
    grown = Curve("grown", np.array([0, 1]), np.array([0.5, 20.0]))
    assert equity([grown], Look(LIGHT, relative=True)).layout.yaxis.dtick == "D2"
    assert equity([days(50)], Look(LIGHT, relative=True)).layout.yaxis.dtick is None


def test_every_family_has_its_name() -> None:
    assert families({str(each): 1 for each in range(12)}, "3", LIGHT).layout.yaxis.dtick == 1
