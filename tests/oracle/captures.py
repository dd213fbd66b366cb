"""Raw recordings as plain tables of trades and quotes, by ``json`` and pandas alone.

Half of the oracle: it shares no code with Barograph (and must import none of it). It was
written from the documents (``docs/feeds.md``, ``docs/tables.md``), so that a slip in a
decoder and the same slip here would have to be made twice.

``ticks`` and ``quotes`` have one row a trade or quote, in the order of the recording, after
duplicates have been dropped. ``order`` is the place in that order; ``ts`` and ``recv_ts`` are
microseconds since 1970; ids that the venue does not give are -1, sizes that it does not give NaN.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

TICK_TYPES = {
    "order": "int64", "ts": "int64", "recv_ts": "int64", "venue": "object", "symbol": "object",
    "price": "float64", "size": "float64", "side": "int8", "trade_id": "int64", "seq": "int64",
}  # fmt: skip
QUOTE_TYPES = {
    "order": "int64", "ts": "int64", "recv_ts": "int64", "ts_estimated": "bool",
    "venue": "object", "symbol": "object", "bid_price": "float64", "bid_size": "float64",
    "ask_price": "float64", "ask_size": "float64", "seq": "int64",
}  # fmt: skip

LEAK = 10_000
"""An offset's sample loses a nanosecond of worth every 10,000 ns (100 parts a million)."""

BINANCE_MONEY = ("USDT", "BTC", "ETH", "EUR")
"""The quote currencies in the recordings, longest first: Binance writes pairs without a hyphen."""


class Frame(NamedTuple):
    """One frame: which connection brought it, when, and what it says."""

    connection: int
    recv_ns: int
    text: str


class Capture(NamedTuple):
    """What a recording holds."""

    ticks: pd.DataFrame
    quotes: pd.DataFrame


def lines(path: Path) -> Iterator[str]:
    """The lines of a recording, compressed or not, without their ends; blank ones left out."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from filter(None, (line.rstrip("\n") for line in file))


def frames(path: Path) -> Iterator[Frame]:
    """The frames of a recording in either format: ``<ns> <frame>`` or ``<seconds>: <frame>``.

    The second has lines ``url <-> seconds`` where a connection was opened and
    ``url <- seconds: text`` for what was sent.
    """
    connection = 0
    for line in lines(path):
        if line.startswith("wss://"):
            connection += " <-> " in line
            continue
        head, _, text = line.partition(" ")
        scale = 1_000_000_000 if head.endswith(":") else 1
        yield Frame(connection, int(Decimal(head.rstrip(":")) * scale), text)


@dataclass
class Offset:
    """A connection's clock offset: the largest `venue minus receipt` so far, slowly forgotten.

    With s and r a sample and its receipt (ns), the estimate at receipt x is the maximum over all
    samples so far of s - (x - r) / 10,000; 0 while there is none.
    """

    best: int | None = None

    def learn(self, venue_ns: int, recv_ns: int) -> None:
        sample = (venue_ns - recv_ns) * LEAK + recv_ns
        self.best = sample if self.best is None else max(self.best, sample)

    def at(self, recv_ns: int) -> int:
        return 0 if self.best is None else (self.best - recv_ns) // LEAK


@dataclass
class Rows:
    """What a reader of one venue collects."""

    venue: str
    ticks: list[dict[str, Any]] = field(default_factory=list)
    quotes: list[dict[str, Any]] = field(default_factory=list)
    offsets: dict[int, Offset] = field(default_factory=dict)

    def offset(self, frame: Frame) -> Offset:
        return self.offsets.setdefault(frame.connection, Offset())

    def _shared(self, frame: Frame) -> dict[str, Any]:
        order = len(self.ticks) + len(self.quotes)
        return {"order": order, "recv_ts": frame.recv_ns // 1000, "venue": self.venue}

    def tick(self, frame: Frame, **row: Any) -> None:
        self.ticks.append({"trade_id": -1, "seq": -1} | row | self._shared(frame))

    def quote(self, frame: Frame, ts: int | None, **row: Any) -> None:
        estimated = ts is None
        if ts is None:
            ts = (frame.recv_ns + self.offset(frame).at(frame.recv_ns)) // 1000
        times = {"ts": ts, "ts_estimated": estimated}
        self.quotes.append({"seq": -1} | row | times | self._shared(frame))


def binance_symbol(name: str, perpetual: bool) -> str:
    """``BTCUSDT`` as ``BTC-USDT``, a perpetual future as ``BTC-USDT-PERP``."""
    money = next(money for money in BINANCE_MONEY if name.endswith(money))
    return name.removesuffix(money) + "-" + money + "-PERP" * perpetual


def binance(rows: Rows, frame: Frame) -> None:
    """Spot and USD-M futures; a future's trade carries ``X``, its bookTicker ``e`` and times.

    Trades are what a connection's offset is learned from; their numbers run without holes and
    so are their sequence, too.
    """
    try:
        message = json.loads(frame.text)
    except ValueError:
        return
    if not isinstance(message, dict):
        return
    message = message.get("data", message)
    if message.get("e") == "trade":
        rows.offset(frame).learn(message["E"] * 1_000_000, frame.recv_ns)
        rows.tick(
            frame,
            ts=message["T"] * 1000,
            symbol=binance_symbol(message["s"], "X" in message),
            price=float(message["p"]),
            size=float(message["q"]),
            side=-1 if message["m"] else 1,
            trade_id=message["t"],
            seq=message["t"],
        )
    elif message.get("e", "bookTicker") == "bookTicker" and "B" in message:
        future = "T" in message
        rows.quote(
            frame,
            ts=message["T"] * 1000 if future else None,
            symbol=binance_symbol(message["s"], future),
            bid_price=float(message["b"]),
            bid_size=float(message["B"]),
            ask_price=float(message["a"]),
            ask_size=float(message["A"]),
            seq=message["u"],
        )


def _iso_us(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def coinbase(rows: Rows, frame: Frame) -> None:
    """``match`` names the maker's side; ``last_match`` repeats a trade from before the subscription."""
    message = json.loads(frame.text)
    if message["type"] == "match":
        rows.tick(
            frame,
            ts=_iso_us(message["time"]),
            symbol=message["product_id"],
            price=float(message["price"]),
            size=float(message["size"]),
            side={"sell": 1, "buy": -1}[message["side"]],
            trade_id=message["trade_id"],
            seq=message["sequence"],
        )
    elif message["type"] == "ticker":
        rows.quote(
            frame,
            ts=_iso_us(message["time"]),
            symbol=message["product_id"],
            bid_price=float(message["best_bid"]),
            bid_size=float(message.get("best_bid_size", "nan")),
            ask_price=float(message["best_ask"]),
            ask_size=float(message.get("best_ask_size", "nan")),
            seq=message["sequence"],
        )


def kraken(rows: Rows, frame: Frame) -> None:
    """Version 1: arrays ``[channel id, body, channel, pair]``; its tickers carry no time."""
    message = json.loads(frame.text)
    if not isinstance(message, list):
        return
    _, body, channel, pair = message
    symbol = pair.replace("XBT", "BTC").replace("/", "-")
    if channel == "ticker":
        rows.quote(
            frame,
            ts=None,
            symbol=symbol,
            bid_price=float(body["b"][0]),
            bid_size=float(body["b"][2]),
            ask_price=float(body["a"][0]),
            ask_size=float(body["a"][2]),
        )
        return
    for price, size, seconds, side, *_ in body:
        ts = int(Decimal(seconds) * 1_000_000)
        rows.offset(frame).learn(ts * 1000, frame.recv_ns)
        sign = {"b": 1, "s": -1}[side]
        rows.tick(frame, ts=ts, symbol=symbol, price=float(price), size=float(size), side=sign)


def polygon_stocks(rows: Rows, frame: Frame) -> None:
    """Arrays of events, trades without a side, quoted sizes in hundreds. Here ``i`` alone names a trade."""
    for event in json.loads(frame.text):
        ts, symbol = event["t"] * 1000, event["sym"]
        if event["ev"] == "T":
            ids = {"trade_id": int(event["i"]), "seq": event["q"]}
            rows.tick(frame, ts=ts, symbol=symbol, price=event["p"], size=float(event["s"]), side=0, **ids)
        else:
            rows.quote(
                frame,
                ts=ts,
                symbol=symbol,
                bid_price=event["bp"],
                bid_size=event["bs"] * 100.0,
                ask_price=event["ap"],
                ask_size=event["as"] * 100.0,
                seq=event["q"],
            )


READERS: dict[str, Callable[[Rows, Frame], None]] = {
    "binance": binance,
    "coinbase": coinbase,
    "kraken": kraken,
    "polygon-stocks": polygon_stocks,
}


def without_repeats(table: pd.DataFrame, identity: str) -> pd.DataFrame:
    """The first of each ``identity`` per venue and symbol; rows without one are all kept."""
    repeats = table.duplicated(["venue", "symbol", identity]) & (table[identity] >= 0)
    return table[~repeats].reset_index(drop=True)


def read(path: Path, venue: str) -> Capture:
    """The trades and quotes of one recording."""
    rows = Rows(venue)
    for frame in frames(path):
        READERS[venue](rows, frame)
    ticks = pd.DataFrame(rows.ticks, columns=list(TICK_TYPES)).astype(TICK_TYPES)
    quotes = pd.DataFrame(rows.quotes, columns=list(QUOTE_TYPES)).astype(QUOTE_TYPES)
    return Capture(without_repeats(ticks, "trade_id"), without_repeats(quotes, "seq"))
