"""What a study is to do: the settings that, with seed, data and ledger, determine every byte of its files."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from barograph.errors import UsageError
from barograph.research.metrics import TALLIED
from barograph.strategies.strategy import Side
from barograph.strategies.trading import Costs

Accounting = Literal["compounded", "per_trade"]
"""True, compounded equity; or the classic demonstration's sum of one-bar trades, see ``per_trade``."""

OVERFIT_DROP = 0.15
"""A larger fall of the chosen metric from training to validation is called overfit."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a study.

    Attributes:
        source, symbol, interval, start, end: the data, as ``research.data.load`` takes them.
        count: strategies to generate.
        seed: of the strategies and of every resampling.
        families: to generate from; None: all that generate.
        sides: to generate from.
        stops: whether generated strategies may have a stop-loss and a take-profit.
        train: part of the bars that strategies are chosen on; a ``split`` column overrides it.
        select_by: the metric that chooses.
        min_trades: closed trades that a strategy needs in training to be chosen.
        accounting: see :data:`Accounting`.
        costs: of trading; ``per_trade`` knows none.
        quick: leave out what takes long: intervals, walk-forward, noise test, plateau.
    """

    source: str
    symbol: str | None = None
    interval: str | None = None
    start: str | None = None
    end: str | None = None
    count: int = 500
    seed: int = 42
    families: tuple[str, ...] | None = None
    sides: tuple[Side, ...] = ("long",)
    stops: bool = False
    train: float = 0.7
    select_by: str = "win_rate"
    min_trades: int = 1
    accounting: Accounting = "compounded"
    costs: Costs = Costs()
    quick: bool = False

    def checked(self) -> Plan:
        """Itself, once every setting is known to be within its bounds.

        Raises:
            UsageError: one is not.
        """
        wrong = _wrong(self)
        if wrong:
            raise UsageError(wrong)
        return self


def _wrong(plan: Plan) -> str:
    if plan.count < 1:
        return f"a study needs strategies: {plan.count} were asked for, at least 1 is needed"
    if plan.seed < 0:
        return f"the seed is {plan.seed}; it must be 0 or above"
    if not 0 < plan.train < 1:
        return f"the training part is {plan.train:g}; it must lie between 0 and 1, such as 0.7"
    if plan.select_by not in TALLIED:
        return f"no metric is called {plan.select_by!r}; there are: {', '.join(TALLIED)}"
    return _wrong_costs(plan.costs, plan.accounting)


def _wrong_costs(costs: Costs, accounting: Accounting) -> str:
    for name, value in (("fee_bps", costs.fee_bps), ("slippage_bps", costs.slippage_bps)):
        if not 0 <= value < 10_000:
            return f"{name} is {value:g}; it must be at least 0 and below 10000 (the whole price)"
    if not 0 < costs.cash < math.inf:
        return f"cash is {costs.cash:g}; it must be above 0"
    if accounting == "per_trade" and costs.spread:
        return "per_trade accounting knows no costs, but spread is true; leave it out"
    if accounting == "per_trade" and (costs.fee_bps or costs.slippage_bps):
        return (
            f"per_trade accounting knows no costs, but fee_bps is {costs.fee_bps:g} and slippage_bps "
            f"{costs.slippage_bps:g}; leave them out, or use the compounded accounting"
        )
    return ""
