"""Asking Kraken for trades that we missed, over REST.

Source: docs.kraken.com, ``GET /0/public/Trades``: trades later than ``since`` (nanoseconds), at
most 1,000, oldest first, with ``last`` as the next ``since``. Each has its id as seventh element. Names of
websocket v2 are understood (``BTC/USD``), and no other is read back without a guess.

Errors come with status 200. One about a rate is answered by asking again with a request that
weighs as much as may be asked in one period: the pacing of requests makes it wait.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.holes import Holes, unaskable
from barograph.feeds.live.naming import kraken_name
from barograph.feeds.live.venue import Refilled, Refilling, Refused, Request
from barograph.gaps import Gap

PAGE = 1000
REQUESTS = (5, 5.0)
"""About one request a second is borne."""

_ATTEMPTS = 5
_LATER = ("rate limit", "too many requests", "unavailable", "busy", "internal error")
_EARLIER_NS = 1_000_000
"""Asked from a millisecond before the last known trade: the wire may round its time, REST does not."""


class _Row(msgspec.Struct, array_like=True, gc=False):
    price: Any
    volume: Any
    time: Any
    side: Any
    order_type: Any
    misc: Any
    trade_id: int


class _Answer(msgspec.Struct):
    error: list[str] = []
    result: dict[str, msgspec.Raw] = {}


_answer = msgspec.json.Decoder(_Answer).decode
_rows = msgspec.json.Decoder(list[_Row]).decode
_cursor = msgspec.json.Decoder(int, strict=False).decode


def refill(rest_url: str, gap: Gap) -> Refilling:
    """Ask for the trades of ``gap`` from its beginning on, until its last id has come."""
    reason = unaskable(gap)
    if reason or gap.first_id is None:
        return Refilled(reason, final=True)
    holes = Holes(gap.first_id, gap.last_id)
    since, attempts = gap.first_us * 1000 - _EARLIER_NS, 0
    try:
        while True:
            query = urlencode({"pair": kraken_name(gap.symbol), "since": since, "count": PAGE})
            weight = REQUESTS[0] if attempts else 1
            response = yield Request(f"{rest_url}/0/public/Trades?{query}", weight=weight)
            answer = _answer(response.body)
            if answer.error:
                attempts += 1
                if attempts < _ATTEMPTS and _may_pass(answer.error):
                    continue
                return Refilled(f"Kraken said no: {', '.join(answer.error)[:200]}")
            attempts = 0
            ids, cursor = _read(answer)
            holes.fill(ids)
            done = len(ids) < PAGE if gap.last_id is None else max(ids, default=-1) >= gap.last_id
            if done or cursor <= since:
                return Refilled(holes.told())
            since = cursor
    except Refused as no:
        return Refilled(
            f"Kraken said no: HTTP {no.status} {no.body[:200].decode(errors='replace')}".strip(), final=True
        )
    except UNREADABLE as error:
        return Refilled(f"Kraken's answer is unreadable: {error}", final=True)


def _read(answer: _Answer) -> tuple[list[int], int]:
    """The ids of an answer, and from where to go on; -1 if it does not say."""
    ids = [row.trade_id for pair, rows in answer.result.items() if pair != "last" for row in _rows(rows)]
    last = answer.result.get("last")
    return ids, -1 if last is None else _cursor(last)


def _may_pass(errors: list[str]) -> bool:
    return any(word in error.lower() for error in errors for word in _LATER)
