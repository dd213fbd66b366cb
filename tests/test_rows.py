import numpy as np

from barograph.rows import ABSENT, Quotes, Ticks, columns, concatenate, none_of


def test_columns_fills_what_is_left_out():
    quotes = columns(Quotes, record=[0], ts_us=[5], instrument=[1], bid_price=[1.0], ask_price=[2.0])
    assert quotes.seq.tolist() == [ABSENT]
    assert quotes.flags.tolist() == [0]
    assert not quotes.estimated[0]
    assert np.isnan(quotes.bid_size[0])
    assert (quotes.instrument.dtype, quotes.flags.dtype) == (np.int32, np.int16)


def test_take_and_concatenate_keep_order_and_types():
    ticks = columns(
        Ticks, record=[0, 1, 2], ts_us=[5, 6, 7], instrument=[0, 1, 0], price=[1, 2, 3], size=[1, 1, 1]
    )
    joined = concatenate(
        [ticks.take(np.array([True, False, True])), none_of(Ticks), ticks.take(slice(1, 2))], Ticks
    )
    assert joined.price.tolist() == [1.0, 3.0, 2.0]
    assert joined.side.dtype == np.int8
    assert len(concatenate([], Ticks)) == 0
