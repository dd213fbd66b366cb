"""Features against a slow twin, and against a changed future."""

from __future__ import annotations

import math
import subprocess
import sys
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.anomalies.history import (
    COLUMNS,
    IMBALANCE,
    RETURN,
    SPREAD,
    TRADES,
    VOLATILITY,
    VOLUME,
    History,
    Market,
)
from barograph.anomalies.models.features import LEAST, NAMES, WINDOW, features
from barograph.anomalies.settings import LOOKBACK


def bars(seed: int, n: int = 150, gaps: float = 0.2) -> History:
    """Bars with pauses, minutes without trades, quotes or sides, and some that stand out."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(n) < gaps, rng.integers(2, 40, n), 1)
    values = np.zeros((COLUMNS, n))
    traded = rng.random(n) < 0.9
    values[RETURN] = np.where(rng.random(n) < 0.97, rng.normal(0, 1e-3, n), np.nan)
    values[SPREAD] = np.where(rng.random(n) < 0.95, rng.lognormal(-8, 0.3, n), np.nan)
    values[VOLUME] = np.where(traded, rng.lognormal(1, 0.5, n), 0.0)
    values[TRADES] = np.where(traded, rng.integers(1, 90, n), 0.0)
    values[IMBALANCE] = np.where(traded & (rng.random(n) < 0.9), rng.uniform(-1, 1, n), np.nan)
    values[VOLATILITY] = np.where(traded, rng.lognormal(-7, 0.4, n), np.nan)
    values[:, rng.integers(0, n, 5)] *= 30.0
    return History(28_000_000 + np.cumsum(steps), values, n)


def made(history: History, first: int = 0, last: int | None = None) -> np.ndarray:
    return features(history.series(Market()), first, history.used if last is None else last)


def slow(history: History, at: int) -> list[float]:
    """The same, as the module's table says it."""
    minute, values = history.minutes, history.values
    window = [k for k in range(max(at - WINDOW, 0), at) if minute[k] >= minute[at] - LOOKBACK]
    traded = [k for k in window if values[TRADES, k] > 0]
    if len(traded) < LEAST:
        return [math.nan] * len(NAMES)

    def beside(row: int, of: list[int]) -> float:
        past = [values[row, k] for k in of if not math.isnan(values[row, k])]
        if len(past) < LEAST or math.isnan(values[row, at]) or median(past) <= 0:
            return math.nan
        return math.log1p(values[row, at] / median(past))

    past = [values[RETURN, k] for k in traded if not math.isnan(values[RETURN, k])]
    usual = math.sqrt(sum(x * x for x in past) / len(past)) if len(past) >= LEAST else math.nan
    here = values[TRADES, at] > 0
    return [
        math.log1p(abs(values[RETURN, at]) / usual) if here else math.nan,
        beside(SPREAD, window),
        abs(values[IMBALANCE, at]) * math.sqrt(values[TRADES, at]) if here else math.nan,
        beside(VOLATILITY, traded) if here else math.nan,
        beside(VOLUME, traded) if here else math.nan,
        math.log1p(min(minute[at] - minute[at - 1] - 1, LOOKBACK)),
    ]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), gaps=st.sampled_from([0.0, 0.2, 0.9]))
def test_features_are_those_of_the_slow_twin(seed: int, gaps: float):
    history = bars(seed, gaps=gaps)
    wanted = np.array([slow(history, at) for at in range(history.used)])
    assert made(history) == pytest.approx(wanted, rel=1e-12, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 149))
def test_another_future_changes_no_feature_before_it(seed: int, cut: int):
    history, other = bars(seed), bars(seed + 1)
    changed = History(history.minutes.copy(), history.values.copy(), history.used)
    changed.values[:, cut:] = other.values[:, cut:]
    changed.minutes[cut:] += 7
    before, after = made(history), made(changed)
    assert before[:cut].tobytes() == after[:cut].tobytes()
    assert before[cut:].tobytes() != after[cut:].tobytes() or cut < LEAST


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(0, 149), dropped=st.integers(0, 60))
def test_bars_one_at_a_time_and_of_a_shorter_past_have_the_same_bits(seed: int, cut: int, dropped: int):
    history = bars(seed, gaps=0.0)
    whole = made(history)
    assert made(history, cut, cut + 1).tobytes() == whole[cut : cut + 1].tobytes()
    shorter = History(history.minutes[dropped:].copy(), history.values[:, dropped:].copy(), 150 - dropped)
    assert made(shorter)[WINDOW:].tobytes() == whole[dropped + WINDOW :].tobytes()


def test_without_enough_past_there_is_nothing_at_all():
    history = bars(1, gaps=0.0)
    history.values[TRADES] = 5.0
    rows = made(history)
    assert np.isnan(rows[:LEAST]).all()
    assert not np.isnan(rows[LEAST:, -1]).any()


def test_plain_python_and_machine_code_give_the_same_bits():
    told = (
        "import sys; sys.path.insert(0, {folder!r}); import test_model_features as t; print(t.fingerprint())"
    )
    folder = __file__.rpartition("/")[0]
    command = [sys.executable, "-c", told.format(folder=folder)]
    done = subprocess.run(
        command, env={"BAROGRAPH_NO_NUMBA": "1", "PATH": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == fingerprint()


def fingerprint() -> str:
    """The bits of some features and of a forest's scores of them."""
    from hashlib import sha256

    from barograph.anomalies.models.forest import Forest

    rows = made(bars(7))[WINDOW:]
    forest = Forest(
        np.array([0, 3]),
        np.array([1, -1, -1, -1], dtype=np.int32),
        np.array([0.7, 1.5, 3.25, 2.0]),
        np.array([1, 0, 0, 0], dtype=np.int32),
        np.array([2, 0, 0, 0], dtype=np.int32),
        3.7,
        len(NAMES),
    )
    scores = forest.scores(np.nan_to_num(rows))
    return sha256(rows.tobytes() + scores.tobytes()).hexdigest()
