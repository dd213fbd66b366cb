"""Bootstrap intervals: the metrics' own formulas, arch, coverage, naive block errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.compiled import COMPILED
from barograph.errors import DataError, UsageError
from barograph.research import metrics
from barograph.research.honesty import intervals as module
from barograph.research.honesty.intervals import (
    OF_MARKET,
    OF_RETURNS,
    OF_TRADES,
    Resampling,
    blocks,
    intervals,
    replicates,
)
from barograph.research.honesty.stationary import bootstrap_variance
from barograph.rows import Floats, Ints
from barograph.strategies.trading import REASONS, TRADE


def some_returns(n: int = 300, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).standard_t(5, n) * 0.01 + 0.0007


def some_trades(n: int = 40, seed: int = 3) -> npt.NDArray[np.void]:
    rng = np.random.default_rng(seed)
    trades = np.zeros(n, TRADE)
    trades["entry_bar"] = np.arange(n) * 7
    trades["exit_bar"] = trades["entry_bar"] + rng.integers(1, 7, n)
    trades["entry_price"] = rng.uniform(50, 150, n)
    trades["quantity"] = rng.uniform(1, 3, n)
    trades["profit"] = rng.normal(1, 10, n)
    trades["reason"] = rng.integers(0, 4, n)
    return trades


def history_as_it_was(periods: int, block: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    return np.zeros(1, dtype=np.int64), np.array([periods], dtype=np.int64)


def test_given_the_history_itself_as_the_draw_every_metric_is_the_backtest_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    returns, market, trades = some_returns(), some_returns(seed=9), some_trades()
    monkeypatch.setattr(module, "blocks", history_as_it_was)
    drawn = replicates(
        returns, 252, market=market, trades=trades, risk_free=0.02, resampling=Resampling(repetitions=2)
    )
    equity = np.concatenate([[1.0], np.cumprod(1 + returns)])
    close = np.concatenate([[100.0], 100 * np.cumprod(1 + market)])
    expected = metrics.of(equity, np.ones(301), trades, close, 252, risk_free=0.02)
    assert set(drawn.metrics) == {*OF_RETURNS, *OF_MARKET, *OF_TRADES}
    for name, values in drawn.metrics.items():
        assert values == pytest.approx(expected[name], rel=1e-9), name


def test_the_names_are_in_the_order_of_files() -> None:
    found = intervals(some_returns(), 252, market=some_returns(seed=1), trades=some_trades())
    assert list(found) == [name for name in metrics.NAMES if name in found]
    assert set(found) == {*OF_RETURNS, *OF_MARKET, *OF_TRADES}
    assert all(low <= high for low, high in found.values())


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.floats(1, 300), st.integers(0, 1000))
def test_blocks_fill_the_periods_exactly(periods: int, block: float, seed: int) -> None:
    starts, lengths = blocks(periods, block, np.random.default_rng(seed))
    assert lengths.sum() == periods
    assert lengths.min() >= 1
    assert len(starts) == len(lengths)
    assert 0 <= starts.min() <= starts.max() < periods


def test_blocks_have_the_mean_length_asked_for_and_start_anywhere() -> None:
    rng = np.random.default_rng(4)
    drawn = [blocks(1000, 7.5, rng) for _ in range(300)]
    lengths = np.concatenate([lengths[:-1] for _, lengths in drawn])
    starts = np.concatenate([starts for starts, _ in drawn])
    assert lengths.mean() == pytest.approx(7.5, rel=0.03)
    assert (lengths == 1).mean() == pytest.approx(1 / 7.5, rel=0.05)
    assert starts.mean() == pytest.approx(499.5, rel=0.02)


def test_the_means_of_draws_vary_as_the_stationary_bootstrap_s_theory_says() -> None:
    returns = np.convolve(np.random.default_rng(6).standard_normal(420), np.ones(4), "valid")
    returns -= returns.mean()
    rng, rows = np.random.default_rng(1), len(returns)
    means = [returns[module._rows(*blocks(rows, 12, rng), rows)].mean() for _ in range(4000)]
    theory = math.sqrt(float(bootstrap_variance(returns[:, None], 12)[0]) / rows)
    assert np.std(means) == pytest.approx(theory, rel=0.05)


def test_percentiles_are_those_of_arch() -> None:
    returns = some_returns(400)
    ours = intervals(returns, 252, resampling=Resampling(repetitions=4000, block=5.0))
    theirs = StationaryBootstrap(5, returns, seed=1)

    def of(sample: Floats) -> Floats:
        equity = np.cumprod(1 + sample)
        return np.array(
            [
                sample.std(ddof=1) * math.sqrt(252),
                equity[-1] - 1,
                (sample > 0).sum() / (sample != 0).sum(),
                (equity / np.maximum.accumulate(np.maximum(equity, 1.0)) - 1).min(),
            ]
        )

    found = theirs.conf_int(of, reps=4000, method="percentile").T
    for name, expected in zip(
        ("volatility", "total_return", "win_rate_periods", "max_drawdown"), found, strict=True
    ):
        width = expected[1] - expected[0]
        assert ours[name] == pytest.approx(tuple(expected), abs=0.08 * width), name


def test_the_block_length_is_arch_s() -> None:
    returns = np.random.default_rng(3).standard_normal(500)
    for t in range(1, 500):
        returns[t] += 0.4 * returns[t - 1]
    expected = float(optimal_block_length(returns)["stationary"].iloc[0])
    assert replicates(returns * 0.01, 252).block == pytest.approx(expected)
    assert expected > 2


def test_the_error_of_a_draw_is_that_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    returns, rng = some_returns(120), np.random.default_rng(5)
    starts, lengths = blocks(120, 6, rng)
    monkeypatch.setattr(module, "blocks", lambda *_: (starts, lengths))
    drawn = replicates(returns, 252, risk_free=0.03, resampling=Resampling(repetitions=1))
    sample = returns[module._rows(starts, lengths, 120)]
    free = 1.03 ** (1 / 252) - 1
    sharpe = (sample.mean() - free) / sample.std(ddof=1)
    z = (sample - sample.mean()) / sample.std()
    influence = z - sharpe * (z * z - 1) / 2
    sums = np.add.reduceat(influence, np.cumsum(lengths) - lengths)
    assert drawn.metrics["sharpe_ratio"][0] == pytest.approx(sharpe * math.sqrt(252))
    assert drawn.sharpe_error[0] == pytest.approx(math.sqrt(np.square(sums).sum()) / 120 * math.sqrt(252))


def test_the_sharpe_ratio_s_interval_holds_the_true_one_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for seed in range(300):
        returns = rng.standard_t(6, 120) * 0.01 + 0.002
        truth = 0.002 / (0.01 * math.sqrt(1.5)) * math.sqrt(252)
        low, high = intervals(returns, 252, resampling=Resampling(0.9, 199, seed))["sharpe_ratio"]
        hits += low <= truth <= high
    assert 0.85 <= hits / 300 <= 0.95


@pytest.mark.skipif(not COMPILED, reason="there is only one way without a compiler")
def test_plain_python_gives_the_same_bits_as_machine_code() -> None:
    returns, market = some_returns(), some_returns(seed=1)
    starts, lengths = blocks(300, 4, np.random.default_rng(1))
    found = []
    for redraw in (module._redraw, module._redraw.py_func):  # type: ignore[attr-defined]
        redrawn, sums = np.empty(300), np.zeros(module._SUMS)
        redraw(returns, market, starts, lengths, (0.0007, 0.013), redrawn, sums)
        found.append(np.concatenate([redrawn, sums]).tobytes())
    assert found[0] == found[1]


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    returns, trades = some_returns(), some_trades()
    first = intervals(returns, 252, trades=trades, resampling=Resampling(seed=3))
    assert first == intervals(returns, 252, trades=trades, resampling=Resampling(seed=3))
    assert first != intervals(returns, 252, trades=trades, resampling=Resampling(seed=4))


def test_a_higher_level_is_wider() -> None:
    narrow = intervals(some_returns(), 252, resampling=Resampling(level=0.5))
    wide = intervals(some_returns(), 252, resampling=Resampling(level=0.99))
    for name, (low, high) in narrow.items():
        assert wide[name][0] <= low <= high <= wide[name][1]


def test_open_trades_and_too_few_trades_are_left_out() -> None:
    trades = some_trades(12)
    trades["reason"][-4:] = REASONS.index("open")
    trades["profit"] = np.where(np.arange(12) < 8, 5.0, -1000.0)
    found = intervals(some_returns(), 252, trades=trades)
    assert found["win_rate"] == (1.0, 1.0)
    assert found["expectancy"] == pytest.approx((5.0, 5.0))
    assert all(math.isnan(end) for end in found["profit_factor"])
    assert "win_rate" not in intervals(some_returns(), 252, trades=trades[1:])
    assert "win_rate" not in intervals(some_returns(), 252)


def test_given_returns_that_never_vary_what_is_undefined_is_not_a_number() -> None:
    found = intervals(np.zeros(50), 252, market=np.zeros(50))
    assert found["total_return"] == found["max_drawdown"] == (0.0, 0.0)
    for name in ("sharpe_ratio", "sortino_ratio", "beta", "skewness"):
        assert all(math.isnan(end) for end in found[name]), name


def test_given_what_cannot_be_drawn_it_is_refused() -> None:
    with pytest.raises(DataError, match="7 returns are too few"):
        intervals(np.zeros(7), 252)
    with pytest.raises(DataError, match="return 3 is not a number"):
        intervals(np.array([0.1, 0.2, 0.1, math.nan, *[0.1] * 9]), 252)
    with pytest.raises(UsageError, match="9 returns of the market beside 10"):
        intervals(np.zeros(10), 252, market=np.zeros(9))
    for resampling, complaint in (
        (Resampling(level=1.0), "level is 1"),
        (Resampling(repetitions=0), "repetitions is 0"),
        (Resampling(block=0.5), r"mean block of 0\.5"),
    ):
        with pytest.raises(UsageError, match=complaint):
            intervals(some_returns(), 252, resampling=resampling)
