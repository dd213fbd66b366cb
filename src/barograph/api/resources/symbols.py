"""``GET /v1/symbols``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.asked import ChosenQuery, answered, wanted
from barograph.api.described import rows_of
from barograph.api.sources import ListSource, Wanted
from barograph.store.lake import Lake
from barograph.tables import CANDLES, MARKET_MICROSTRUCTURE, QUOTES, TICKS, arrow_type

if TYPE_CHECKING:
    import polars as pl

    from barograph.api.answers import Answers
    from barograph.api.state import State

SCHEMA = pa.schema(
    [
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("venue", pa.string(), nullable=False),
        pa.field("first", arrow_type("time"), nullable=False),
        pa.field("last", arrow_type("time"), nullable=False),
    ]
)
EXAMPLE = {
    "symbol": "BTC-USD",
    "venue": "sim",
    "first": "2024-08-08T00:00:00.250000Z",
    "last": "2024-08-08T13:35:59.981000Z",
}


def router(answers: Answers) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["tables"])

    @made.get(
        "/v1/symbols",
        summary="Symbols and venues",
        responses=rows_of(SCHEMA, EXAMPLE, "Every symbol and venue, with its first and last time."),
        response_class=Response,
    )
    async def symbols(request: Request, asked: ChosenQuery) -> Response:
        """Every symbol and venue of which there are trades, quotes, minutes or candles."""
        chosen = wanted(asked)
        source = ListSource(lambda: _symbols(answers.state, chosen), ("symbol", "venue"), SCHEMA)
        return await answered(request, answers, asked, source, chosen)

    return made


def _symbols(state: State, chosen: Wanted) -> pl.DataFrame:
    import polars as pl

    market = state.market()
    found = _of_lake(state) if isinstance(market.store, Lake) else market.symbols()
    for column, only in (("symbol", chosen.symbols), ("venue", chosen.venues)):
        if only is not None:
            found = found.filter(pl.col(column).is_in(list(only)))
    return found


def _of_lake(state: State) -> pl.DataFrame:
    """What ``Market.symbols`` tells, without reading all files each time."""
    import polars as pl

    rows = [
        (*one.names[:2], one.first_us, one.last_us)
        for table in (TICKS, QUOTES, MARKET_MICROSTRUCTURE, CANDLES)
        for one in state.catalogue.of(state.market(), table)
    ]
    time = pl.Datetime("us", "UTC")
    schema = {"symbol": pl.String, "venue": pl.String, "first": pl.Int64, "last": pl.Int64}
    known = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("first", "last").cast(time))
    return known.group_by("symbol", "venue").agg(pl.col("first").min(), pl.col("last").max())
