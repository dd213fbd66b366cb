"""``GET /v1/bars``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.asked import IntervalQuery, answered, wanted
from barograph.api.described import rows_of
from barograph.api.sources import BarsSource, bars_schema

if TYPE_CHECKING:
    from barograph.api.answers import Answers

EXAMPLE = {
    "timestamp": "2024-08-08T13:35:00.000000Z",
    "symbol": "BTC-USD",
    "venue": "sim",
    "open": 57012.5,
    "high": 57040.0,
    "low": 57008.25,
    "price": 57031.0,
    "exec_price": 57030.5,
    "volume": 3.25,
    "notional": 185332.4,
    "vwap": 57025.4,
    "trade_count": 41,
    "buy_volume": 2.0,
    "sell_volume": 1.25,
    "bid_price": 57030.5,
    "ask_price": 57031.5,
    "bid_ask_spread": 1.0,
    "order_imbalance": 0.23,
    "volatility_1min": 0.0004,
    "volume_spike_score": 0.7,
    "price_change_pct": 0.03,
    "rsi_14": 55.2,
    "revision": 0,
    "kernel_version": 1,
    "as_of": "2024-08-08T13:36:02.000000Z",
    "tape_pos": 123456,
}


def router(answers: Answers) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["tables"])

    @made.get(
        "/v1/bars",
        summary="Bars of any interval",
        responses=rows_of(bars_schema(), EXAMPLE, "Bars, by symbol, venue and time; docs/tables.md."),
        response_class=Response,
    )
    async def bars(request: Request, asked: IntervalQuery) -> Response:
        """Bars from 1 s to 1 d that begin in the time asked for.

        A minute is as it was recorded. Longer bars are made from minutes, shorter ones from ticks and
        quotes; symbols of which there are only imported candles are given by those.
        """
        chosen = wanted(asked)
        source = BarsSource(answers.state, chosen, asked.interval)
        return await answered(request, answers, asked, source, chosen, source.interval_us)

    return made
