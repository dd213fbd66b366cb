"""Massive over REST: ``GET /v3/trades/{ticker}``, page after page.

Source: massive.com/docs/rest (crypto and stocks, trades). ``timestamp``, ``timestamp.gte``,
``.gt``, ``.lte``, ``.lt`` are nanoseconds or dates; ``order`` is by time, the newest first
unless asked otherwise; ``next_url`` leads to the page after, with a cursor that only the
venue can read and without the key.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from barograph.clock import DAY_US, NS_PER_US, US_PER_S
from barograph.testing.market import Trade
from barograph.testing.massive_wire import rest_trade
from barograph.testing.venue import Answer, Asked, Past

PATH = "/v3/trades/"
LIMIT, LIMIT_MAX = 1_000, 50_000
_ALL = 1 << 62
_REQUEST_ID = "6a7e466379af0a71039d60cc78e72282"


class Query(msgspec.Struct, frozen=True):
    """What is asked for, and what a cursor holds. Bounds are microseconds, ``until_us`` not within.

    ``number`` is where the page begins: the first trade of it in an ascending list, the last
    one in a descending one; 0 is the beginning.
    """

    ticker: str
    since_us: int
    until_us: int
    ascending: bool
    limit: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A page's trades in the order asked for, and the query for the page after, if there is one."""

    trades: list[Trade]
    after: Query | None


class BadQuery(Exception):
    """What was asked makes no sense; the venue answers 400 with the text."""


def read_query(ticker: str, given: Mapping[str, str]) -> Query:
    """The query of a request.

    Raises:
        BadQuery: a value of it cannot be read.
    """
    if cursor := given.get("cursor"):
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=Query)
        except (ValueError, msgspec.DecodeError) as error:
            raise BadQuery("Failed to parse cursor") from error
    limit, order = given.get("limit", str(LIMIT)), given.get("order", "desc")
    if not limit.isdecimal() or not 1 <= int(limit) <= LIMIT_MAX:
        raise BadQuery(f"Failed to parse query parameters: 'limit' must be from 1 to {LIMIT_MAX}")
    if order not in ("asc", "desc"):
        raise BadQuery("Failed to parse query parameters: 'order' must be asc or desc")
    since_us, until_us = _bounds(given)
    return Query(ticker, since_us, until_us, order == "asc", int(limit))


def _bounds(given: Mapping[str, str]) -> tuple[int, int]:
    """First and last bound in microseconds, the last not within. A nanosecond bound rounds up."""
    since_ns, until_ns = 0, _ALL
    for name, value in given.items():
        what, _, kind = name.partition(".")
        if what != "timestamp":
            continue
        at, lasts = _moment(value)
        if kind in ("", "gte", "gt"):
            since_ns = max(since_ns, at if kind != "gt" else at + lasts)
        if kind in ("", "lte", "lt"):
            until_ns = min(until_ns, at if kind == "lt" else at + lasts)
    return -(-since_ns // NS_PER_US), -(-until_ns // NS_PER_US)


def _moment(value: str) -> tuple[int, int]:
    """A bound's first nanosecond, and how many it stands for: one, or a day's."""
    if value.isdecimal():
        return int(value), 1
    try:
        day = dt.date.fromisoformat(value)
    except ValueError as error:
        raise BadQuery(f"Could not parse the time value {value!r}. Use YYYY-MM-DD or nanoseconds.") from error
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return int(midnight.timestamp()) * US_PER_S * NS_PER_US, DAY_US * NS_PER_US


def page(past: Past, symbol: str, query: Query, behind_us: int) -> Page:
    """The trades of one page; the venue's times are ``behind_us`` behind the market's."""
    trades = past.between(symbol, query.since_us + behind_us, query.until_us + behind_us, _ALL)
    if not query.ascending:
        trades.reverse()
    if query.number:
        at = next((n for n, trade in enumerate(trades) if _reached(trade, query)), len(trades))
        trades = trades[at:]
    shown, rest = trades[: query.limit], trades[query.limit :]
    return Page(shown, msgspec.structs.replace(query, number=rest[0].number) if rest else None)


def _reached(trade: Trade, query: Query) -> bool:
    return trade.number >= query.number if query.ascending else trade.number <= query.number


def answer(asked: Asked, made: Page, behind_us: int, *, is_crypto: bool) -> Answer:
    """A page as the venue writes it."""
    rows = [rest_trade(trade, trade.ts_us - behind_us, is_crypto=is_crypto) for trade in made.trades]
    body: dict[str, Any] = {"results": rows, "status": "OK", "request_id": _REQUEST_ID}
    if made.after is not None:
        cursor = base64.urlsafe_b64encode(msgspec.json.encode(made.after)).decode()
        host = asked.headers.get("host", "api.massive.com")
        body["next_url"] = f"http://{host}{asked.path}?cursor={cursor}"
    return Answer(200, msgspec.json.encode(body))


def refusal(status: int, message: str, *, kind: str = "ERROR", retry_after_s: float | None = None) -> Answer:
    """An answer without data: ``error`` has the reason, ``message`` where the plan does not allow it."""
    name = "message" if kind == "NOT_AUTHORIZED" else "error"
    body = {"status": kind, "request_id": _REQUEST_ID, name: message}
    headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    return Answer(status, msgspec.json.encode(body), headers)
