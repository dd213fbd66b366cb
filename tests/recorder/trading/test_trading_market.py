"""What traders see of a tape, and when it was received."""

from __future__ import annotations

import pytest

from barograph.recorder.trading.market import MarketView

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
