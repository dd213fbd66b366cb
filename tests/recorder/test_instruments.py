import numpy as np

from barograph.recorder.instruments import Instruments
from barograph.snapshot import pack, unpack


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_two_venues_with_the_same_symbol_are_two_instruments():
    instruments = Instruments()
    assert instruments.translate("binance", ["BTC-USD"], codes(0, 0)).tolist() == [0, 0]
    assert instruments.translate("coinbase", ["BTC-USD"], codes(0)).tolist() == [1]
    assert instruments.venues == ["binance", "coinbase"]


def test_numbers_stay_when_a_feed_meets_new_symbols():
    instruments = Instruments()
    instruments.translate("binance", ["A"], codes(0))
    instruments.translate("kraken", ["B"], codes(0))
    assert instruments.translate("binance", ["A", "C"], codes(1, 0)).tolist() == [2, 0]
    assert instruments.venues == ["binance", "kraken", "binance"]


def test_a_packed_state_goes_on_where_it_stopped():
    instruments = Instruments()
    instruments.translate("binance", ["A", "B"], codes(0))
    again = unpack(pack(instruments), Instruments)
    assert again.translate("binance", ["A", "B", "C"], codes(2)).tolist() == [2]


def test_a_feed_may_bring_several_venues():
    instruments = Instruments()
    instruments.translate("candles", ["binance|BTC-USDT", "kraken|BTC-USD"], codes(0, 1))
    assert list(zip(instruments.venues, instruments.symbols, strict=True)) == [
        ("binance", "BTC-USDT"),
        ("kraken", "BTC-USD"),
    ]
