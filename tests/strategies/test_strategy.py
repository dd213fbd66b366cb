"""A strategy is a value: equal, hashed, named and stored by what it says."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.strategies.strategy import Strategy, VolatilityFilter, from_json

CROSS = Strategy(family="sma_cross", params={"fast": 20, "slow": 50})
RICH = Strategy(
    family="rsi",
    params={"window": 14, "oversold": 30.0},
    side="both",
    stop_loss=0.05,
    take_profit=0.1,
    size=0.5,
    volatility_filter=VolatilityFilter(window=20, below=0.02),
)


def test_its_json_leaves_defaults_out_and_has_keys_in_order():
    turned = Strategy(family="sma_cross", params={"slow": 50, "fast": 20})
    assert turned.json == CROSS.json == b'{"family":"sma_cross","params":{"fast":20,"slow":50}}'
    assert (turned, hash(turned), turned.id) == (CROSS, hash(CROSS), CROSS.id)


def test_a_default_that_is_written_out_changes_nothing():
    spelled = b'{"side":"long","family":"rsi","params":{},"size":1.0,"stop_loss":null}'
    bare = Strategy(family="rsi")
    made = Strategy(family="rsi", side="".join(["lo", "ng"]), size=float("1"), params={})
    halved = Strategy(family="rsi", size=0.5)
    back = msgspec.structs.replace(halved, size=float("1"))
    assert {from_json(spelled).json, bare.json, made.json, back.json} == {b'{"family":"rsi"}'}


def test_its_id_is_the_same_in_every_process():
    code = "from barograph.strategies.strategy import *; import sys; print(from_json(sys.argv[1]).id)"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, RICH.json.decode()]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == RICH.id
    assert CROSS.id == "ae124c277b0e"


@pytest.mark.parametrize("strategy", [CROSS, RICH], ids=str)
def test_it_comes_back_from_its_json(strategy):
    assert from_json(strategy.json) == strategy
    assert from_json(strategy.json.decode()) == strategy
    assert from_json(msgspec.json.decode(strategy.json)) == strategy


@given(
    params=st.dictionaries(
        st.text(max_size=5),
        st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=5),
        max_size=4,
    ),
    side=st.sampled_from(["long", "short", "both"]),
    stop_loss=st.none() | st.floats(0.001, 0.9),
)
def test_whatever_it_says_comes_back(params, side, stop_loss):
    strategy = Strategy(family="x", params=params, side=side, stop_loss=stop_loss)
    again = from_json(strategy.json)
    assert again == strategy
    assert again.id == strategy.id


def test_every_part_of_it_makes_another_strategy():
    changes = [
        {"family": "macd"},
        {"params": {"window": 15, "oversold": 30.0}},
        {"side": "long"},
        {"stop_loss": None},
        {"take_profit": 0.2},
        {"size": 1.0},
        {"volatility_filter": None},
        {"volatility_filter": VolatilityFilter(window=20, above=0.02)},
    ]
    others = [msgspec.structs.replace(RICH, **change) for change in changes]
    assert len({RICH, *others}) == len({RICH.id, *(other.id for other in others)}) == 9


@pytest.mark.parametrize(
    "data",
    [
        b'{"params":{}}',
        b'{"family":"rsi","windows":3}',
        b'{"family":"rsi","side":"up"}',
        b'{"family":"rsi","params":{"window":[1]}}',
        b'{"family":"rsi","volatility_filter":{"below":1}}',
        b"[]",
        b"{",
    ],
    ids=lambda data: data.decode(),
)
def test_what_is_no_strategy_is_refused(data):
    with pytest.raises(msgspec.DecodeError):
        from_json(data)


def test_it_is_shown_short():
    assert str(CROSS) == "sma_cross(fast=20, slow=50)"
    assert (
        str(Strategy(family="signals", params={"signals": "01" * 500})) == "signals(signals=0101010101010101)"
    )
    assert str(Strategy(family="dip", params={"drop": 0.030000001})) == "dip(drop=0.03)"
