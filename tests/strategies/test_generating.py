"""Strategies drawn at random."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from barograph.errors import UsageError
from barograph.strategies.families import FAMILIES, check
from barograph.strategies.generating import generate

USUAL = [name for name, family in FAMILIES.items() if family.usual]


def digest(strategies) -> str:
    return hashlib.sha256(b"\n".join(strategy.json for strategy in strategies)).hexdigest()[:16]


def test_strategies_are_distinct_and_as_many_as_asked():
    drawn = generate(2000, 42)
    assert len(set(drawn)) == len({strategy.id for strategy in drawn}) == 2000


def test_they_are_spread_evenly_over_families_that_trade_on_prices():
    counts = Counter(strategy.family for strategy in generate(500, 42))
    assert set(counts) == set(USUAL)
    assert set(counts.values()) == {55, 56}


def test_the_same_seed_draws_the_same_everywhere():
    # Digests of what was drawn when this was written; a study would not be reproducible otherwise.
    assert digest(generate(500, 42)) == digest(generate(500, 42)) == "26f683a94918ca75"
    assert digest(generate(500, 42, sides=("long", "short", "both"), stops=True)) == "f90bb81111e4aac6"
    assert digest(generate(500, 43)) != digest(generate(500, 42))


def test_the_first_members_of_a_family_depend_neither_on_the_number_nor_on_other_families():
    few, many = generate(30, 7, ["rsi", "dip"]), generate(900, 7)
    for name in ("rsi", "dip"):
        mine = [strategy for strategy in many if strategy.family == name]
        assert [strategy for strategy in few if strategy.family == name] == mine[:15]


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.drawable])
def test_what_is_drawn_is_checked_already(name):
    for strategy in generate(50, 3, [name], sides=("long", "short", "both"), stops=True):
        assert check(strategy) == strategy


@pytest.mark.parametrize("longest", [10, 25, 400])
def test_no_window_is_longer_than_asked(longest):
    for strategy in generate(200, 1, longest=longest):
        for parameter in FAMILIES[strategy.family].parameters:
            if parameter.share:
                assert strategy.params[parameter.name] <= longest


def test_a_family_with_too_few_members_gives_all_and_others_give_more():
    counts = Counter(strategy.family for strategy in generate(600, 5, ["sma_cross", "dip"], longest=20))
    # Fast from 2 to 10 and slow from 5 to 20, fast below slow.
    assert counts["sma_cross"] == sum(fast < slow for fast in range(2, 11) for slow in range(5, 21)) == 123
    assert counts["dip"] == 477


def test_more_than_there_are_is_refused_with_the_count():
    with pytest.raises(UsageError, match=r"only 123 distinct .* \(sma_cross 123\), not 124; ask for fewer"):
        generate(124, 5, ["sma_cross"], longest=20)
    assert len(set(generate(123, 5, ["sma_cross"], longest=20))) == 123


def test_windows_that_do_not_fit_leave_a_family_out():
    assert {strategy.family for strategy in generate(20, 1, longest=3)}.isdisjoint({"macd", "rsi"})


def test_sides_and_stops_are_drawn_where_asked():
    plain = generate(100, 1, ["rsi"])
    assert {(s.side, s.stop_loss, s.take_profit) for s in plain} == {("long", None, None)}
    drawn = generate(300, 1, ["rsi"], sides=("short", "both"), stops=True)
    assert {strategy.side for strategy in drawn} == {"short", "both"}
    assert len({strategy.stop_loss for strategy in drawn}) == len({s.take_profit for s in drawn}) == 7


def test_500_coins_have_500_seeds():
    coins = generate(500, 42, ["coinflip"])
    assert len({coin.params["seed"] for coin in coins}) == 500
    assert {(coin.params["probability"], coin.params["hold"]) for coin in coins} == {(0.5, 1)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "0 strategies with seed 1"),
        ({"seed": -1}, "10 strategies with seed -1"),
        ({"longest": 1}, "the longest window is 1"),
        ({"families": []}, "no families are named"),
        ({"families": ["rsi", "nope"]}, "'nope' is no family; strategies can be drawn from sma_cross"),
        ({"families": ["python"]}, "'python' needs what only you can give it"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        generate(**{"n": 10, "seed": 1, **arguments})
