"""Figures: what is drawn where."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy import stats

from barograph.research.honesty.expected_maximum import exact
from barograph.research.outcome import NoiseTest, Overfitting, Plateau
from barograph.research.plots import (
    cloud,
    deflated,
    degradation,
    distribution,
    equity,
    excursions,
    in_and_out,
    logits,
    noise,
    plateau,
    range_bar,
    return_histogram,
    trades,
    tries,
)
from barograph.research.plots.svg import plot
from barograph.strategies.trading import TRADE

DAY = 86_400_000_000


def drawn(svg: str) -> ET.Element:
    """The figure, which must be sound XML with a text alternative."""
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert len(root.get("aria-label", "")) > 20
    return root


def of_kind(root: ET.Element, kind: str) -> list[ET.Element]:
    return [part for part in root.iter() if part.get("class") == kind]


def test_given_growth_then_the_lines_end_where_the_values_are() -> None:
    times = np.arange(300) * DAY
    grown, market = np.linspace(1.0, 4.0, 300), np.linspace(1.0, 2.0, 300)
    root = drawn(equity.draw(times, grown, market, 200 * DAY))
    ends = {kind: path_ends(of_kind(root, kind)) for kind in ("s", "m")}
    # Logarithmic: half the way up from 1 to 4 is 2.
    bottom, top = ends["s"][0][1], ends["s"][1][1]
    assert ends["m"][1][1] == pytest.approx((bottom + top) / 2, abs=0.2)
    assert "validation" in "".join(root.itertext())


def path_ends(parts: list[ET.Element]) -> list[tuple[float, float]]:
    path = next(part for part in parts if part.tag == "path")
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d", ""))]
    return [(numbers[0], numbers[1]), (numbers[-2], numbers[-1])]


def test_given_equity_below_zero_then_the_scale_is_even_and_nothing_fails() -> None:
    drawn(equity.draw(np.arange(5) * DAY, np.array([1.0, 0.5, -0.5, -1.0, 0.2]), np.ones(5)))


def test_given_a_distribution_then_all_strategies_are_in_it_and_the_winner_is_marked() -> None:
    values = np.append(np.random.default_rng(0).normal(size=400), [np.nan, 900.0])
    root = drawn(distribution.draw(values, 2.5, "Sharpe ratio", luck=2.9))
    counted = sum(int(m) for m in re.findall(r": ([\d,]+) strategies", "\n".join(root.itertext())))
    assert counted == 401
    assert len(of_kind(root, "w")) == 1
    assert "selected" in "".join(root.itertext())
    assert "luck" in "".join(root.itertext())


def test_given_few_points_then_each_is_named_and_given_many_then_they_are_shaded() -> None:
    p = plot((400.0, 300.0), (0.0, 1.0), (0.0, 1.0))
    rng = np.random.default_rng(1)
    few = cloud.cloud(p, rng.random(50), rng.random(50), "pm", [f"one {i}" for i in range(50)])
    assert few.count("<circle") == few.count("<title>one ") == 50
    many = cloud.cloud(p, rng.random(50_000), rng.random(50_000))
    assert "<circle" not in many
    assert sum(int(n.replace(",", "")) for n in re.findall(r"<title>([\d,]+)<", many)) == 50_000
    assert len(many) < 1_200_000


def test_given_far_values_then_the_range_leaves_them_out_but_holds_what_it_must() -> None:
    values = np.append(np.random.default_rng(2).normal(size=500), [1e6, np.nan])
    low, high = cloud.spread(values, (40.0,))
    assert -10 < low < -2
    assert 40.0 < high < 60.0


def test_rank_correlation_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=200).round(1), rng.normal(size=200).round(1)
    assert in_and_out.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    x[:5] = np.nan
    assert in_and_out.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x[5:], y[5:]).statistic)
    assert np.isnan(in_and_out.rank_correlation(np.ones(9), y[:9]))


def test_given_training_and_validation_then_every_strategy_is_a_point_and_the_winner_stands_out() -> None:
    x, y = np.linspace(0.0, 1.0, 30), np.linspace(1.0, 0.0, 30)
    root = drawn(in_and_out.draw(x, y, 29, [f"s{i}" for i in range(30)]))
    assert len(of_kind(root, "pm")) == 30
    assert len(of_kind(root, "pw")) == 1


def test_the_density_of_the_best_by_luck_is_one_and_has_the_expected_maximum_as_mean() -> None:
    z = np.linspace(-8.0, 12.0, 8_001)
    for count in (1.0, 10.0, 500.0):
        density = deflated._best_of(z, count)
        assert np.trapezoid(density, z) == pytest.approx(1.0, abs=1e-6)
        assert np.trapezoid(density * z, z) == pytest.approx(exact(count), abs=1e-6)


def test_given_the_winner_against_luck_then_both_are_drawn() -> None:
    root = drawn(deflated.draw(2.1, 0.6, 500.0))
    assert "selected: 2.10" in "".join(root.itertext())
    counts = np.geomspace(1.0, 1_000.0, 20)
    expected = np.array([exact(n) for n in counts])
    again = drawn(tries.draw(2.1, counts, expected, {"ledger": (500.0, exact(500.0))}))
    assert "ledger: 500" in "".join(again.itertext())
    assert len(of_kind(again, "ring")) == 1


@pytest.fixture
def overfit() -> Overfitting:
    rng = np.random.default_rng(4)
    x = rng.normal(0.1, 0.02, 252)
    y = 0.1 - 0.8 * x + rng.normal(0, 0.02, 252)
    fit = stats.linregress(x, y)
    grid = np.linspace(-0.2, 0.3, 100)
    cdf = stats.norm.cdf(grid, 0.05, 0.05)
    return Overfitting(
        0.6,
        rng.normal(-0.5, 1.5, 252),
        x,
        y,
        fit.slope,
        fit.intercept,
        fit.rvalue**2,
        0.3,
        grid,
        cdf,
        cdf,
        10,
        3,
    )


def test_given_splits_then_the_histogram_parts_overfit_from_the_rest(overfit: Overfitting) -> None:
    root = drawn(logits.draw(overfit))
    assert of_kind(root, "bl")
    assert of_kind(root, "bs")
    shares = [float(m) for m in re.findall(r"([\d.]+)% of the splits", "\n".join(root.itertext()))]
    assert sum(shares) == pytest.approx(100.0, abs=3.0)


def test_given_a_regression_then_its_line_runs_through_the_points(overfit: Overfitting) -> None:
    root = drawn(degradation.draw(overfit, 16.0))
    (ends,) = of_kind(root, "w")
    x1, y1, x2, y2 = (float(ends.get(name, "nan")) for name in ("x1", "y1", "x2", "y2"))
    dots = [(float(d.get("cx", "nan")), float(d.get("cy", "nan"))) for d in of_kind(root, "pm")]
    seen = stats.linregress(*np.array(dots).T)
    assert (y2 - y1) / (x2 - x1) == pytest.approx(seen.slope, rel=0.02)


def test_given_a_plateau_then_the_winner_is_outlined_and_refused_pairs_are_empty() -> None:
    values = np.array([[1.0, 0.5], [np.nan, -0.2]])
    found = Plateau(("fast", "slow"), np.array([5.0, 10.0]), np.array([20.0, 50.0]), values, 0.4)
    root = drawn(plateau.draw(found, (5.0, 50.0)))
    assert len(of_kind(root, "ring")) == 1
    assert len(of_kind(root, "bs")) == 2
    assert len(of_kind(root, "bl")) == 1
    one = Plateau(("window",), np.array([5.0, 10.0]), np.zeros(1), np.array([[1.0], [0.5]]), 0.5)
    assert len(of_kind(drawn(plateau.draw(one, (10.0,))), "ring")) == 1


def test_given_a_noise_test_then_the_real_prices_are_marked() -> None:
    root = drawn(noise.draw(NoiseTest("cagr", 0.2, np.linspace(0.0, 0.3, 40), 0.3), "CAGR"))
    assert "real prices" in "".join(root.itertext())


def test_given_returns_then_all_are_counted() -> None:
    returns = np.random.default_rng(5).standard_t(3, 900) * 0.01
    root = drawn(return_histogram.draw(returns, "day", -0.02))
    counts = [int(m.replace(",", "")) for m in re.findall(r"%: ([\d,]+)", "\n".join(root.itertext()))]
    assert sum(counts) == 900


def some_trades() -> np.ndarray:
    made = np.zeros(3, TRADE)
    made["side"] = 1, -1, 1
    made["entry_bar"], made["exit_bar"] = (1, 4, 8), (3, 6, 9)
    made["entry_price"], made["exit_price"] = (100.0, 100.0, 100.0), (110.0, 120.0, 95.0)
    made["lowest"], made["highest"] = (90.0, 98.0, 101.0), (112.0, 125.0, 104.0)
    made["profit"] = 10.0, -20.0, -5.0
    return made


def test_excursions_of_long_and_short_trades_are_by_hand() -> None:
    adverse, favourable, result = excursions.excursions(some_trades())
    assert adverse == pytest.approx([-0.10, -0.25, 0.0])
    assert favourable == pytest.approx([0.12, 0.02, 0.04])
    assert result == pytest.approx([0.10, -0.20, -0.05])


def test_given_trades_then_each_is_a_line_and_the_strip_shows_when_something_was_held() -> None:
    times = np.arange(12) * DAY
    root = drawn(trades.draw(times, np.linspace(90.0, 130.0, 12), some_trades(), 6 * DAY))
    assert len(of_kind(root, "lw")) == 1
    assert len(of_kind(root, "ll")) == 2
    assert len(of_kind(root, "ps")) == 2
    assert len(of_kind(root, "pl")) == 1


def test_given_more_trades_than_can_be_seen_then_the_largest_are_drawn() -> None:
    many = np.zeros(2_000, TRADE)
    many["side"], many["entry_bar"] = 1, np.arange(2_000)
    many["exit_bar"], many["entry_price"], many["exit_price"] = many["entry_bar"] + 1, 1.0, 1.1
    many["profit"] = np.arange(2_000.0)
    root = drawn(trades.draw(np.arange(2_001) * DAY, np.ones(2_001), many))
    shown = [float(m) for m in re.findall(r"profit ([\d,.]+)", "".join(root.itertext()).replace(",", ""))]
    assert len(shown) == trades.DRAWN
    assert min(shown) == 2_000 - trades.DRAWN


def test_given_an_interval_without_zero_then_it_is_in_the_accent() -> None:
    assert of_kind(drawn(range_bar.draw(0.5, 0.2, 0.9)), "bs")
    assert of_kind(drawn(range_bar.draw(0.5, -0.2, 0.9)), "bm")
    drawn(range_bar.draw(float("nan"), float("nan"), float("nan")))
