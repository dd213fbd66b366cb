"""What traders see of a tape, and when it was received."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.clock import MINUTE_US
from barograph.recorder.trading.account import is_bar
from barograph.recorder.trading.market import MarketView, Minute
from barograph.rows import Bars, columns

from .driving import SETTINGS, TAPE


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_trade_was_received_when_its_own_frame_was_not_its_run(size: int) -> None:
    whole, market = MarketView(SETTINGS), MarketView(SETTINGS)
    alone = {}  # by runs of one record there is no other frame that a trade could have come with
    for at in range(400):
        run = TAPE.cut(at, at + 1)
        for event in whole.trades(run):
            alone[event.venue, event.symbol, event.identity] = int(run.recv_ns[0])
        whole.minutes()
    found = {}
    for at in range(0, 400, size):
        for event in market.trades(TAPE.cut(at, min(at + size, 400))):
            name = (event.venue, event.symbol, event.identity)
            found[name] = market.received_ns(*name)
        assert market.received_ns("sim", "BTC-USD", "none") is None
        market.minutes()
    assert len(set(found.values())) > 50
    assert found == alone


def test_a_trade_of_an_earlier_run_is_not_known_any_more() -> None:
    market = MarketView(SETTINGS)
    [first, *_] = market.trades(TAPE.cut(0, 400))
    name = (first.venue, first.symbol, first.identity)
    assert market.received_ns(*name) is not None
    market.minutes()
    assert market.received_ns(*name) is None


def test_a_minute_that_comes_behind_a_later_one_of_its_symbol_is_no_news() -> None:
    market = MarketView(SETTINGS)
    starts = np.array([2, 1, 2, 1, 3]) * MINUTE_US
    bars = columns(
        Bars,
        record=np.arange(5),
        timestamp_us=starts,
        instrument=np.array([0, 0, 1, 0, 0]),
        revision=np.array([0, 0, 0, 1, 0]),
    )
    shown = market._first_versions(bars, 100)
    assert [(one.instrument, one.ts_us // MINUTE_US, one.version) for one in shown] == [
        (0, 2, 100),
        (1, 2, 102),
        (0, 3, 104),
    ]
    assert market._first_versions(bars, 200) == []


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("prices", "exec_price", "is_it"),
    [
        ((2.0, 3.0, 1.0, 2.5), 2.0, True),
        ((1.0, 3.0, 1.0, 3.0), NAN, True),
        ((3.5, 3.0, 1.0, 2.5), 2.0, False),
        ((2.0, 3.0, 1.0, 3.5), 2.0, False),
        ((0.5, 3.0, 1.0, 2.5), 2.0, False),
        ((2.0, 3.0, 1.0, 0.5), 2.0, False),
        ((2.0, 3.0, 0.0, 2.5), 2.0, False),
        ((2.0, INF, 1.0, 2.5), 2.0, False),
        ((NAN, 3.0, 1.0, 2.5), 2.0, False),
        ((2.0, 3.0, 1.0, 2.5), 0.0, False),
        ((2.0, 3.0, 1.0, 2.5), INF, False),
        ((NAN, NAN, NAN, NAN), NAN, True),
        ((NAN, NAN, NAN, NAN), 2.0, True),
        ((NAN, NAN, NAN, NAN), -1.0, False),
    ],
)
def test_a_minute_can_be_traded_on_where_its_prices_can_be(
    prices: tuple[float, float, float, float], exec_price: float, is_it: bool
) -> None:
    assert is_bar(Minute(0, 1, 0, 0, *prices, 1.0, exec_price, 0.1)) is is_it
