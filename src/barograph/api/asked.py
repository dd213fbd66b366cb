"""The parameters that resources share, as they stand in an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.answers import Answers, Ask
from barograph.api.formats import Form, chosen, takes_gzip
from barograph.api.series import Names
from barograph.api.sources import Source, Wanted

if TYPE_CHECKING:
    from barograph.settings import Settings

LIMIT = 1_000
"""Rows of a page when nothing is said."""


class Paging(BaseModel):
    """How much of the rows, and how they are written."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(
        default=LIMIT,
        ge=1,
        description="Rows of a page, at the most; never more than the setting web.rows_max.",
        examples=[500],
    )
    cursor: str | None = Field(
        default=None,
        max_length=2_000,
        description="Where to go on: `next` of the page before, or the address in its header Link.",
    )
    format: Form | None = Field(default=None, description="Before the header Accept.", examples=["csv"])


class Chosen(Paging):
    """Which symbols and venues."""

    symbol: list[str] = Field(
        default=[], max_length=1_000, description="Symbols; all when absent.", examples=[["BTC-USD"]]
    )
    venue: list[str] = Field(
        default=[], max_length=100, description="Venues; all when absent.", examples=[["sim"]]
    )


class Timed(Chosen):
    """Which time, half-open."""

    start: str | None = Field(
        default=None,
        max_length=64,
        description="First moment: a date or a time in ISO 8601, UTC where no zone is named.",
        examples=["2024-08-08"],
    )
    end: str | None = Field(
        default=None,
        max_length=64,
        description="Moment to stop before.",
        examples=["2024-08-08T13:35:00Z"],
    )


class OfInterval(Timed):
    """Which bars."""

    interval: str = Field(
        default="1m",
        max_length=16,
        description="Length of a bar: from 1s to 1d, a divisor of the day.",
        examples=["5m"],
    )


PagingQuery = Annotated[Paging, Query()]
ChosenQuery = Annotated[Chosen, Query()]
TimedQuery = Annotated[Timed, Query()]
IntervalQuery = Annotated[OfInterval, Query()]


def wanted(asked: Chosen) -> Wanted:
    """The rows that are asked for.

    Raises:
        UsageError: a time that is none.
    """
    from barograph.market.times import moment_us

    start = end = None
    if isinstance(asked, Timed):
        start, end = moment_us(asked.start), moment_us(asked.end)
    return Wanted(_names(asked.symbol), _names(asked.venue), start, end)


def _names(given: list[str]) -> Names | None:
    return tuple(sorted(set(given))) or None


async def answered(
    request: Request, answers: Answers, asked: Paging, source: Source, *words: object
) -> Response:
    """The answer to a request for the rows of ``source``.

    Args:
        words: what, beside the route, makes it this query and no other.
    """
    settings: Settings = answers.state.settings
    ask = Ask(
        source=source,
        words=(request.url.path, *words),
        limit=min(asked.limit, settings.web.rows_max),
        cursor=asked.cursor,
        form=chosen(request.headers.get("accept"), asked.format),
        gzip=takes_gzip(request.headers.get("accept-encoding")),
    )
    return await answers.give(request, ask)
