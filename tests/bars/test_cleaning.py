"""Flags are set where a row should not be trusted, causally and however the tape is cut."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph import snapshot
from barograph.bars import cleaning
from barograph.bars.cleaning import Cleaner, Recent
from barograph.errors import SettingsError
from barograph.rows import Quotes, Ticks, columns, none_of
from barograph.tables import Flag

NO_QUOTES = none_of(Quotes)
NO_TICKS = none_of(Ticks)
NAN, INF = math.nan, math.inf


def trades(prices, sizes=None, instruments=None, **more) -> Ticks:
    n = len(prices)
    return columns(
        Ticks,
        record=np.arange(n),
        ts_us=np.zeros(n),
        instrument=np.zeros(n) if instruments is None else instruments,
        price=prices,
        size=np.ones(n) if sizes is None else sizes,
        **more,
    )


def flags_of(prices, sizes=None, instruments=None, cleaner=None) -> list[int]:
    ticks, _ = (cleaner or Cleaner()).advance(
        trades(prices, sizes, instruments), NO_QUOTES, np.zeros(len(prices), dtype=np.int64)
    )
    return ticks.flags.tolist()


@pytest.mark.parametrize(
    ("price", "size", "flag"),
    [
        (1.0, 1.0, 0),
        (1e-12, 1e-12, 0),
        (0.0, 1.0, Flag.NONPOSITIVE),
        (-1.0, 1.0, Flag.NONPOSITIVE),
        (NAN, 1.0, Flag.NONPOSITIVE),
        (INF, 1.0, Flag.NONPOSITIVE),
        (1.0, 0.0, Flag.NONPOSITIVE),
        (1.0, -2.0, Flag.NONPOSITIVE),
        (1.0, NAN, Flag.NONPOSITIVE),
        (1.0, INF, Flag.NONPOSITIVE),
    ],
)
def test_trade_flags(price, size, flag):
    assert flags_of([price], [size]) == [flag]


@pytest.mark.parametrize(
    ("bid", "bid_size", "ask", "ask_size", "flag"),
    [
        (1.0, 1.0, 2.0, 1.0, 0),
        (2.0, 1.0, 2.0, 1.0, 0),
        (1.0, NAN, 2.0, NAN, 0),
        (1.0, 0.0, 2.0, 0.0, 0),
        (3.0, 1.0, 2.0, 1.0, Flag.CROSSED),
        (0.0, 1.0, 2.0, 1.0, Flag.NONPOSITIVE),
        (1.0, 1.0, NAN, 1.0, Flag.NONPOSITIVE),
        (1.0, 1.0, INF, 1.0, Flag.NONPOSITIVE),
        (1.0, -1.0, 2.0, 1.0, Flag.NONPOSITIVE),
        (1.0, 1.0, 2.0, -1.0, Flag.NONPOSITIVE),
        (1.0, INF, 2.0, 1.0, Flag.NONPOSITIVE),
        (1.0, 1.0, -2.0, 1.0, Flag.NONPOSITIVE | Flag.CROSSED),
    ],
)
def test_quote_flags(bid, bid_size, ask, ask_size, flag):
    quote = columns(
        Quotes,
        record=[0],
        ts_us=[0],
        instrument=[0],
        bid_price=[bid],
        bid_size=[bid_size],
        ask_price=[ask],
        ask_size=[ask_size],
    )
    cleaner = Cleaner()
    _, flagged = cleaner.advance(NO_TICKS, quote, np.zeros(1, dtype=np.int64))
    assert flagged.flags.tolist() == [flag]
    assert cleaner.state.quotes == {
        "nonpositive": int(bool(flag & Flag.NONPOSITIVE)),
        "crossed": int(bool(flag & Flag.CROSSED)),
        "future": 0,
    }


@pytest.mark.parametrize(("ahead_us", "flag"), [(0, 0), (5_000_000, 0), (5_000_001, Flag.FUTURE)])
def test_future_is_measured_from_the_row_s_own_record(ahead_us, flag):
    recv_ns = np.array([0, 7_000_000_999], dtype=np.int64)
    ticks = columns(Ticks, record=[1], ts_us=[7_000_000 + ahead_us], instrument=[0], price=[1.0], size=[1.0])
    quotes = columns(
        Quotes, record=[1], ts_us=[7_000_000 + ahead_us], instrument=[0], bid_price=[1.0], ask_price=[1.0]
    )
    ticks, quotes = Cleaner(max_ahead_us=5_000_000).advance(ticks, quotes, recv_ns)
    assert ticks.flags.tolist() == quotes.flags.tolist() == [flag]


def test_decoder_s_flags_stay():
    ticks = trades([0.0], flags=[Flag.REPAIRED])
    flagged, _ = Cleaner().advance(ticks, NO_QUOTES, np.zeros(1, dtype=np.int64))
    assert flagged.flags.tolist() == [Flag.REPAIRED | Flag.NONPOSITIVE]
    assert ticks.flags.tolist() == [Flag.REPAIRED], "the rows that were handed in are not changed"


@pytest.fixture(params=["compiled", "plain"])
def either_way(request, monkeypatch):
    """The kernel as machine code, and as the Python that it is made of."""
    if request.param == "plain":
        kernel = cleaning._mark_outliers
        monkeypatch.setattr(cleaning, "_mark_outliers", getattr(kernel, "py_func", kernel))


@pytest.mark.parametrize(("before", "flag"), [(10, 0), (11, Flag.OUTLIER)])
def test_outlier_needs_eleven_trades_before_it(before, flag):
    assert flags_of([100.0] * before + [121.0])[-1] == flag


@pytest.mark.parametrize(
    ("price", "flag"), [(120.0, 0), (120.1, Flag.OUTLIER), (80.0, 0), (79.9, Flag.OUTLIER)]
)
def test_outlier_bound_is_twenty_percent(price, flag):
    assert flags_of([100.0] * 20 + [price])[-1] == flag


@pytest.mark.usefixtures("either_way")
def test_outliers_stop_once_the_market_has_moved():
    flags = flags_of([100.0] * 60 + [200.0] * 60)
    assert flags == [0] * 60 + [Flag.OUTLIER] * 26 + [0] * 34


def test_trades_that_are_not_positive_stay_out_of_the_window():
    assert flags_of([100.0] * 10 + [NAN, -5.0, 0.0, 500.0])[-1] == 0
    assert flags_of([100.0] * 11 + [NAN, -5.0, 0.0, 500.0])[-1] == Flag.OUTLIER


def test_instruments_have_windows_of_their_own():
    flags = flags_of([1.0, 100.0] * 30, instruments=[0, 5] * 30)
    assert flags == [0] * 60


def test_counts_by_flag():
    cleaner = Cleaner()
    flags_of([100.0] * 11 + [0.0, 300.0, 1.0, 100.0], cleaner=cleaner)
    assert cleaner.state.ticks == {"nonpositive": 1, "outlier": 2, "future": 0}


@pytest.mark.parametrize("wrong", [{"outlier_pct": 0}, {"outlier_pct": NAN}, {"max_ahead_us": 0}])
def test_bounds_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match="above 0"):
        Cleaner(**wrong)


prices = st.lists(
    st.one_of(st.floats(50, 150), st.sampled_from([100.0, 100.0, 0.0, NAN, 1000.0])), max_size=150
)


@settings(max_examples=100, deadline=None)
@given(prices=prices)
def test_outliers_equal_a_plain_median(prices):
    good: list[float] = []
    for price, flags in zip(prices, flags_of(prices), strict=True):
        positive = price > 0
        window = good[-51:]
        expected = positive and len(window) >= 11 and abs(price - median(window)) > 0.2 * median(window)
        assert bool(flags & Flag.OUTLIER) == expected
        if positive:
            good.append(price)


@settings(max_examples=60, deadline=None)
@given(prices=prices, data=st.data())
def test_any_cutting_gives_the_same_flags_and_state(prices, data):
    cuts = data.draw(st.lists(st.integers(0, len(prices)), max_size=5))
    whole = Cleaner()
    codes = np.array([k % 3 for k in range(len(prices))])
    expected = flags_of(prices, instruments=codes, cleaner=whole)
    state, flags = Recent(), []
    for start, stop in pairwise([0, *sorted(cuts), len(prices)]):
        piece = Cleaner(state=state)
        flags += flags_of(prices[start:stop], instruments=codes[start:stop], cleaner=piece)
        state = snapshot.unpack(snapshot.pack(piece.state), Recent)
    assert flags == expected
    assert snapshot.pack(state) == snapshot.pack(whole.state)
