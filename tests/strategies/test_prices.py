"""Bars as columns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.errors import DataError
from barograph.strategies.prices import Prices

HOUR = 3_600_000_000


def prices(**changed) -> Prices:
    columns = {
        "open": [10.0, 11, 12, 13],
        "high": [11.0, 12, 13, 14],
        "low": [9.0, 10, 11, 12],
        "close": [10.5, 11.5, 12.5, 13.5],
        "volume": [1.0, 2, math.nan, 4],
        **changed,
    }
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return Prices("X", HOUR, np.arange(len(arrays["close"])) * HOUR, **arrays)


def test_a_slice_of_bars_is_bars_and_copies_nothing():
    whole = prices(exec_price=[math.nan, 11, 12, 13])
    part = whole.take(slice(1, 3))
    assert len(part) == 2
    assert (part.symbol, part.interval_us) == ("X", HOUR)
    assert part.close.tolist() == [11.5, 12.5]
    assert part.exec_price.tolist() == [11, 12]
    assert np.shares_memory(part.close, whole.close)
    assert len(whole.take(slice(0, 0))) == 0


def test_fills_are_at_the_price_that_could_be_had_where_it_is_known():
    had = prices(exec_price=[math.nan, 11.1, 12.1, 13.1])
    assert not had.idealised
    np.testing.assert_array_equal(had.fill_price, [math.nan, 11.1, 12.1, 13.1])


def test_fills_are_at_the_open_for_imported_candles_and_labelled():
    candles = prices()
    assert candles.idealised
    assert candles.fill_price is candles.open


def test_sound_bars_pass_as_they_are():
    for sound in (
        prices(),
        prices(open=[math.nan] * 4, high=[math.nan] * 4, low=[math.nan] * 4, close=[math.nan] * 4),
    ):
        assert sound.checked() is sound


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"close": [10.5, 11.5, 0.0, 13.5], "low": [9, 10, 0.0, 12]}, "bar 2 has low 0.0"),
        ({"open": [10.0, -11, 12, 13]}, "bar 1 has open -11.0"),
        ({"close": [10.5, 11.5, 12.5, 15]}, r"bar 3 has close 15.0, with low 12.0 and high 14.0"),
        ({"open": [8.0, 11, 12, 13]}, r"bar 0 has open 8.0"),
        ({"high": [11.0, math.inf, 13, 14]}, r"bar 1 has high inf"),
        ({"volume": [1.0, 2]}, r"columns differ in length: .*'volume': 2"),
    ],
    ids=str,
)
def test_unsound_bars_are_named(changed, message):
    with pytest.raises(DataError, match=f"X: {message}"):
        prices(**changed).checked()


def test_times_must_increase():
    bars = prices()
    bars.ts_us[2] = bars.ts_us[1]
    with pytest.raises(DataError, match="X: bar 2 does not come after the one before; clean the data first"):
        bars.checked()
