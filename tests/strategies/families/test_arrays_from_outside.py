"""Families that trade on an array: signals, coinflip, python."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from barograph.errors import DataError, UsageError
from barograph.strategies.families import check, external, rules
from barograph.strategies.families.coinflip import mixed, tosses
from barograph.strategies.families.signals import HOLD, digits
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy

HOUR = 3_600_000_000


def bars(n: int, begin: int = 0) -> Prices:
    close = 100 + np.random.default_rng(n).normal(size=n).cumsum()
    return Prices("X", HOUR, (begin + np.arange(n)) * HOUR, close, close, close, close, close)


def flip(**params) -> Strategy:
    return Strategy(family="coinflip", params=params)


def test_signals_are_laid_on_the_bars_from_the_first():
    strategy = check(Strategy(family="signals", params={"signals": "011-0"}, side="both"))
    assert external(strategy, bars(5)).tolist() == [0, 1, 1, -1, 0]
    assert external(strategy, bars(7)).tolist() == [0, 1, 1, -1, 0, 0, 0]
    assert external(strategy, bars(2)).tolist() == [0, 1]
    assert external(strategy, bars(3), first=3).tolist() == [-1, 0, 0]
    assert rules(strategy) == HOLD
    assert HOLD.level


def test_digits_are_made_of_arrays_and_back():
    values = np.random.default_rng(0).integers(-1, 2, 1000)
    strategy = Strategy(family="signals", params={"signals": digits(values)})
    assert external(strategy, bars(1000)).tolist() == values.tolist()
    with pytest.raises(UsageError, match=r"not 2\.0 at place 1"):
        digits([0, 2])
    with pytest.raises(UsageError, match="not nan at place 0"):
        digits([math.nan])
    with pytest.raises(UsageError, match=r"shape \(1, 1\)"):
        digits([[1]])


def test_a_coin_is_fair_and_does_not_know_its_last_toss():
    heads = external(flip(seed=7), bars(100_000))
    assert set(heads) == {0.0, 1.0}
    # Five standard deviations of a fair coin.
    assert abs(heads.mean() - 0.5) < 5 * 0.5 / math.sqrt(100_000)
    for lag in (1, 2, 3, 24):
        assert abs(np.corrcoef(heads[lag:], heads[:-lag])[0, 1]) < 5 / math.sqrt(100_000)


def test_coins_of_different_seeds_know_nothing_of_each_other():
    heads = np.array([external(flip(seed=seed), bars(2000)) for seed in range(200)])
    correlations = np.corrcoef(heads)[np.triu_indices(200, 1)]
    # Independent: their standard deviation is 1 / sqrt(T), and the largest of 19,900 is below 5 of them.
    assert abs(correlations.std() * math.sqrt(2000) - 1) < 0.03
    assert np.abs(correlations).max() < 5.2 / math.sqrt(2000)


def test_tosses_are_uniform():
    stats = pytest.importorskip("scipy.stats")
    assert stats.kstest(tosses(3, np.arange(20_000)), "uniform").pvalue > 0.001
    assert stats.kstest(tosses(np.int64(2**53 - 1), np.arange(-20_000, 0)), "uniform").pvalue > 0.001


def test_bits_are_those_of_splitmix64():
    # The usual test vector: what seed 1234567 gives first.
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mixed(states).tolist() == published


def test_tosses_never_change():
    # Saved studies would not be what they were.
    assert tosses(42, np.array([0, 1, -1, 10**9])).tolist() == [
        0.08299378146589231,
        0.6806279527885843,
        0.15149042583611827,
        0.13847112654153626,
    ]


def test_a_bar_has_its_toss_whatever_was_asked_before():
    strategy = flip(seed=5, hold=3)
    whole = external(strategy, bars(100, begin=1000))
    assert external(strategy, bars(60, begin=1040)).tolist() == whole[40:].tolist()
    assert external(strategy, bars(60, begin=1040), first=40).tolist() == whole[40:].tolist()


def test_a_toss_is_held_as_long_as_told_and_as_often_as_told():
    held = external(flip(seed=5, hold=4), bars(40_000))
    assert (held.reshape(-1, 4) == held.reshape(-1, 4)[:, :1]).all()
    often = external(flip(seed=5, probability=0.2), bars(40_000))
    assert abs(often.mean() - 0.2) < 0.01
    assert not external(flip(seed=5, probability=0), bars(100)).any()


def test_a_coin_of_the_other_sides():
    heads = external(flip(seed=5), bars(50))
    for side, taken, left in (("short", -1.0, 0.0), ("both", 1.0, -1.0)):
        other = external(Strategy(family="coinflip", params={"seed": 5}, side=side), bars(50))
        assert other.tolist() == np.where(heads == 1, taken, left).tolist()


HONEST = """
import polars as pl

def above(bars, days=3):
    return (bars["close"] > bars["close"].rolling_mean(days)).cast(pl.Float64)

def listed(bars):
    return [None if i == 0 else -1 for i in range(len(bars))]

def wrong_value(bars):
    return [0.5] * len(bars)

def wrong_length(bars):
    return [0] * (len(bars) - 1)

def no_numbers(bars):
    return ["buy"] * len(bars)

def told(bars, words):
    assert bars.columns == ["ts", "open", "high", "low", "close", "volume"]
    assert str(bars.schema["ts"]) == "Datetime(time_unit='us', time_zone='UTC')"
    assert words == "a b"
    return bars["close"] * 0

def fails(bars):
    return bars["vwap"]
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(HONEST)
    return file


def own(script: Path, function: str, **params) -> Strategy:
    return Strategy(family="python", params={"path": f"{script}:{function}", **params})


def test_a_function_of_ones_own_gets_the_bars_and_its_parameters(script):
    prices = bars(50)
    mean = np.convolve(prices.close, np.ones(5) / 5, "valid")
    expected = [math.nan] * 4 + (prices.close[4:] > mean).astype(float).tolist()
    np.testing.assert_array_equal(external(own(script, "above", days=5), prices), expected)
    np.testing.assert_array_equal(external(own(script, "listed"), bars(3)), [math.nan, -1, -1])
    assert not external(own(script, "told", words="a b"), bars(3)).any()


def test_changed_code_is_another_strategy(script):
    before = check(own(script, "above"))
    assert check(before) == before
    assert len(before.params["code"]) == 12
    script.write_text(HONEST.replace("days=3", "days=4"))
    with pytest.raises(UsageError, match=r"has changed since .* leave out 'code'"):
        check(before)
    assert check(own(script, "above")).id != before.id


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("wrong_value", r"mine.py:wrong_value returned 0.5 for bar 0; a position is -1, 0, 1, or NaN"),
        ("wrong_length", r"mine.py:wrong_length returned shape \(9,\) for 10 bars"),
        ("no_numbers", r"mine.py:no_numbers returned a list that is no row of numbers"),
        ("fails", r"mine.py:fails failed on 10 bars: ColumnNotFoundError"),
        ("told", r"mine.py:told failed on 10 bars: TypeError: .*'words'"),
    ],
)
def test_a_function_that_does_not_do_its_part_is_named(script, function, message):
    with pytest.raises(DataError, match=message):
        external(own(script, function), bars(10))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{}:nothing", r"mine.py has no function 'nothing'; it has above, listed"),
        ("{}x.py:above", r"cannot be read: No such file or directory"),
        ("{}", r"it must be FILE.py:function"),
        ("mine.txt:above", r"it must be FILE.py:function"),
        ("{}:not a name", r"it must be FILE.py:function"),
    ],
)
def test_a_function_that_is_not_there_is_named(script, path, message):
    with pytest.raises(UsageError, match=message):
        external(Strategy(family="python", params={"path": path.format(script)}), bars(5))


def test_a_file_that_cannot_be_run_is_named(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("import nowhere_to_be_found\n")
    with pytest.raises(UsageError, match=r"broken.py cannot be run: ModuleNotFoundError.*; to see where"):
        external(own(file, "f"), bars(5))


def test_a_function_needs_the_bars_from_the_first(script):
    with pytest.raises(UsageError, match="python needs all bars from the first, these begin at bar 3"):
        external(own(script, "above"), bars(5), first=3)
