"""Binance's events as it writes them.

Source: "Trade Streams" and "Individual Symbol Book Ticker Streams" of the spot and the USD-M
futures documents; field order and decimals as in recordings of both. Spot always writes eight
decimals and gives a quote no time; futures write what they have, ``X``, and a quote's times.
"""

from __future__ import annotations

from functools import lru_cache

from barograph.testing.market import Quote, Trade

_TEXTS = 65_536


class Spot:
    """Writes one symbol's events; ``name`` is the venue's, ``BTCUSDT``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trade_head = f'{{"stream":"{name.lower()}@trade","data":'
        self.quote_head = f'{{"stream":"{name.lower()}@bookTicker","data":'

    def trade(self, trade: Trade, time: int) -> str:
        """A trade; ``time`` is in the connection's unit."""
        _, number, _, price, size, side = trade
        return (
            f'{{"e":"trade","E":{time},"s":"{self.name}","t":{number},"p":"{_eight(price)}","q":"{_eight(size)}",'
            f'"T":{time},"m":{"false" if side > 0 else "true"},"M":true}}'
        )

    def quote(self, quote: Quote, time: int) -> str:  # noqa: ARG002 - spot writes none
        """A book ticker, without a time."""
        _, number, _, bid, bid_size, ask, ask_size = quote
        return (
            f'{{"u":{number},"s":"{self.name}","b":"{_eight(bid)}","B":"{_eight(bid_size)}",'
            f'"a":"{_eight(ask)}","A":"{_eight(ask_size)}"}}'
        )


class Usdm(Spot):
    """The same for USD-M futures."""

    def trade(self, trade: Trade, time: int) -> str:
        """A trade with its kind of order."""
        _, number, _, price, size, side = trade
        return (
            f'{{"e":"trade","E":{time},"T":{time},"s":"{self.name}","t":{number},"p":"{price}","q":"{size}",'
            f'"X":"MARKET","m":{"false" if side > 0 else "true"}}}'
        )

    def quote(self, quote: Quote, time: int) -> str:
        """A book ticker with its times."""
        _, number, _, bid, bid_size, ask, ask_size = quote
        return (
            f'{{"e":"bookTicker","u":{number},"s":"{self.name}","b":"{bid}","B":"{bid_size}",'
            f'"a":"{ask}","A":"{ask_size}","T":{time},"E":{time}}}'
        )


@lru_cache(maxsize=_TEXTS)
def _eight(text: str) -> str:
    """With eight decimals."""
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<8}"
