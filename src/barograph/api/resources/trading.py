"""``GET /v1/positions`` and ``GET /v1/trades``: paper trading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.asked import ChosenQuery, TimedQuery, answered, wanted
from barograph.api.described import rows_of
from barograph.api.sources import ListSource, Wanted
from barograph.clock import from_us
from barograph.tables import COMPLETED_TRADES, POSITIONS

if TYPE_CHECKING:
    import polars as pl

    from barograph.api.answers import Answers
    from barograph.api.state import State

_NAMES = {"strategy": "dip", "venue": "sim", "symbol": "BTC-USD"}
POSITION = {
    **_NAMES,
    "quantity": 0.17,
    "entry_price": 56_800.0,
    "entry_ts": "2024-08-08T13:31:07.250000Z",
    "entry_fee": 9.66,
    "entry_id": "871001",
    "bar_version": 1,
    "last_price": 57_031.0,
    "version": 3,
    "tape_pos": 123_456,
}
TRADE = {
    **_NAMES,
    "trade_key": "dip/sim/BTC-USD/871001/871420",
    "quantity": 0.17,
    "entry_ts": "2024-08-08T13:31:07.250000Z",
    "entry_price": 56_800.0,
    "exit_ts": "2024-08-08T14:02:41.118000Z",
    "exit_price": 59_640.0,
    "fees": 19.8,
    "profit": 463.0,
    "profit_pct": 4.79,
    "reason": "profit",
    "entry_id": "871001",
    "exit_id": "871420",
    "bar_version": 1,
    "exit_bar_version": 1,
}


def router(answers: Answers) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["paper trading"])
    state = answers.state

    @made.get(
        "/v1/positions",
        summary="What is held on paper",
        responses=rows_of(POSITIONS.schema(), POSITION, "Open positions, by strategy, venue and symbol."),
        response_class=Response,
    )
    async def positions(request: Request, asked: ChosenQuery) -> Response:
        """What is open in the ledger now, with the last price that the strategy saw."""
        chosen = wanted(asked)
        source = ListSource(lambda: _positions(state, chosen), POSITIONS.sort, POSITIONS.schema())
        return await answered(request, answers, asked, source, chosen)

    @made.get(
        "/v1/trades",
        summary="What paper trading has earned and lost",
        responses=rows_of(
            COMPLETED_TRADES.schema(), TRADE, "Completed trades, by strategy, venue, symbol and exit."
        ),
        response_class=Response,
    )
    async def trades(request: Request, asked: TimedQuery) -> Response:
        """Completed trades whose exit is in the time asked for."""
        chosen = wanted(asked)
        schema = COMPLETED_TRADES.schema()
        source = ListSource(lambda: _trades(state, chosen), COMPLETED_TRADES.sort, schema)
        return await answered(request, answers, asked, source, chosen)

    return made


def _positions(state: State, chosen: Wanted) -> pl.DataFrame:
    return state.market().positions(chosen.symbols, chosen.venues)


def _trades(state: State, chosen: Wanted) -> pl.DataFrame:
    start = None if chosen.start_us is None else from_us(chosen.start_us)
    end = None if chosen.end_us is None else from_us(chosen.end_us)
    return state.market().completed_trades(chosen.symbols, start, end, chosen.venues)
