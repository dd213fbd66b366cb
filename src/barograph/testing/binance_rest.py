"""Binance's REST, as far as a recorder asks it: trades by number, the list of symbols, weights.

Source: ``rest-api.md`` and ``errors.md`` of Binance's spot API documents; "Old Trades Lookup"
and "Exchange Information" of its USD-M futures documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.testing.market import Trade
from barograph.testing.venue import Answer, Asked

_MINUTE_NS = 60 * NS_PER_S
_BANNED_AFTER = 10
"""Requests in spite of a 429 after which the address is banned."""
_BAN_S = 120


class _Refused(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Rest:
    """Answers requests and counts their weights, minute by minute.

    Args:
        clock: whose minutes.
        symbols: the venue's names and the market's.
        usdm: be the futures' REST, under ``/fapi/v1``.
        weights: how much weight is allowed in a minute.
    """

    def __init__(self, clock: Clock, symbols: Mapping[str, str], usdm: bool, weights: int) -> None:
        self.symbols = symbols
        self.usdm = usdm
        self.weights = weights
        self._clock = clock
        self._minute = 0
        self._used = 0
        self._defied = 0
        self._banned_until_ns = 0
        self._most, self._default = (500, 100) if usdm else (1_000, 500)

    def answer(self, request: Asked) -> Answer:
        """The answer, with the weight used so far in its headers."""
        prefix, _, name = request.path.rpartition("/")
        weight, made = self._endpoint(name) if prefix == self._prefix else (0, None)
        if made is None:
            return Answer(404, b"<html>404 Not found</html>", content_type="text/html")
        over = self._weigh(weight)
        if over is not None:
            return over
        try:
            body, status = made(request), 200
        except _Refused as refused:
            body, status = {"code": refused.code, "msg": refused.message}, refused.status
        return Answer(status, msgspec.json.encode(body), self._used_headers())

    @property
    def _prefix(self) -> str:
        return "/fapi/v1" if self.usdm else "/api/v3"

    def _endpoint(self, name: str) -> tuple[int, Any]:
        endpoints = {
            "ping": (1, lambda _: {}),
            "time": (1, lambda _: {"serverTime": self._now_ms()}),
            "exchangeInfo": (1 if self.usdm else 20, self._exchange_info),
            "trades": (5 if self.usdm else 25, self._recent),
            "historicalTrades": (20 if self.usdm else 25, self._historical),
        }
        return endpoints.get(name, (0, None))

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _used_headers(self) -> dict[str, str]:
        return {"X-MBX-USED-WEIGHT-1M": str(self._used)} | (
            {} if self.usdm else {"X-MBX-USED-WEIGHT": str(self._used)}
        )

    def _weigh(self, weight: int) -> Answer | None:
        """Count a request; an answer if it is one too many."""
        now_ns = self._clock.now_ns()
        if now_ns < self._banned_until_ns:
            return self._banned((self._banned_until_ns - now_ns) / NS_PER_S)
        if now_ns // _MINUTE_NS != self._minute:
            self._minute, self._used, self._defied = now_ns // _MINUTE_NS, 0, 0
        self._used += weight
        if self._used <= self.weights:
            return None
        self._defied += 1
        if self._defied > _BANNED_AFTER:
            self._banned_until_ns = now_ns + _BAN_S * NS_PER_S
            return self._banned(_BAN_S)
        return self.limited((_MINUTE_NS - now_ns % _MINUTE_NS) / NS_PER_S)

    def limited(self, retry_after_s: float) -> Answer:
        """429: too much weight."""
        message = (
            f"Too much request weight used; current limit is {self.weights} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        headers = self._used_headers() | {"Retry-After": f"{max(retry_after_s, 0.001):.3g}"}
        return Answer(429, msgspec.json.encode({"code": -1003, "msg": message}), headers)

    def _banned(self, seconds: float) -> Answer:
        until_ms = self._now_ms() + int(seconds * 1_000)
        message = (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        headers = {"Retry-After": str(max(1, round(seconds)))}
        return Answer(418, msgspec.json.encode({"code": -1003, "msg": message}), headers)

    def _exchange_info(self, request: Asked) -> Any:
        names = list(self.symbols)
        if "symbol" in request.query and not self.usdm:
            self._symbol(request)
            names = [request.query["symbol"]]
        minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "rateLimits": [minute | {"limit": self.weights}],
            "exchangeFilters": [],
            "symbols": [self._described(name) for name in names],
        }

    def _described(self, name: str) -> dict[str, Any]:
        base, _, rest = self.symbols[name].partition("-")
        quote, _, expiry = rest.partition("-")
        told = {"symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": quote}
        if not self.usdm:
            return told | {"isSpotTradingAllowed": True, "permissions": [], "permissionSets": [["SPOT"]]}
        kind = "PERPETUAL" if expiry == "PERP" else "CURRENT_QUARTER"
        return told | {"pair": base + quote, "contractType": kind, "marginAsset": quote}

    def _recent(self, request: Asked) -> Any:
        symbol = self._symbol(request)
        return [self._row(trade) for trade in request.past.newest(symbol, self._limit(request, 1_000))]

    def _historical(self, request: Asked) -> Any:
        if self.usdm and "x-mbx-apikey" not in request.headers:
            raise _Refused(401, -2014, "API-key format invalid.")
        symbol, limit = self._symbol(request), self._limit(request, self._most)
        if "fromId" not in request.query:
            return [self._row(trade) for trade in request.past.newest(symbol, limit)]
        number = _integer(request, "fromId", 0)
        return [self._row(trade) for trade in request.past.from_number(symbol, number, limit)]

    def _symbol(self, request: Asked) -> str:
        name = request.query.get("symbol", "")
        if not name:
            message = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            raise _Refused(400, -1102, message)
        if name not in self.symbols:
            raise _Refused(400, -1121, "Invalid symbol.")
        return self.symbols[name]

    def _limit(self, request: Asked, most: int) -> int:
        limit = _integer(request, "limit", self._default)
        if not 1 <= limit <= most:
            raise _Refused(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return limit

    def _row(self, trade: Trade) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": trade.number,
            "price": trade.price,
            "qty": trade.size,
            "quoteQty": f"{Decimal(trade.price) * Decimal(trade.size):f}",
            "time": trade.ts_us // 1_000,
            "isBuyerMaker": trade.side < 0,
        }
        return row if self.usdm else row | {"isBestMatch": True}


def _integer(request: Asked, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError as error:
        message = f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        raise _Refused(400, -1100, message) from error
