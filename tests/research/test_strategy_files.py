"""Strategies from files, in every form that people have them in."""

from __future__ import annotations

import json

import msgspec
import pytest

from barograph.errors import DataError
from barograph.research.plan import Plan
from barograph.research.strategy_files import Named, StrategyFile, decode, encode, named
from barograph.strategies.families import check
from barograph.strategies.generating import generate
from barograph.strategies.strategy import Strategy


def test_both_forms_of_arrays_are_the_same_strategies_under_the_files_own_ids() -> None:
    by_id = decode(b'{"a": [0, 1, 1], "b": [1, 0, 0]}', "f.json")
    listed = decode(b'[{"id": "a", "signals": [0, 1, 1]}, {"id": "b", "signals": [1, 0, 0]}]', "f.json")
    assert by_id == listed
    assert [entry.id for entry in by_id.strategies] == ["a", "b"]
    assert by_id.strategies[0].strategy == check(Strategy(family="signals", params={"signals": "011"}))
    assert by_id.plan is None


def test_minus_one_is_short() -> None:
    [entry] = decode(b'{"s": [0, -1, 1.0]}', "f.json").strategies
    assert (entry.strategy.params["signals"], entry.strategy.side) == ("0-1", "both")


def test_true_and_false_are_signals_too() -> None:
    assert decode(b'{"s": [true, false]}', "f.json").strategies[0].strategy.params == {"signals": "10"}


def test_families_go_by_their_own_id_unless_one_is_given() -> None:
    text = json.dumps(
        [
            {"family": "sma_cross", "params": {"fast": 5, "slow": 20}},
            {"id": "mine", "family": "sma_cross", "params": {"fast": 6, "slow": 20}, "stop_loss": 0.05},
        ]
    )
    first, second = decode(text.encode(), "f.json").strategies
    assert first.id == first.strategy.id
    assert (second.id, second.strategy.stop_loss) == ("mine", 0.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2", "not JSON"),
        ("3", "int"),
        ("[]", "no strategy"),
        ("{}", "no strategy"),
        ('["a"]', "no strategy"),
        ('{"a": [0, 2]}', "strategy a"),
        ('{"a": "01x"}', "strategy a"),
        ('{"a": 7}', "strategy a"),
        ('[{"id": "a", "signals": [0]}, {"id": "a", "signals": [1]}]', "called a"),
        ('[{"family": "nothing"}]', "nothing"),
        ('[{"family": "sma_cross", "params": {"fast": 0}}]', "fast"),
        ('[{"family": "sma_cross", "colour": 1}]', "colour"),
        ('{"strategies": [], "settings": {}}', "no strategy"),
        ('{"strategies": [{"family": "sma_cross"}], "settings": {"trian": 1}}', "trian"),
    ],
)
def test_what_is_no_strategy_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decode(text.encode(), "f.json")


def test_a_study_is_read_back_as_it_was_written() -> None:
    plan = Plan(source="arch:sp500", families=("rsi", "sma_cross"), seed=7, select_by="sharpe_ratio")
    entries = named(generate(20, 7, ["rsi", "sma_cross"], sides=("long", "both"), stops=True))
    strategies = (*entries, Named('odd "name"', check(Strategy(family="signals", params={"signals": "01-"}))))
    written = encode(StrategyFile(strategies, plan, "abc"), "1.2.3")
    assert decode(written, "f.json") == StrategyFile(strategies, plan, "abc")
    value = msgspec.json.decode(written)
    assert (value["version"], value["seed"], value["data_hash"]) == ("1.2.3", 7, "abc")
    assert value["strategies"][0] == {"id": entries[0].id, **msgspec.to_builtins(entries[0].strategy)}
