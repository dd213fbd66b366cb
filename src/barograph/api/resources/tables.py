"""``GET /v1/ticks``, ``/v1/quotes``, ``/v1/anomalies``, ``/v1/coverage``: tables as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.asked import TimedQuery, answered, wanted
from barograph.api.described import rows_of
from barograph.api.sources import TableSource
from barograph.tables import ANOMALIES, COVERAGE, QUOTES, TICKS, Table

if TYPE_CHECKING:
    from barograph.api.answers import Answers

_TIME = "2024-08-08T13:35:00.250000Z"
_NAMES = {"venue": "sim", "symbol": "BTC-USD", "tape_pos": 123456}


class Told(NamedTuple):
    """How a table is described."""

    table: Table
    summary: str
    about: str
    example: dict[str, Any]


TOLD = (
    Told(
        TICKS,
        "Trades",
        "One row a trade, by symbol, venue and the venue's time.",
        {
            **_NAMES,
            "ts": _TIME,
            "recv_ts": "2024-08-08T13:35:00.262117Z",
            "price": 57031.0,
            "size": 0.05,
            "side": 1,
            "trade_id": 871_001,
            "seq": 55_012,
            "flags": 0,
        },
    ),
    Told(
        QUOTES,
        "Best bids and asks",
        "One row a change of the best bid or ask, by symbol, venue and time.",
        {
            **_NAMES,
            "ts": _TIME,
            "recv_ts": "2024-08-08T13:35:00.262117Z",
            "ts_estimated": False,
            "bid_price": 57030.5,
            "bid_size": 1.5,
            "ask_price": 57031.5,
            "ask_size": 0.75,
            "seq": 55_013,
            "flags": 0,
        },
    ),
    Told(
        ANOMALIES,
        "What rules and the model found",
        "Crossings of a threshold, those taken back left out, by symbol, venue and time.",
        {
            **_NAMES,
            "ts": "2024-08-08T13:35:00.000000Z",
            "kind": "volume_spike",
            "score": 4.2,
            "threshold": 3.0,
            "model_version": "rule",
            "detail": "{}",
            "revision": 0,
        },
    ),
    Told(
        COVERAGE,
        "The ledger of completeness",
        "One row a minute, venue, symbol and channel: complete, repaired, missing, closed or idle.",
        {
            **_NAMES,
            "minute": "2024-08-08T13:35:00.000000Z",
            "channel": "trades",
            "state": "missing",
            "messages": 0,
            "reason": "disconnected",
            "updated_at": "2024-08-08T13:36:02.000000Z",
            "revision": 0,
        },
    ),
)


def router(answers: Answers) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["tables"])
    for told in TOLD:
        _add(made, answers, told)
    return made


def _add(made: APIRouter, answers: Answers, told: Told) -> None:
    async def rows(request: Request, asked: TimedQuery) -> Response:
        chosen = wanted(asked)
        source = TableSource(answers.state, told.table, chosen)
        return await answered(request, answers, asked, source, chosen)

    made.add_api_route(
        f"/v1/{told.table.name}",
        rows,
        methods=["GET"],
        name=told.table.name,
        summary=told.summary,
        description=f"{told.about} The columns are those of docs/tables.md.",
        responses=rows_of(told.table.schema(), told.example, told.about),
        response_class=Response,
    )
