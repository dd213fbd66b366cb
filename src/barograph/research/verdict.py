"""Skill or luck, in plain words.

Skill is called where *all* of this holds:

1. The selected strategy is in the superior set of StepM (Romano and Wolf 2005, studentised) over all
   strategies of the study, on the whole sample, in returns above those of holding its average exposure: its
   adjusted p-value is at most 5 %. So at most 5 % of studies without any skill in them are called skill,
   however many strategies they try and however much these do the same.
2. Where the ledger knows of more tries on this data than the study's, the study gets its share of these 5 %
   only (Bonferroni): p times tries / strategies is at most 5 %. From B draws, p cannot be told from 0 below
   1 / B; there the tries times the p-value of the strategy by itself, a bound for the former, stands in where
   it is smaller.

The second can only take skill away, so the first's promise stays true. And if all studies of this data are
judged by the ledger as it stands in the end, luck is called skill in any of them with at most 5 %.

DSR, PBO and the others are told beside it. They do not decide: DSR looks at returns with the market's rise
in them, and PBO is a probability of the way of choosing, not of the chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from barograph.research.outcome import Honesty, Metrics, Verdict
from barograph.research.selecting import Fall

LEVEL = 0.05
_FEW_TRADES = 30


class Case(NamedTuple):
    """What is known when the verdict is given.

    Attributes:
        strategies: of the study; ``best``: index of the selected one.
        tries: distinct strategies tried on this data, by the ledger.
        chance_alone: p-value of the selected strategy as if it were the only try.
        whole: its metrics over the whole sample.
        walked_by: the metric of the walk-forward.
        idealised: fills at the next open for want of a price that could be had.
        free: whether fills cost nothing: no fee, no slippage, no spread.
        per_trade: whether the classic accounting was used.
    """

    honesty: Honesty
    fall: Fall
    strategies: int
    best: int
    tries: int
    chance_alone: float
    whole: Metrics
    walked_by: str
    idealised: bool
    free: bool
    per_trade: bool

    @property
    def sharpe(self) -> float:
        """Annual, of the selected strategy over the whole sample."""
        return self.whole["sharpe_ratio"]


def luck_p_value(case: Case) -> float:
    """Probability that luck alone does so well, among all tries that the ledger knows; NaN where untested."""
    luck = case.honesty.luck
    if luck is None:
        return math.nan
    p = float(luck.p_values[case.best])
    if case.tries <= case.strategies:
        return p
    share = max(p, 1 / luck.repetitions) * case.tries / case.strategies
    if p == 0:
        share = min(share, case.tries * case.chance_alone)
    return min(share, 1.0)


def judge(case: Case) -> Verdict:
    """The verdict on a study."""
    p = luck_p_value(case)
    skill = case.honesty.luck is not None and p <= LEVEL
    return Verdict(skill, _headline(case, p, skill), tuple(_reasons(case, p)))


def _headline(case: Case, p: float, skill: bool) -> str:
    tries = "1 try" if case.tries == 1 else f"{case.tries:,} tries"
    if skill:
        return (
            f"skill shown: {tries} {_verb(case, 'do')} not explain a Sharpe of {case.sharpe:.1f} "
            f"on this data (p {_p(p)})"
        )
    if case.honesty.luck is None:
        return f"skill not shown: {case.honesty.missing.get('luck', 'it could not be tested')}"
    if not case.sharpe > 0:
        return (
            f"skill not shown: the selected of {tries} made nothing on this data (Sharpe {case.sharpe:.1f})"
        )
    return f"skill not shown: {tries} {_verb(case, 'explain')} a Sharpe of {case.sharpe:.1f} on this data"


def _verb(case: Case, plural: str) -> str:
    return plural if case.tries != 1 else {"do": "does", "explain": "explains"}[plural]


def _reasons(case: Case, p: float) -> Iterator[str]:
    yield _told_fall(case.fall)
    yield from _told_luck(case, p)
    yield from _told_sharpe(case)
    yield from _told_choosing(case)
    yield from _told_trading(case)


def _told_choosing(case: Case) -> Iterator[str]:
    """Of the way of choosing, and of the chosen one's surroundings."""
    honesty = case.honesty
    if honesty.overfitting is not None:
        yield (
            "what is best in one half of the data is below the middle in the other half "
            f"{_percent(honesty.overfitting.probability)} of the time (PBO)"
        )
    for forward in honesty.walk_forward:
        if not math.isnan(forward.efficiency):
            kind, kept = "anchored" if forward.anchored else "rolling", _percent(forward.efficiency)
            yield f"walking forward ({kind}), what was selected kept {kept} of its {case.walked_by}"
    if honesty.noise is not None:
        yield (
            f"on prices without any pattern the same study finds as good a {honesty.noise.metric} "
            f"{_percent(honesty.noise.p_value)} of the time"
        )
    if honesty.plateau is not None and not math.isnan(honesty.plateau.neighbours):
        yield f"its neighbours in parameters do {_percent(honesty.plateau.neighbours)} as well"


def _told_fall(fall: Fall) -> str:
    limit = f"{100 * fall.limit:g} {'points' if fall.in_points else '%'}"
    if math.isnan(fall.drop):
        return f"overfit: {fall.metric} is undefined in validation, where no trade was closed"
    word = "overfit" if fall.overfit else "not overfit"
    before, after = _value(fall.training, fall.in_points), _value(fall.validation, fall.in_points)
    if fall.drop == 0:
        return f"{word}: {fall.metric} stayed at {before}"
    size = f"{abs(100 * fall.drop):.1f} points" if fall.in_points else _relative(abs(fall.relative))
    # Of a metric of which less is better, a loss of merit is a rise.
    moved = "fell" if fall.validation < fall.training else "rose"
    bound = f"more than {limit}" if fall.overfit else f"{limit} are allowed"
    return f"{word}: {fall.metric} {moved} by {size} from {before} to {after} ({bound})"


def _value(value: float, in_points: bool) -> str:
    return f"{100 * value:.1f} %" if in_points else f"{value:.3g}"


def _relative(value: float) -> str:
    return "more than can be told in percent" if math.isinf(value) else f"{100 * value:.0f} %"


def _told_luck(case: Case, p: float) -> Iterator[str]:
    luck = case.honesty.luck
    if luck is None:
        return
    own = max(float(luck.p_values[case.best]), 1 / luck.repetitions)
    yield (
        f"among {case.strategies:,} strategies without skill one does as well as this, above what its "
        f"average exposure earned, with probability {_p(own)} "
        f"(StepM; SPA for the best of all: {_p(luck.spa_consistent)})"
    )
    if case.tries > case.strategies:
        yield (
            f"the ledger holds {case.tries:,} tries on this data, {case.tries - case.strategies:,} of them "
            f"from other studies: with those the probability is {_p(p)}"
        )


def _told_sharpe(case: Case) -> Iterator[str]:
    sharpe = case.honesty.sharpe
    if sharpe is None:
        return
    yield (
        f"deflated Sharpe ratio {sharpe.dsr:.2f}: the probability that its Sharpe is above the best that "
        f"{sharpe.tries:,} tries without skill would show (0.95 is asked for; the market's own rise is in it)"
    )
    if math.isinf(sharpe.min_track_record):
        yield "its Sharpe is not above 0, and no track record is long enough to tell it from 0"
    elif sharpe.periods < sharpe.min_track_record:
        yield (
            f"{sharpe.periods:,} periods are fewer than the {sharpe.min_track_record:,.0f} that it takes "
            "to tell its Sharpe from 0"
        )


def _told_trading(case: Case) -> Iterator[str]:
    trades = case.whole.get("num_trades", math.nan)
    if trades < _FEW_TRADES:
        closed = f"{trades:.0f} trade{'s' if trades != 1 else ''}"
        yield f"it closed only {closed}, too few to say much about any of its metrics"
    if case.per_trade:
        yield "per_trade accounting: no costs, and fills at the very close that was looked at"
    elif case.free:
        yield "no costs were charged; --fee-bps and --slippage-bps set them"
    if case.idealised and not case.per_trade:
        yield "fills are idealised: at the next bar's open, since the data has no price that could be had"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}".rstrip("0").rstrip(".")
