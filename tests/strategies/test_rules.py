"""Conditions are data: they can be compared, hashed and stored."""

from __future__ import annotations

import msgspec

from barograph.strategies.families import FAMILIES, rules
from barograph.strategies.indicators.kinds import KINDS
from barograph.strategies.rules import Condition, Indicator, Rules
from barograph.strategies.strategy import Strategy

DRAWABLE = [name for name, family in FAMILIES.items() if family.drawable]


def test_rules_are_values():
    one, two = (rules(Strategy(family="macd", side="both")) for _ in range(2))
    assert one == two
    assert len({one, two}) == 1


def test_rules_can_be_stored():
    for name in DRAWABLE:
        found = rules(Strategy(family=name, side="both"))
        assert msgspec.json.decode(msgspec.json.encode(found), type=Rules) == found


def test_nothing_is_traded_without_conditions():
    assert Rules() == Rules((), (), (), (), level=False)
    assert Condition(Indicator("close"), "above") == Condition(
        Indicator("close", 0, 0, 0), "above", 0.0, None
    )


def test_every_kind_of_indicator_is_explained_where_it_is_defined():
    assert [kind for kind in KINDS if f"``{kind}``" not in Indicator.__doc__] == []


def test_only_arrays_from_outside_say_what_is_held():
    assert {name for name in DRAWABLE if rules(Strategy(family=name)).level} == {"coinflip"}
