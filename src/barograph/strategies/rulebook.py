"""Strategies as arrays: what the kernel needs instead of Python objects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.decisions import TUPLES, Conditions
from barograph.strategies.families import FAMILIES, external, rules
from barograph.strategies.kernel import RuleArrays
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Condition, Indicator, Rules
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

_SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of N strategies, on one table of indicators.

    Attributes:
        strategies: N of them.
        columns: the indicators that they look at, each once. The kernel's rows are those of the table that
            ``Indicators(columns)`` makes: zeros first, then these.
        arrays: conditions and terms.
        signalled: places of the strategies that trade on an array from outside; ``Indicator("signal", k)``
            is the k-th's.
    """

    strategies: tuple[Strategy, ...]
    columns: tuple[Indicator, ...]
    arrays: RuleArrays
    signalled: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.strategies)


def rulebooks(
    strategies: Sequence[Strategy], max_columns: int, max_strategies: int
) -> Iterator[tuple[int, Rulebook]]:
    """``strategies`` in rulebooks of about so many columns, each with the place of its first strategy."""
    begun, writer = 0, _Writer()
    for j, strategy in enumerate(strategies):
        if len(writer.places) > max_columns or j - begun >= max_strategies:
            yield begun, writer.book(strategies[begun:j])
            begun, writer = j, _Writer()
        writer.add(strategy)
    if begun < len(strategies):
        yield begun, writer.book(strategies[begun:])


def rulebook(strategies: Sequence[Strategy]) -> Rulebook:
    """``strategies`` in one rulebook.

    >>> book = rulebook([Strategy(family="sma_cross", params={"fast": 5, "slow": slow}) for slow in (20, 50)])
    >>> [column.a for column in book.columns]
    [5, 20, 50]
    """
    writer = _Writer()
    for strategy in strategies:
        writer.add(strategy)
    return writer.book(strategies)


class _Writer:
    """Writes rules down, one strategy after the other."""

    def __init__(self) -> None:
        self.places: dict[Indicator, int] = {}
        self._rows: list[tuple[int, int, int]] = []
        self._levels: list[float] = []
        self._spans: list[int] = []
        self._terms: list[tuple[float, float, float, bool]] = []
        self._signalled: list[int] = []

    def add(self, strategy: Strategy) -> None:
        said = rules(strategy)
        if FAMILIES[strategy.family].external is not None:
            said = _with_signal(said, len(self._signalled))
            self._signalled.append(len(self._terms))
        places, rows = self.places, self._rows
        for part in (said.enter_long, said.enter_short, said.exit_long, said.exit_short):
            self._spans.append(len(rows))
            for x, is_, level, y in part:
                at = places.setdefault(x, len(places) + 1)
                to = 0 if y is None else places.setdefault(y, len(places) + 1)
                rows.append((at, to, 1 if is_ == "above" else -1))
                self._levels.append(level)
        self._spans.append(len(rows))
        self._terms.append((strategy.size, *_levels_of(strategy), said.level))

    def book(self, strategies: Sequence[Strategy]) -> Rulebook:
        conditions = Conditions(
            np.array(self._rows, dtype=np.int32).reshape(-1, 3),
            np.array(self._levels, dtype=np.float64),
            np.array(self._spans, dtype=np.int64).reshape(-1, TUPLES + 1),
        )
        terms = np.array(self._terms, dtype=np.float64).reshape(-1, 4)
        return Rulebook(
            tuple(strategies), tuple(self.places), RuleArrays(conditions, terms), tuple(self._signalled)
        )


def _levels_of(strategy: Strategy) -> tuple[float, float]:
    """Stop-loss and take-profit, the family's own where the strategy has none; inf: none."""
    family = FAMILIES[strategy.family]
    stop = family.stop_loss if strategy.stop_loss is None else strategy.stop_loss
    take = family.take_profit if strategy.take_profit is None else strategy.take_profit
    return math.inf if stop is None else stop, math.inf if take is None else take


def _with_signal(said: Rules, number: int) -> Rules:
    """The same rules on array ``number`` instead of array 0."""

    def renamed(column: Indicator | None) -> Indicator | None:
        return Indicator(_SIGNAL, number) if column is not None and column.kind == _SIGNAL else column

    def part(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return tuple(c._replace(x=renamed(c.x) or c.x, y=renamed(c.y)) for c in conditions)

    return said._replace(
        enter_long=part(said.enter_long),
        exit_long=part(said.exit_long),
        enter_short=part(said.enter_short),
        exit_short=part(said.exit_short),
    )


class Signals:
    """The arrays from outside of a rulebook's strategies, for bars that come in stretches.

    Args:
        book: whose strategies.
        bars: all of the data, where it is at hand: families that cannot work on a piece are asked once,
            for all of it.
    """

    def __init__(self, book: Rulebook, bars: Prices | None = None) -> None:
        self._strategies = [book.strategies[j] for j in book.signalled]
        self._whole: dict[int, Floats] = {}
        for k, strategy in enumerate(self._strategies):
            if not FAMILIES[strategy.family].by_bar:
                if bars is None:
                    raise UsageError(f"{strategy} needs all bars at once; hand its array in instead")
                self._whole[k] = _array(strategy, bars, 0)

    def of(self, bars: Prices, first: int) -> Floats:
        """(K, len(bars)); ``first`` is the place of the first of ``bars`` in the data."""
        arrays = np.empty((len(self._strategies), len(bars)))
        for k, strategy in enumerate(self._strategies):
            whole = self._whole.get(k)
            arrays[k] = _array(strategy, bars, first) if whole is None else whole[first : first + len(bars)]
        return arrays


def _array(strategy: Strategy, bars: Prices, first: int) -> Floats:
    array = external(strategy, bars, first)
    if array is None:
        raise UsageError(f"{strategy} has no array of its own")
    return array


def cost_array(costs: Costs, max_exposure: float = math.inf) -> Floats:
    """(fee, slippage, lot, max_exposure) as the kernel takes them.

    Raises:
        UsageError: a cost is negative, or there is no cash.
    """
    for name, value, low in (
        ("fee_bps", costs.fee_bps, 0.0),
        ("slippage_bps", costs.slippage_bps, 0.0),
        ("lot", costs.lot, 0.0),
        ("cash", costs.cash, math.ulp(0.0)),
    ):
        if not low <= value < math.inf:
            bound = "above 0" if low else "0 or more"
            raise UsageError(f"costs: {name} is {value!r}, it must be {bound}")
    if costs.slippage_bps >= 10_000.0:
        raise UsageError(
            f"costs: slippage_bps is {costs.slippage_bps}, it must be below 10000 (a price of 0)"
        )
    return np.array([costs.fee_bps * 1e-4, costs.slippage_bps * 1e-4, costs.lot, max_exposure])
