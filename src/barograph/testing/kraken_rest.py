"""Kraken's REST: recent trades by time, and the list of pairs. Errors come with status 200.

Source: docs.kraken.com, "Get Recent Trades", "Get Tradable Asset Pairs", "REST Errors".
"""

from __future__ import annotations

from typing import Any

import msgspec

from barograph.clock import NS_PER_S, NS_PER_US
from barograph.testing.market import LiveMarket, Trade
from barograph.testing.stamps import rfc3339
from barograph.testing.venue import Answer, Asked

MOST = 1_000
_CLASSIC = {"BTC": "XBT", "DOGE": "XDG"}
_X = ("XBT", "ETH", "ETC", "LTC", "XRP", "XLM", "XMR", "ZEC", "REP", "MLN")
_Z = ("USD", "EUR", "GBP", "CAD", "JPY", "AUD")
"""Assets whose full names have a letter before them."""


class Rest:
    """Answers requests about the trades of a market."""

    def __init__(self, market: LiveMarket) -> None:
        self._market = market
        self._pairs = {
            name: symbol for symbol in market.symbols for name in (full_name(symbol), *_names(symbol))
        }

    def answer(self, request: Asked) -> Answer:
        """The answer to any request."""
        name = request.path.removeprefix("/0/public/")
        if name == "Trades":
            return self._trades(request)
        if name == "AssetPairs":
            return _made({full_name(symbol): _described(symbol) for symbol in self._market.symbols})
        now_ns = self._market.clock.now_ns()
        if name == "Time":
            return _made({"unixtime": now_ns // NS_PER_S, "rfc1123": ""})
        if name == "SystemStatus":
            return _made({"status": "online", "timestamp": rfc3339(now_ns // NS_PER_US)})
        return self.error("EGeneral:Unknown method")

    def error(self, message: str) -> Answer:
        """An error, the way Kraken tells it."""
        return Answer(200, msgspec.json.encode({"error": [message]}))

    def _trades(self, request: Asked) -> Answer:
        symbol = self._pairs.get(request.query.get("pair", ""))
        if symbol is None:
            return self.error("EQuery:Unknown asset pair")
        try:
            count = int(request.query.get("count", MOST))
            since_ns = _since_ns(request.query["since"]) if "since" in request.query else None
        except ValueError:
            return self.error("EGeneral:Invalid arguments")
        if not 1 <= count <= MOST:
            return self.error("EGeneral:Invalid arguments:count")
        found = (
            request.past.newest(symbol, count)
            if since_ns is None
            else _later(request, symbol, since_ns, count)
        )
        last = str(moment_ns(found[-1])) if found else str(since_ns or 0)
        rows = ",".join(_row(trade) for trade in found)
        body = f'{{"error":[],"result":{{"{full_name(symbol)}":[{rows}],"last":"{last}"}}}}'
        return Answer(200, body.encode())


def moment_ns(trade: Trade) -> int:
    """A trade's moment: Kraken has nanoseconds, which keep trades of one microsecond apart."""
    return trade.ts_us * NS_PER_US + trade.number % NS_PER_US


def _later(request: Asked, symbol: str, since_ns: int, count: int) -> list[Trade]:
    """Trades after ``since_ns``, itself not included."""
    begin_us = since_ns // NS_PER_US - 1
    found = request.past.after_time(symbol, begin_us, count + NS_PER_US)
    return [trade for trade in found if moment_ns(trade) > since_ns][:count]


def _since_ns(text: str) -> int:
    """``since`` is nanoseconds; seconds, with or without decimals, are understood as well."""
    if "." in text or len(text) <= 11:
        return int(float(text) * NS_PER_S)
    return int(text)


def _row(trade: Trade) -> str:
    seconds, ns = divmod(moment_ns(trade), NS_PER_S)
    side = "b" if trade.side > 0 else "s"
    kind = "m" if trade.number % 3 else "l"
    return f'["{trade.price}","{trade.size}",{seconds}.{ns:09d},"{side}","{kind}","",{trade.number}]'


def _names(symbol: str) -> tuple[str, ...]:
    """The other names that are accepted: ``XBTUSD``, ``XBT/USD``, ``BTC/USD``, ``BTCUSD``."""
    base, quote = _classic(symbol)
    ours = symbol.replace("-", "/")
    return base + quote, f"{base}/{quote}", ours, ours.replace("/", "")


def full_name(symbol: str) -> str:
    """How results name a pair.

    >>> full_name("BTC-USD"), full_name("SOL-USD")
    ('XXBTZUSD', 'SOLUSD')
    """
    base, quote = _classic(symbol)
    if base in _X and quote in (*_X, *_Z):
        return f"X{base}{'Z' if quote in _Z else 'X'}{quote}"
    return base + quote


def _classic(symbol: str) -> tuple[str, str]:
    base, _, quote = symbol.partition("-")
    return _CLASSIC.get(base, base), _CLASSIC.get(quote, quote)


def _described(symbol: str) -> dict[str, Any]:
    base, quote = _classic(symbol)
    return {
        "altname": base + quote,
        "wsname": f"{base}/{quote}",
        "base": base,
        "quote": quote,
        "status": "online",
    }


def _made(result: Any) -> Answer:
    return Answer(200, msgspec.json.encode({"error": [], "result": result}))
