"""What a study finds, as values: computed in one place, written and drawn in others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats, Ints
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

Metrics = Mapping[str, float]
"""By name, see ``metrics.NAMES``; NaN where undefined (no trades, no losses)."""


@dataclass(frozen=True)
class Sweep:
    """Many strategies over the same bars.

    Attributes:
        strategies: N of them.
        metrics: name -> (N,).
        returns: (P, N) simple returns of the equity per period, 0 while nothing is held.
        exposure: (N,) mean signed position over equity, over all bars: +1 always fully long.
        period_ends_us: (P,) ends of the periods; a period is a bar, or a number of bars where there are many.
        period_bars: bars per period.
        market: (P,) returns of holding the market over the same periods.
    """

    strategies: tuple[Strategy, ...]
    metrics: Mapping[str, Floats]
    returns: Floats
    exposure: Floats
    period_ends_us: Ints
    period_bars: int
    market: Floats


@dataclass(frozen=True)
class Backtest:
    """One strategy over some bars, in full.

    Attributes:
        strategy, prices, costs: what was tried, on what, at what cost.
        start: the bar from which it may trade; those before only warm the indicators up.
        equity: (T,) at the close of each bar from ``start`` on.
        position: (T,) signed notional over equity at each close.
        trades: rows of ``trading.TRADE``, by entry; bars counted from ``prices``' first.
        metrics: all of them.
    """

    strategy: Strategy
    prices: Prices
    costs: Costs
    start: int
    equity: Floats
    position: Floats
    trades: npt.NDArray[np.void]
    metrics: Metrics


@dataclass(frozen=True)
class Overfitting:
    """Probability of backtest overfitting, CSCV; see ``honesty.overfitting``.

    Attributes:
        probability: part of the splits in which the best in sample is in the lower half out of sample.
        logits: (C,) of the winner's relative rank out of sample.
        in_sample, out_of_sample: (C,) the winner's Sharpe ratio per period in each split.
        slope, intercept, r_squared: of out_of_sample regressed on in_sample.
        loss_probability: part of the splits in which the winner loses out of sample.
        grid, chosen_cdf, all_cdf: distributions out of sample: the winner's and all strategies'.
        blocks, dropped: S, and how many of the oldest rows were left out so that S divides the rest.
    """

    probability: float
    logits: Floats
    in_sample: Floats
    out_of_sample: Floats
    slope: float
    intercept: float
    r_squared: float
    loss_probability: float
    grid: Floats
    chosen_cdf: Floats
    all_cdf: Floats
    blocks: int
    dropped: int


@dataclass(frozen=True)
class SharpeEvidence:
    """What the winner's Sharpe ratio is worth, given how many were tried. Per period unless said.

    Attributes:
        sharpe, annual, annual_lo: per period; times sqrt(q); with Lo's (2002) correction for autocorrelation.
        standard_error: of ``sharpe``.
        skewness, kurtosis: of the returns; raw kurtosis (normal = 3).
        periods: T.
        psr: probability that the true ratio is above 0.
        dsr: the same above what the best of ``tries`` unskilled ones would show.
        tries, effective_tries: from the trial ledger; after clustering those that do the same.
        expected_max: that best unskilled ratio.
        min_track_record: periods needed for psr >= 0.95; inf if the ratio is not above 0.
        min_backtest_years: below it so many tries are expected to show the winner's annual ratio by luck.
        dsr_effective: as ``dsr``, with the effective tries, and 1 / T as the variance of unskilled ratios.
    """

    sharpe: float
    annual: float
    annual_lo: float
    standard_error: float
    skewness: float
    kurtosis: float
    periods: int
    psr: float
    dsr: float
    tries: int
    effective_tries: float
    expected_max: float
    min_track_record: float
    min_backtest_years: float
    dsr_effective: float = math.nan


@dataclass(frozen=True)
class LuckTests:
    """Is the best of all better than nothing, given that it is the best of many? p-values.

    Of returns in excess of holding the same average exposure all the time: a rising market is no skill.

    Attributes:
        reality_check: White (2000).
        spa_lower, spa_consistent, spa_upper: Hansen (2005), studentised.
        superior: ids of the strategies that StepM (Romano and Wolf 2005) finds better, family-wise 5 %.
        block, repetitions: of the stationary bootstrap.
        p_values: (N,) StepM's, adjusted for all N, in the order of the sweep; ``superior`` are those <= 5 %.
    """

    reality_check: float
    spa_lower: float
    spa_consistent: float
    spa_upper: float
    superior: tuple[str, ...]
    block: float
    repetitions: int
    p_values: Floats = field(default_factory=lambda: np.ones(0))


@dataclass(frozen=True)
class WalkForward:
    """Selecting anew, again and again, and trading what was selected on what came next.

    Attributes:
        anchored: training begins at the first period always, or rolls.
        starts_us, ends_us: (W,) of the test windows.
        chosen: (W,) ids.
        in_sample, out_of_sample: (W,) the chosen metric.
        returns: the test windows' returns, one after the other.
        efficiency: mean out of sample / mean in sample.
    """

    anchored: bool
    starts_us: Ints
    ends_us: Ints
    chosen: tuple[str, ...]
    in_sample: Floats
    out_of_sample: Floats
    returns: Floats
    efficiency: float


@dataclass(frozen=True)
class NoiseTest:
    """The same study on prices without any pattern.

    Attributes:
        metric: which one.
        real: of the best strategy on the real prices.
        noise: (R,) of the best strategy on each set of noise prices.
        p_value: (1 + how many of noise >= real) / (R + 1).
    """

    metric: str
    real: float
    noise: Floats
    p_value: float


@dataclass(frozen=True)
class Plateau:
    """The winner's neighbours: is it a hill or a needle?

    Attributes:
        names: the one or two parameters that are varied.
        first, second: their values; ``second`` holds one value where there is one parameter only.
        values: (len(first), len(second)) the chosen metric; NaN where the family refuses the pair.
        neighbours: median of the winner's neighbours / the winner's own.
    """

    names: tuple[str, ...]
    first: Floats
    second: Floats
    values: Floats
    neighbours: float


@dataclass(frozen=True)
class Honesty:
    """Everything that says whether it was luck. None where it could not be computed; ``missing`` says why."""

    sharpe: SharpeEvidence | None
    overfitting: Overfitting | None
    luck: LuckTests | None
    intervals: Mapping[str, tuple[float, float]]
    walk_forward: tuple[WalkForward, ...]
    noise: NoiseTest | None
    plateau: Plateau | None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """In plain words.

    Attributes:
        skill: whether luck alone is rejected, at the 5 % level and for the selected strategy.
        headline: one sentence.
        reasons: what speaks for and against it.
    """

    skill: bool
    headline: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study from start to end: all that its files and its report show.

    Attributes:
        version, seed, data_hash: what makes it reproducible; in every file.
        source, symbol, interval_us, idealised: the data.
        periods_per_year: for annualising bars, from the data's own bar length and calendar.
        select_by, overfit_drop: the metric that chose; the fall that counts as overfit (0.15).
        accounting: "compounded" or "per_trade".
        train, validation: sweeps of all strategies; the validation's has the same order.
        best: index of the selected strategy.
        best_train, best_validation, best_whole: it in full, over both parts and over all.
        gap: win_rate_drop, return_drop, sharpe_drop: training minus validation; and the chosen metric's.
        overfit: whether the chosen metric fell by more than ``overfit_drop``.
        ids: the names that a file gave to the strategies; empty where they go by their own.
        tries: distinct strategies tried on this data, those of other studies included (trial ledger).
        remarks: what was noticed about the data and the study, in words.
    """

    version: str
    seed: int
    data_hash: str
    source: str
    symbol: str
    interval_us: int
    idealised: bool
    periods_per_year: float
    select_by: str
    overfit_drop: float
    accounting: str
    costs: Costs
    train: Sweep
    validation: Sweep
    best: int
    best_train: Backtest
    best_validation: Backtest
    best_whole: Backtest
    gap: Mapping[str, float]
    overfit: bool
    honesty: Honesty
    verdict: Verdict
    ids: tuple[str, ...] = ()
    tries: int = 0
    remarks: tuple[str, ...] = ()

    def id_of(self, index: int) -> str:
        """The name of the strategy at ``index``, in files and reports."""
        return self.ids[index] if self.ids else self.train.strategies[index].id
