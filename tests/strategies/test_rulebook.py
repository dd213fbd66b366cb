"""Strategies as arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.strategies.decisions import (
    FALSE_LONG,
    FALSE_SHORT,
    NOT_EXIT_LONG,
    NOT_EXIT_SHORT,
    NOT_LONG,
    NOT_SHORT,
)
from barograph.strategies.families import check
from barograph.strategies.generating import generate
from barograph.strategies.kernel import fill_masks
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Signals, cost_array, rulebook, rulebooks
from barograph.strategies.rules import Indicator
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs


def cross(fast: int, slow: int, **how: object) -> Strategy:
    return Strategy(family="sma_cross", params={"fast": fast, "slow": slow}, **how)  # type: ignore[arg-type]


def test_a_column_that_two_strategies_look_at_is_there_once() -> None:
    book = rulebook([cross(5, 20), cross(5, 50), cross(20, 50)])
    assert book.columns == (Indicator("sma", 5), Indicator("sma", 20), Indicator("sma", 50))
    rows = book.arrays.conditions.rows
    assert rows.tolist() == [[1, 2, 1], [1, 2, -1], [1, 3, 1], [1, 3, -1], [2, 3, 1], [2, 3, -1]]


def test_terms_are_size_stop_target_and_level() -> None:
    book = rulebook([cross(5, 20, size=0.5, stop_loss=0.1), check(Strategy(family="coinflip"))])
    assert book.arrays.terms.tolist() == [[0.5, 0.1, math.inf, 0.0], [1.0, math.inf, math.inf, 1.0]]


def test_a_familys_own_target_holds_for_a_strategy_without_one() -> None:
    dip = Strategy(family="dip", params={"window": 5, "drop": 0.03})
    assert rulebook([dip]).arrays.terms[0, 2] == check(dip).take_profit == 0.05


def test_every_strategy_with_an_array_has_its_own_column() -> None:
    book = rulebook([Strategy(family="signals", params={"signals": d}) for d in ("01", "10")] + [cross(2, 3)])
    assert book.signalled == (0, 1)
    assert book.columns[:2] == (Indicator("signal", 0), Indicator("signal", 1))
    bars = Prices("X", 60, np.array([0, 60]), *(np.ones(2) for _ in range(5)))
    assert Signals(book).of(bars, 0).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert Signals(book).of(bars.take(slice(1, 2)), 1).tolist() == [[1.0], [0.0]]


def test_many_strategies_come_in_books_of_bounded_width() -> None:
    strategies = generate(300, seed=1)
    books = list(rulebooks(strategies, 40, 1_000))
    assert [s for _, book in books for s in book.strategies] == list(strategies)
    assert [begin for begin, _ in books][1:] == list(np.cumsum([len(book) for _, book in books])[:-1])
    assert all(len(book.columns) <= 40 + 6 for _, book in books)
    assert len(books) > 1


def test_a_mask_says_what_holds_and_what_is_known_to_be_false() -> None:
    book = rulebook([cross(5, 20)])
    table = np.array([[0.0] * 4, [1.0, 3.0, 2.0, np.nan], [2.0, 2.0, 2.0, 2.0]])
    mask = np.empty(4, dtype=np.uint8)
    fill_masks(book.arrays.conditions, 0, table, mask)
    never = NOT_SHORT | NOT_EXIT_SHORT
    assert mask.tolist() == [
        never | NOT_LONG | FALSE_LONG,
        never | NOT_EXIT_LONG,
        never | NOT_LONG | FALSE_LONG | NOT_EXIT_LONG,
        never | NOT_LONG | NOT_EXIT_LONG,
    ]
    assert not mask.any() & FALSE_SHORT


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        (Costs(fee_bps=-1.0), "fee_bps is -1"),
        (Costs(lot=math.nan), "lot is nan"),
        (Costs(cash=0.0), "cash is 0"),
        (Costs(slippage_bps=10_000.0), "must be below 10000"),
    ],
)
def test_costs_that_cannot_be_are_refused(costs: Costs, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        cost_array(costs)
