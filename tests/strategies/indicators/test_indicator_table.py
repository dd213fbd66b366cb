"""The table of indicators: the same bits in any cutting, and the right values."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.snapshot import pack, unpack
from barograph.strategies.indicators import KINDS, Indicators, IndicatorState, warm_up
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Indicator

MINUTE = 60_000_000
WINDOWED = ["sma", "zscore", "highest", "lowest", "change", "drawdown", "rise", "volatility"]
WANTED = [
    Indicator("close"),
    *(Indicator(kind, a) for kind in WINDOWED for a in (2, 3, 7, 20)),
    Indicator("sma", 1),
    Indicator("highest", 1),
    *(Indicator(kind, a) for kind in ("ema", "rsi") for a in (1, 2, 9)),
    Indicator("macd", 3, 8),
    Indicator("macd_signal", 3, 8, 4),
    Indicator("signal", 1),
]


def prices(
    n: int, seed: int = 0, holes: float = 0.0, gaps: float = 0.0, uneven: bool = False, flat: float = 0.3
) -> Prices:
    """Bars by chance: some unknown, some missing, some as before; ``uneven``: times not whole bars apart."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(n) < gaps, rng.integers(2, 60, n), 1) * MINUTE
    if uneven:
        steps = rng.integers(1, 2 * MINUTE, n)
    ts = 1_723_075_200_000_000 + np.cumsum(steps)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, n) * (rng.random(n) >= flat))), 2)
    spread = rng.random((2, n))
    columns = np.array([close, close + spread[0], close - spread[1], close, rng.random(n)])
    columns[:4, rng.random(n) < holes] = math.nan
    return Prices("X", MINUTE, ts, *columns)


def cut(bars: Prices, ends: list[int], wanted: list[Indicator], signals: Floats, save: bool) -> Floats:
    """The table in pieces, the state packed and unpacked between them where ``save``."""
    table, parts = Indicators(wanted, MINUTE), []
    for start, stop in zip([0, *ends], [*ends, len(bars)], strict=True):
        parts.append(table.advance(bars.take(slice(start, stop)), signals[:, start:stop]))
        if save:
            table = Indicators.from_state(unpack(pack(table.state()), IndicatorState))
    return np.concatenate(parts, axis=1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_cutting_gives_the_same_bits(data):
    n = data.draw(st.integers(1, 150))
    seed, uneven = data.draw(st.integers(0, 2**32)), data.draw(st.booleans())
    holes, gaps = data.draw(st.sampled_from([0.0, 0.05])), data.draw(st.sampled_from([0.0, 0.3]))
    bars = prices(n, seed, holes, gaps, uneven)
    signals = np.random.default_rng(n).random((2, n))
    ends = sorted(data.draw(st.lists(st.integers(0, n), max_size=8)))
    whole = cut(bars, [], WANTED, signals, save=False)
    pieces = cut(bars, ends, WANTED, signals, save=data.draw(st.booleans()))
    assert whole.tobytes() == pieces.tobytes()


def test_bar_by_bar_gives_the_bits_of_one_stretch():
    bars, signals = prices(300, 5, holes=0.02, gaps=0.1), np.zeros((2, 300))
    whole = cut(bars, [], WANTED, signals, save=False)
    assert cut(bars, list(range(1, 300)), WANTED, signals, save=True).tobytes() == whole.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    begin=st.integers(0, 150),
    gaps=st.sampled_from([0.0, 0.2, 0.9]),
    uneven=st.booleans(),
)
def test_columns_over_windows_do_not_depend_on_where_the_data_begins(seed, begin, gaps, uneven):
    bars = prices(200, seed, holes=0.01, gaps=gaps, uneven=uneven)
    wanted = [indicator for indicator in WANTED if indicator.kind in WINDOWED]
    whole = Indicators(wanted, MINUTE).advance(bars)[:, begin:]
    later = Indicators(wanted, MINUTE).advance(bars.take(slice(begin, None)))
    for row, indicator in enumerate(wanted, start=1):
        known = slice(warm_up(indicator), None)
        assert whole[row, known].tobytes() == later[row, known].tobytes(), indicator


def naive(indicator: Indicator, bars: Prices) -> Floats:
    """A windowed column as a person would write it down."""
    kind, a, *_ = indicator
    found = np.full(len(bars), math.nan)
    returns = np.concatenate([[math.nan], np.diff(np.log(bars.close))])
    for t in range(len(bars)):
        last = bars.close[t - a + 1 : t + 1]
        if kind in ("highest", "lowest", "change"):
            if t < a:
                continue
            high, low = bars.high[t - a : t], bars.low[t - a : t]
            found[t] = {
                "highest": high.max(),
                "lowest": low.min(),
                "change": bars.close[t] / bars.close[t - a] - 1,
            }[kind]
        elif kind == "volatility":
            found[t] = np.std(returns[t - a + 1 : t + 1], ddof=1) if t >= a else math.nan
        elif len(last) == a:
            deviation = last.std(ddof=1) if len(np.unique(last)) > 1 else math.nan
            found[t] = {
                "sma": last.mean(),
                "zscore": (last[-1] - last.mean()) / deviation,
                "drawdown": last[-1] / last.max() - 1,
                "rise": last[-1] / last.min() - 1,
            }[kind]
    return found


@pytest.mark.parametrize("kind", WINDOWED)
@pytest.mark.parametrize("shape", [{}, {"gaps": 0.3}, {"uneven": True}, {"gaps": 0.9}], ids=str)
def test_columns_over_windows_are_what_their_names_say(kind, shape):
    bars = prices(400, 3, holes=0.02, **shape)
    for a in (2, 3, 7, 20, 64):
        indicator = Indicator(kind, a)
        got = Indicators([indicator], MINUTE).advance(bars)[1]
        np.testing.assert_allclose(got, naive(indicator, bars), rtol=1e-9, atol=1e-12, err_msg=str(a))


@pytest.mark.parametrize(
    ("indicator", "reference"),
    [
        (Indicator("sma", 20), lambda t, p: t.SMA(p.close, 20)),
        (Indicator("ema", 20), lambda t, p: t.EMA(p.close, 20)),
        (Indicator("rsi", 14), lambda t, p: t.RSI(p.close, 14)),
        (Indicator("rsi", 5), lambda t, p: t.RSI(p.close, 5)),
        (Indicator("change", 10), lambda t, p: t.ROCP(p.close, 10)),
        (Indicator("highest", 20), lambda t, p: np.concatenate([[math.nan], t.MAX(p.high, 20)[:-1]])),
        (Indicator("lowest", 20), lambda t, p: np.concatenate([[math.nan], t.MIN(p.low, 20)[:-1]])),
        (Indicator("drawdown", 20), lambda t, p: p.close / t.MAX(p.close, 20) - 1),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_columns_are_those_of_ta_lib(indicator, reference):
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed: pip install TA-Lib")
    bars = prices(3000, 11, flat=0.0)
    got = Indicators([indicator], MINUTE).advance(bars)[1]
    np.testing.assert_allclose(got, reference(talib, bars), rtol=1e-9, atol=1e-11)


def test_macd_is_that_of_ta_lib():
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed: pip install TA-Lib")
    bars = prices(3000, 12)
    line, signal, _ = talib.MACD(bars.close, 12, 26, 9)
    wanted = [Indicator("macd", 12, 26), Indicator("macd_signal", 12, 26, 9)]
    got = Indicators(wanted, MINUTE).advance(bars)[1:]
    # TA-Lib keeps the line back until the signal is there.
    np.testing.assert_allclose(got[0, 33:], line[33:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(got[1], signal, rtol=0, atol=1e-9)
    assert np.isnan(got[0, 24:26]).tolist() == [True, False]


def test_rsi_14_is_that_of_the_bars():
    from barograph.bars.roll import roll

    bars = prices(2000, 13, holes=0.03)
    got = Indicators([Indicator("rsi", 14)], MINUTE).advance(bars)[1]
    np.testing.assert_array_equal(got, roll(bars.close, bars.volume)[0].rsi_14)


def test_rsi_is_50_while_nothing_moves():
    bars = prices(20, 0, flat=1.0)
    assert Indicators([Indicator("rsi", 3)], MINUTE).advance(bars)[1, 3:].tolist() == [50.0] * 17


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_equal_prices_have_themselves_as_mean_and_no_deviation(gaps):
    bars = prices(300, 1, gaps=gaps, flat=1.0)
    wanted = [Indicator("sma", 7), Indicator("ema", 7), Indicator("zscore", 7), Indicator("volatility", 7)]
    sma, ema, zscore, volatility = Indicators(wanted, MINUTE).advance(bars)[1:, 10:]
    assert {*sma, *ema} == {bars.close[0]}
    assert np.isnan(zscore).all()
    assert set(volatility) == {0.0}


def test_a_large_level_does_not_eat_the_deviation():
    low_down = prices(200, 2, flat=0.0)
    high_up = Prices("X", MINUTE, low_down.ts_us, *([low_down.close * 1e-2 + 1e6] * 5))
    # What is left of the digits, without the level: exact.
    low_down = Prices("X", MINUTE, low_down.ts_us, *([high_up.close - 1e6] * 5))
    got = Indicators([Indicator("zscore", 20)], MINUTE).advance(high_up)[1]
    np.testing.assert_allclose(got, naive(Indicator("zscore", 20), low_down), atol=1e-7)


@pytest.mark.parametrize("kind", WINDOWED)
def test_an_unknown_bar_is_felt_while_it_is_in_the_window_and_no_longer(kind):
    bars = prices(60, 4, flat=0.0)
    for column in (bars.open, bars.high, bars.low, bars.close):
        column[30] = math.nan
    missing = np.flatnonzero(np.isnan(Indicators([Indicator(kind, 5)], MINUTE).advance(bars)[1, 6:])) + 6
    last = {"sma": 34, "zscore": 34, "drawdown": 34, "rise": 34}.get(kind, 35)
    felt = {"change": [30, 35], "highest": range(31, 36), "lowest": range(31, 36)}
    assert missing.tolist() == list(felt.get(kind, range(30, last + 1)))


@pytest.mark.parametrize(
    "indicator", [Indicator("ema", 5), Indicator("rsi", 5), Indicator("macd_signal", 3, 6, 4)]
)
def test_recursive_columns_go_on_after_unknown_bars_as_if_they_had_not_been(indicator):
    bars = prices(80, 6)
    known = Indicators([indicator], MINUTE).advance(bars)[1]
    at = np.array([0, 3, 3, 40])
    holes = Prices(
        "X", MINUTE, np.arange(84) * MINUTE, *(np.insert(c, at, math.nan) for c in [bars.close] * 5)
    )
    got = Indicators([indicator], MINUTE).advance(holes)[1]
    assert np.isnan(got[np.isnan(holes.close)]).all()
    np.testing.assert_array_equal(got[~np.isnan(holes.close)], known)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_value_comes_when_warm_up_says(kind):
    numbers = {"macd": (3, 8), "macd_signal": (3, 8, 4), "close": (), "signal": (0,)}
    indicator = Indicator(kind, *numbers.get(kind, (6,)))
    row = Indicators([indicator], MINUTE).advance(prices(50, flat=0.0), np.ones((1, 50)))[1]
    assert np.flatnonzero(~np.isnan(row))[0] == warm_up(indicator)
    assert not np.isnan(row[warm_up(indicator) :]).any()


def test_row_0_is_zero_and_signals_are_handed_on():
    signals = np.array([[1.0, 0.0, math.nan], [0.0, -1.0, 1.0]])
    got = Indicators([Indicator("signal", 1), Indicator("signal", 0)], MINUTE).advance(prices(3), signals)
    np.testing.assert_array_equal(got, [[0, 0, 0], signals[1], signals[0]])


def test_times_before_1970_are_times_like_others():
    now = prices(100, 8, gaps=0.2)
    # A whole number of blocks earlier, for all windows.
    span = math.lcm(*(k.a for k in WANTED if k.a)) * MINUTE
    then = Prices("X", MINUTE, now.ts_us - span * (now.ts_us[-1] // span + 1), *([now.close] * 5))
    now = Prices("X", MINUTE, now.ts_us, *([now.close] * 5))
    assert then.ts_us[-1] < 0
    wanted = [k for k in WANTED if k.kind != "signal"]
    assert (
        Indicators(wanted, MINUTE).advance(then).tobytes()
        == Indicators(wanted, MINUTE).advance(now).tobytes()
    )


def test_the_table_is_filled_into_the_room_that_is_given():
    bars, out = prices(10), np.empty((2, 10))
    assert Indicators([Indicator("sma", 2)], MINUTE).advance(bars, out=out) is out
    np.testing.assert_array_equal(out, Indicators([Indicator("sma", 2)], MINUTE).advance(bars))


@pytest.mark.parametrize(
    ("indicator", "message"),
    [
        (Indicator("sma"), "a window is at least 1 bars"),
        (Indicator("zscore", 1), "a window is at least 2 bars"),
        (Indicator("macd", 5, 3), "the first must be below the second"),
        (Indicator("sma", 3, 4), "takes 1 windows"),
        (Indicator("nope", 3), "there is no indicator 'nope'"),
    ],
)
def test_an_indicator_that_cannot_be_is_refused(indicator, message):
    with pytest.raises(UsageError, match=message):
        Indicators([indicator], MINUTE)


def test_bars_that_do_not_fit_are_refused():
    table, bars = Indicators([Indicator("signal", 0)], MINUTE), prices(10)
    with pytest.raises(UsageError, match=r"at least \(1, 10\)"):
        table.advance(bars)
    table.advance(bars, np.zeros((1, 10)))
    with pytest.raises(UsageError, match="does not come after"):
        table.advance(bars, np.zeros((1, 10)))
    with pytest.raises(UsageError, match="indicators of 1000000 us"):
        Indicators([], 1_000_000).advance(bars)


SCRIPT = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("this", sys.argv[1])
    this = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(this)
    from barograph.compiled import COMPILED
    print(COMPILED, this.digest())
"""


def digest() -> str:
    bars, signals = prices(300, 9, holes=0.02, gaps=0.1), np.ones((2, 300))
    return hashlib.sha256(cut(bars, [7, 150], WANTED, signals, save=True).tobytes()).hexdigest()


def test_bits_do_not_depend_on_the_compiler():
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), __file__]
    environment = {**os.environ, "BAROGRAPH_NO_NUMBA": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", digest()]
