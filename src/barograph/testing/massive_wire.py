"""Massive's events, statuses and REST answers, written from the venue's documents.

Source: massive.com/docs: WebSocket (quickstart; crypto and stocks, trades and quotes) and REST
(``/v3/trades``). The wording of refusals is what users of the service have quoted in public.
A websocket frame is a JSON array of events with times in milliseconds; REST has nanoseconds
and names in full. Prices and sizes are written digit for digit as the market made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from barograph.clock import NS_PER_US
from barograph.testing.market import Event, Quote, Trade

ROUND_LOT = 100
"""Shares in a round lot: the sizes of stock quotes count these."""
_US_PER_MS = 1_000
_CRYPTO_EXCHANGE = 1
_STOCK_EXCHANGE, _BID_EXCHANGE, _ASK_EXCHANGE = 4, 11, 12
_TAPE = 3
_HANDLED_MS = 12
"""From an exchange's event to Massive's receipt of it."""
_HANDLED_NS = 250_000
"""From an exchange's trade to the consolidated tape's record of it."""


def frame(events: Sequence[bytes]) -> bytes:
    """One websocket frame of events."""
    return b"[" + b",".join(events) + b"]"


def status(kind: str, message: str) -> bytes:
    """A status event: ``connected``, ``auth_success``, ``auth_failed``, ``success``, ``error``, ...

    >>> status("connected", "Connected Successfully")
    b'{"ev":"status","status":"connected","message":"Connected Successfully"}'
    """
    return msgspec.json.encode({"ev": "status", "status": kind, "message": message})


def sequence(event: Event) -> int:
    """A stock event's ``q``: it grows for each symbol, with holes, as the venue's does."""
    return event.number * 10 + event.number % 7


def crypto(event: Event) -> bytes:
    """``XT`` or ``XQ``. Condition 1 says that the seller was the aggressor, 2 that the buyer was."""
    ms = event.ts_us // _US_PER_MS
    if isinstance(event, Trade):
        text = (
            f'{{"ev":"XT","pair":"{event.symbol}","p":{event.price},"t":{ms},"s":{event.size},'
            f'"c":[{condition(event)}],"i":{event.number},"x":{_CRYPTO_EXCHANGE},"r":{ms + _HANDLED_MS}}}'
        )
    else:
        text = (
            f'{{"ev":"XQ","pair":"{event.symbol}","bp":{event.bid},"bs":{event.bid_size},'
            f'"ap":{event.ask},"as":{event.ask_size},"t":{ms},"x":{_CRYPTO_EXCHANGE},"r":{ms + _HANDLED_MS}}}'
        )
    return text.encode()


def stock(event: Event) -> bytes:
    """``T`` or ``Q``. Nobody says who the aggressor was; sizes of quotes are in round lots."""
    ms, q = event.ts_us // _US_PER_MS, sequence(event)
    if isinstance(event, Trade):
        whole, fraction = shares(event.size)
        text = (
            f'{{"ev":"T","sym":"{event.symbol}","x":{_STOCK_EXCHANGE},"i":"{event.number}","z":{_TAPE},'
            f'"p":{event.price},"s":{whole}{fraction},"c":[14],"t":{ms},"q":{q}}}'
        )
    else:
        text = (
            f'{{"ev":"Q","sym":"{event.symbol}","bx":{_BID_EXCHANGE},"bp":{event.bid},'
            f'"bs":{lots(event.bid_size)},"ax":{_ASK_EXCHANGE},"ap":{event.ask},"as":{lots(event.ask_size)},'
            f'"c":0,"i":[604],"t":{ms},"q":{q},"z":{_TAPE}}}'
        )
    return text.encode()


def condition(trade: Trade) -> int:
    """The condition that tells a crypto trade's side."""
    return 2 if trade.side > 0 else 1


@lru_cache(maxsize=65_536)
def shares(size: str) -> tuple[int, str]:
    """A stock trade's whole shares, and the field of the exact size where that is not whole."""
    exact = Decimal(size)
    whole = int(exact)
    return whole, "" if exact == whole else f',"ds":"{size}"'


@lru_cache(maxsize=65_536)
def lots(size: str) -> int:
    """The round lots in a stock quote's size."""
    return int(Decimal(size)) // ROUND_LOT


def in_round_lots(quote: Quote) -> Quote:
    """A stock quote as it can be written: its sizes cut to round lots, one at least."""
    bid, ask = (str(max(1, lots(size)) * ROUND_LOT) for size in (quote.bid_size, quote.ask_size))
    return quote._replace(bid_size=bid, ask_size=ask)


def rest_trade(trade: Trade, ts_us: int, *, is_crypto: bool) -> dict[str, Any]:
    """A row of ``/v3/trades``; ``ts_us`` is the time that the venue gives it."""
    ns = ts_us * NS_PER_US
    price, size = msgspec.Raw(trade.price.encode()), msgspec.Raw(trade.size.encode())
    if is_crypto:
        named = {"conditions": [condition(trade)], "exchange": _CRYPTO_EXCHANGE, "id": str(trade.number)}
        return {**named, "participant_timestamp": ns, "price": price, "size": size}
    row = {"conditions": [14], "exchange": _STOCK_EXCHANGE, "id": str(trade.number)}
    times = {"participant_timestamp": ns - _HANDLED_NS, "sip_timestamp": ns}
    exact = {} if Decimal(trade.size) == int(Decimal(trade.size)) else {"decimal_size": trade.size}
    rest = {"price": price, "sequence_number": sequence(trade), "size": shares(trade.size)[0], **exact}
    return {**row, **times, **rest, "tape": _TAPE}
