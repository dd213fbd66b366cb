"""Coinbase Exchange's REST: trades page by page, newest first.

Source: docs.cdp.coinbase.com/exchange, "Get product trades", "Pagination", "Requests".
"""

from __future__ import annotations

from typing import Any

import msgspec

from barograph.clock import NS_PER_S, NS_PER_US
from barograph.testing.market import LiveMarket, Trade
from barograph.testing.stamps import rfc3339
from barograph.testing.venue import Answer, Asked

MOST = 1_000


def answer(request: Asked, market: LiveMarket) -> Answer:
    """The answer to any request."""
    if not request.headers.get("user-agent"):
        return _told(400, "User-Agent header is required.")
    words = request.path.strip("/").split("/")
    if words == ["time"]:
        now_us = market.clock.now_ns() // NS_PER_US
        return _made({"iso": rfc3339(now_us), "epoch": market.clock.now_ns() / NS_PER_S})
    if words == ["products"]:
        return _made([_product(symbol) for symbol in market.symbols])
    if words[0] != "products" or len(words) > 3 or words[1] not in market.symbols:
        return _told(404, "NotFound")
    if len(words) == 2:
        return _made(_product(words[1]))
    return _trades(request, words[1]) if words[2] == "trades" else _told(404, "NotFound")


def limited(retry_after_s: float) -> Answer:
    """Too many requests."""
    body = msgspec.json.encode({"message": "Public rate limit exceeded"})
    return Answer(429, body, {"Retry-After": f"{retry_after_s:g}"})


def _trades(request: Asked, symbol: str) -> Answer:
    """``after`` means older than that trade id, ``before`` newer; the newest of them come."""
    try:
        limit = int(request.query.get("limit", MOST))
        after = int(request.query["after"]) if "after" in request.query else None
        before = int(request.query.get("before", 0))
    except ValueError:
        return _told(400, "Invalid pagination parameter")
    if not 1 <= limit <= MOST:
        return _told(400, f"limit must be between 1 and {MOST}")
    past = request.past
    found = past.newest(symbol, limit) if after is None else past.before_number(symbol, after, limit)
    rows = [_row(trade) for trade in reversed(found) if trade.number > before]
    cursors = {"CB-BEFORE": str(rows[0]["trade_id"]), "CB-AFTER": str(rows[-1]["trade_id"])} if rows else {}
    return _made(rows, cursors)


def _row(trade: Trade) -> dict[str, Any]:
    side = "sell" if trade.side > 0 else "buy"  # the maker's
    row: dict[str, Any] = {"trade_id": trade.number, "side": side, "size": trade.size, "price": trade.price}
    return row | {"time": rfc3339(trade.ts_us)}


def _product(symbol: str) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")
    return {
        "id": symbol,
        "base_currency": base,
        "quote_currency": quote,
        "display_name": f"{base}-{quote}",
        "status": "online",
        "trading_disabled": False,
    }


def _made(body: Any, headers: dict[str, str] | None = None) -> Answer:
    return Answer(200, msgspec.json.encode(body), headers or {})


def _told(status: int, message: str) -> Answer:
    return Answer(status, msgspec.json.encode({"message": message}))
