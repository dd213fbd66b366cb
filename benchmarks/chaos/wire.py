"""What stands in venues' frames and REST answers, read with json alone: none of our decoders.

Rubbish counts for nothing, piece by piece: a frame of a wrong form, a number that is a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Seen(NamedTuple):
    """A trade or a quote in a frame. ``number`` is the venue's, None where it has none."""

    channel: str
    symbol: str
    number: int | None
    values: tuple[float, ...]


def of_frame(venue: str, payload: bytes) -> list[Seen]:
    """The events of a frame."""
    try:
        found = list(_READ[venue](json.loads(payload)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return found


def of_rest(venue: str, payload: bytes) -> list[Seen]:
    """The trades of a REST answer as it stands on the tape: a line about it, then its body."""
    head, _, body = payload.partition(b"\n")
    url = str(json.loads(head)["url"])
    if "rades" not in url:
        return []
    try:
        return list(_REST[venue](url, json.loads(body)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _numbers(*texts: Any) -> tuple[float, ...]:
    return tuple(float(text) for text in texts)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(value)
    return value


def _dashed(name: str) -> str:
    return f"{name[:3]}-{name[3:]}"


def _binance(frame: Any) -> Iterator[Seen]:
    data = frame.get("data", frame)
    if data.get("e") == "trade":
        side = -1.0 if data["m"] is True else 1.0
        yield Seen("trades", _dashed(data["s"]), _whole(data["t"]), (*_numbers(data["p"], data["q"]), side))
    elif "u" in data and "e" not in data:
        quote = _numbers(data["b"], data["B"], data["a"], data["A"])
        yield Seen("quotes", _dashed(data["s"]), _whole(data["u"]), quote)


def _coinbase(frame: Any) -> Iterator[Seen]:
    if frame["type"] == "match":
        side = 1.0 if frame["side"] == "sell" else -1.0
        values = (*_numbers(frame["price"], frame["size"]), side)
        yield Seen("trades", frame["product_id"], _whole(frame["trade_id"]), values)
    elif frame["type"] == "ticker":
        sides = ("best_bid", "best_bid_size", "best_ask", "best_ask_size")
        # A ticker has the number of its trade.
        values = _numbers(*(frame[name] for name in sides))
        yield Seen("quotes", frame["product_id"], _whole(frame["trade_id"]), values)


def _kraken(frame: Any) -> Iterator[Seen]:
    for row in frame["data"] if frame.get("channel") in ("trade", "ticker") else ():
        symbol = row["symbol"].replace("/", "-")
        if frame["channel"] == "trade":
            side = 1.0 if row["side"] == "buy" else -1.0
            values = (*_numbers(row["price"], row["qty"]), side)
            yield Seen("trades", symbol, _whole(row["trade_id"]), values)
        else:
            names = ("bid", "bid_qty", "ask", "ask_qty")
            yield Seen("quotes", symbol, None, _numbers(*(row[name] for name in names)))


def _binance_rest(url: str, rows: Any) -> Iterator[Seen]:
    symbol = _dashed(url.partition("symbol=")[2].partition("&")[0])
    for row in rows:
        side = -1.0 if row["isBuyerMaker"] else 1.0
        yield Seen("trades", symbol, _whole(row["id"]), (*_numbers(row["price"], row["qty"]), side))


def _coinbase_rest(url: str, rows: Any) -> Iterator[Seen]:
    symbol = url.partition("/products/")[2].partition("/")[0]
    for row in rows:
        side = 1.0 if row["side"] == "sell" else -1.0
        values = (*_numbers(row["price"], row["size"]), side)
        yield Seen("trades", symbol, _whole(row["trade_id"]), values)


def _kraken_rest(url: str, answer: Any) -> Iterator[Seen]:
    # The answer names the pair as it likes (XETHZUSD).
    symbol = parse_qs(urlsplit(url).query)["pair"][0].replace("/", "-")
    for pair, rows in answer.get("result", {}).items():
        for row in rows if pair != "last" else ():
            side = 1.0 if row[3] == "b" else -1.0
            yield Seen("trades", symbol, _whole(row[6]), (*_numbers(row[0], row[1]), side))


_READ = {"binance": _binance, "coinbase": _coinbase, "kraken": _kraken}
_REST = {"binance": _binance_rest, "coinbase": _coinbase_rest, "kraken": _kraken_rest}
