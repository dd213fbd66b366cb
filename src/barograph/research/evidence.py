"""Everything that says whether a study's winner is luck, put together from ``honesty``.

A part that does not apply, such as for want of periods, is told in ``missing`` with the reason; the others
are computed all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from barograph.errors import BarographError, DataError, UsageError
from barograph.research.honesty.criteria import stand_in
from barograph.research.outcome import (
    Backtest,
    Honesty,
    LuckTests,
    NoiseTest,
    Overfitting,
    Plateau,
    SharpeEvidence,
    Sweep,
    WalkForward,
)
from barograph.research.plan import Plan
from barograph.research.recounting import simple_returns
from barograph.research.selecting import SMALLER_IS_BETTER
from barograph.rows import Floats
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy

T = TypeVar("T")
Progress = Callable[[str, int, int], None]

PARTS = ("luck", "sharpe", "overfitting", "intervals", "walk_forward", "noise", "plateau")
"""Of :class:`Honesty`, in the order in which they are computed."""

LONG_PARTS = frozenset({"intervals", "walk_forward", "noise", "plateau"})
"""Those that ``--quick`` leaves out."""

DRAWS = 1_000
MOST_DRAWS = 10_000
"""Bootstrap draws of the luck tests: more of them where the ledger asks for smaller p-values."""

_DRAWN_VALUES = 50_000_000
"""Draws times strategies that are kept in memory (400 MB)."""

_NOISE_STUDIES = (50, 19)
"""How often the study is done again on noise: usually, and where it is large. 19 suffice for p = 0.05."""

_NOISE_CELLS = 2_500_000_000
"""Strategies times bars of all studies on noise together: about ten seconds' work."""

MOST_RESAMPLED = 100_000
"""Bars up to which the intervals are those of bars; beyond, of the sweep's longer periods."""

_MOST_RANKED = 20_000
"""Strategies up to which the probability of overfitting is computed: each of 12,870 splits ranks them all."""


@dataclass(frozen=True)
class Subject:
    """What is judged.

    Attributes:
        plan: the study's settings.
        prices: all bars.
        whole: all strategies over all bars.
        best: index of the selected one.
        best_whole: it in full, over all bars.
        tries: distinct ones by the ledger.
        periods_per_year: of the bars.
        score: the chosen metric of some strategies in training.
        score_best: the chosen metric of the best of the study's strategies in training on other prices.
    """

    plan: Plan
    prices: Prices
    whole: Sweep
    best: int
    best_whole: Backtest
    tries: int
    periods_per_year: float
    score: Callable[[Sequence[Strategy]], Floats]
    score_best: Callable[[Prices], float]

    @property
    def sweep_year(self) -> float:
        """Periods of the sweep in a year."""
        return self.periods_per_year / self.whole.period_bars

    @property
    def returns(self) -> Floats:
        """(P,) of the selected strategy."""
        return np.ascontiguousarray(self.whole.returns[:, self.best])


def gather(subject: Subject, progress: Progress) -> Honesty:
    """All parts of :class:`Honesty`; with ``plan.quick`` without those that take long."""
    parts = _Parts(subject.plan.quick, progress)
    return Honesty(
        luck=parts.get("luck", lambda: luck(subject)),
        sharpe=parts.get("sharpe", lambda: sharpe(subject)),
        overfitting=parts.get("overfitting", lambda: overfitting(subject)),
        intervals=parts.get("intervals", lambda: intervals(subject)) or {},
        walk_forward=parts.get("walk_forward", lambda: walk_forward(subject)) or (),
        noise=parts.get("noise", lambda: noise(subject, progress)),
        plateau=parts.get("plateau", lambda: plateau(subject)),
        missing=parts.missing,
    )


class _Parts:
    """Computes one part after the other, and remembers why one could not be."""

    def __init__(self, quick: bool, progress: Progress) -> None:
        self.missing: dict[str, str] = {}
        self._quick = quick
        self._progress = progress

    def get(self, name: str, make: Callable[[], T]) -> T | None:
        self._progress(f"weighing the evidence: {name}", PARTS.index(name), len(PARTS))
        if self._quick and name in LONG_PARTS:
            self.missing[name] = "left out by --quick"
            return None
        try:
            return make()
        except (BarographError, ValueError, ArithmeticError) as error:
            self.missing[name] = str(error)
        except ImportError as error:
            self.missing[name] = f"{error}; install it with: pip install 'barograph[research]'"
        return None


def luck(subject: Subject) -> LuckTests:
    """Reality Check, SPA and StepM over all strategies, on the whole sample."""
    from barograph.research.honesty.superior import excess, luck_tests

    whole = subject.whole
    strategies = len(whole.strategies)
    wanted = math.ceil(DRAWS * max(subject.tries / strategies, 1.0))
    draws = min(wanted, MOST_DRAWS, max(_DRAWN_VALUES // strategies, 200))
    ids = [strategy.id for strategy in whole.strategies]
    return luck_tests(excess(whole), ids, seed=subject.plan.seed, repetitions=draws)


def chance_alone(subject: Subject) -> float:
    """P-value of the selected strategy's excess over its average exposure, as if it were the only try.

    1 - PSR (Bailey and Lopez de Prado 2012), which knows of skewness and kurtosis; 1 where undefined.
    """
    from barograph.research.honesty.sharpe import moments, psr_2012

    exposed = subject.whole.market * subject.whole.exposure[subject.best]
    try:
        return 1.0 - psr_2012(moments(subject.returns - exposed))
    except (DataError, UsageError):  # nothing was traded: nothing speaks against chance
        return 1.0


def sharpe(subject: Subject) -> SharpeEvidence:
    """The selected strategy's Sharpe ratio over the whole sample, given the ledger's tries."""
    from barograph.research.honesty.sharpe import Tried, evidence
    from barograph.research.honesty.superior import excess
    from barograph.research.honesty.tries import effective_tries

    whole = subject.whole
    first = {strategy: index for index, strategy in reversed(list(enumerate(whole.strategies)))}
    distinct = sorted(first.values())
    effective = effective_tries(excess(whole)[:, distinct], seed=subject.plan.seed)
    tried = Tried(sharpe_ratios(whole.returns[:, distinct]), subject.tries, effective.among(subject.tries))
    return evidence(subject.returns, tried, subject.sweep_year)


def sharpe_ratios(returns: Floats) -> Floats:
    """(N,) per period, ddof 1; NaN for those whose returns never vary."""
    spread = returns.std(axis=0, ddof=1)
    moving = np.ptp(returns, axis=0) > 0
    ratios = np.full(returns.shape[1], np.nan)
    np.divide(returns.mean(axis=0), spread, out=ratios, where=moving)
    return ratios


def overfitting(subject: Subject) -> Overfitting:
    """The probability of backtest overfitting over the whole sample."""
    from barograph.research.honesty.overfitting import overfitting as by_cscv

    strategies = len(subject.whole.strategies)
    if strategies > _MOST_RANKED:
        raise DataError(
            f"{strategies} strategies are too many to rank in every split; at most {_MOST_RANKED}"
        )
    return by_cscv(subject.whole.returns)


def intervals(subject: Subject) -> dict[str, tuple[float, float]]:
    """Of every metric of the selected strategy over the whole sample, per bar as the metrics themselves."""
    from barograph.research.honesty.intervals import Resampling
    from barograph.research.honesty.intervals import intervals as by_bootstrap

    returns, market, per_year = subject.returns, subject.whole.market, subject.sweep_year
    full = subject.best_whole
    compounded = subject.plan.accounting == "compounded"
    if compounded and subject.whole.period_bars > 1 and len(full.equity) <= MOST_RESAMPLED:
        returns, per_year = simple_returns(full.equity), subject.periods_per_year
        market = simple_returns(full.prices.close[full.start :])
    found = by_bootstrap(
        returns,
        per_year,
        market=market,
        trades=subject.best_whole.trades,
        resampling=Resampling(seed=subject.plan.seed),
    )
    return dict(found)


def walk_forward(subject: Subject) -> tuple[WalkForward, ...]:
    """Anchored and rolling, by the metric that chose or its :func:`stand_in`."""
    from barograph.research.honesty.walk_forward import walk_forward as forward

    by, year = stand_in(subject.plan.select_by), subject.sweep_year
    return tuple(
        forward(subject.whole, anchored=anchored, select_by=by, periods_per_year=year)
        for anchored in (True, False)
    )


def noise(subject: Subject, progress: Progress) -> NoiseTest:
    """The study again on prices without any pattern: how good is its best in training there?"""
    from barograph.research.honesty.noise import noise_test

    by = subject.plan.select_by
    if by in SMALLER_IS_BETTER:
        raise DataError(f"less {by} is better; the noise test compares metrics of which more is")
    cells = len(subject.whole.strategies) * len(subject.prices)
    fitting = [times for times in _NOISE_STUDIES if times * cells <= _NOISE_CELLS]
    if not fitting:
        raise DataError(
            f"{len(subject.whole.strategies)} strategies on {len(subject.prices)} bars are too many to do "
            "the study again on noise; fewer strategies or longer bars (--every) allow it"
        )
    times = fitting[0]
    return noise_test(
        subject.prices,
        subject.score_best,
        metric=by,
        repetitions=times,
        seed=subject.plan.seed,
        progress=lambda done: progress("the same study on noise", done, times),
    )


def plateau(subject: Subject) -> Plateau:
    """The selected strategy's neighbours in training, by the chosen metric."""
    from barograph.research.honesty.plateau import plateau as around

    return around(subject.whole.strategies[subject.best], subject.score)
