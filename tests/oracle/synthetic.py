"""Recordings made up so that every column and every trap has its turn.

:func:`write` makes one in Binance's spot format: five hours, three symbols, seeded. Minutes are
busy, nearly still, quoted but not traded, or silent. Trades come late (some by more than an
hour), twice, out of order, at the very edges of minutes and of the allowed lateness; some rows
are not usable, some frames are not readable. ``DAI-USDT`` never moves; ``ETH-USDT`` is quoted
for half an hour before its first trade.

:func:`write_stocks` makes one in Massive's stock format, which tells no sides: an hour of trades
above, below and at the midpoint, many in the millisecond of a quote, some before any quote.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

START_MS = 1_723_161_600_000
CLOCK_BEHIND_NS = 1_200_000_000
MINUTES = 300
QUIET_START_MINUTES = 30

EDGES_MS = (0, 1_999, 2_000, 59_999)
UNREADABLE = ("{", "[1, 2", "not json at all", '"text"', "17", '{"stream": "x@trade"', "\x00\x01\x02")
UNUSED = (
    {"e": "serverShutdown"},
    {"result": None, "id": 1},
    {"lastUpdateId": 1, "bids": [["1.0", "1.0"]], "asks": []},
)


@dataclass
class Market:
    """One symbol on its way through the night."""

    name: str
    price: float
    step: float
    trade_id: int = 1_000
    update_id: int = 50_000
    frames: list[tuple[int, str]] = field(default_factory=list)

    def say(self, at_ms: float, random: Random, message: dict[str, Any], delay_ms: float = 0) -> None:
        """Send a message at venue time ``at_ms``; a few come twice, later."""
        stream = f"{self.name.lower()}@{message.get('e', 'bookTicker')}"
        text = json.dumps({"stream": stream, "data": message}, separators=(",", ":"))
        travel_ns = int(random.lognormvariate(2.5, 0.7) * 1_000_000)
        recv_ns = int((at_ms + delay_ms) * 1_000_000) - CLOCK_BEHIND_NS + travel_ns
        self.frames.append((recv_ns, text))
        if random.random() < 0.02:
            self.frames.append((recv_ns + int(random.expovariate(1 / 20) * 1e9), text))

    def trade(self, at_ms: int, random: Random) -> None:
        """A trade; one in 50 is late, one in 1,000 by more than an hour, one in 300 unusable."""
        self.price = round(max(self.price + random.choice((-1, 0, 0, 1)) * self.step, self.step), 2)
        price, size = self.price, round(random.lognormvariate(-2, 1.5), 5) + 0.00001 if self.step else 0.25
        if random.random() < 1 / 300:
            price, size = random.choice(((0.0, size), (-price, size), (price, 0.0), (price, -size)))
        message = {
            "e": "trade", "E": at_ms + random.randrange(3), "s": self.name, "t": self.trade_id,
            "p": f"{price:.8f}", "q": f"{size:.8f}", "T": at_ms, "m": random.random() < 0.5, "M": True,
        }  # fmt: skip
        self.trade_id += 1
        chance = random.random()
        late_s = random.uniform(3600, 7200) if chance < 0.001 else random.expovariate(1 / 90)
        self.say(at_ms, random, message, delay_ms=late_s * 1000 if chance < 0.02 else 0)

    def quote(self, at_ms: float, random: Random) -> None:
        """A best bid and ask, one in two hundred crossed or without a price."""
        half = max(self.step, 0.01) * random.choice((0.5, 0.5, 1, 2))
        bid, ask = self.price - half, self.price + half
        if random.random() < 1 / 200:
            bid, ask = random.choice(((ask, bid), (0.0, ask)))
        self.update_id += random.randrange(1, 5)
        message = {
            "u": self.update_id, "s": self.name, "b": f"{bid:.8f}", "B": f"{random.uniform(0.1, 9):.8f}",
            "a": f"{ask:.8f}", "A": f"{random.uniform(0.1, 9):.8f}",
        }  # fmt: skip
        self.say(at_ms, random, message)

    def minute(self, start_ms: int, random: Random, *, may_trade: bool) -> None:
        """One minute of this market's life."""
        trades, quotes = random.choices(
            ((random.randrange(5, 50), 30), (1, 0), (1, 2), (0, 3), (0, 0)), weights=(55, 5, 10, 15, 15)
        )[0]
        moments = [random.choice((random.randrange(60_000), random.choice(EDGES_MS))) for _ in range(trades)]
        for moment in sorted(moments) if may_trade else ():
            self.trade(start_ms + moment, random)
        for _ in range(quotes):
            self.quote(start_ms + random.uniform(0, 60_000), random)


def write(path: Path, seed: int = 20_240_808, minutes: int = MINUTES) -> Path:
    """Write the recording as lines ``<receipt ns> <frame>``, in order of receipt."""
    random = Random(seed)
    markets = [
        Market("BTCUSDT", 61_800.0, 0.5),
        Market("ETHUSDT", 2_680.0, 0.05),
        Market("DAIUSDT", 1.0, 0.0),
    ]
    for minute in range(minutes):
        for market in markets:
            may_trade = market.name != "ETHUSDT" or minute >= QUIET_START_MINUTES
            market.minute(START_MS + minute * 60_000, random, may_trade=may_trade)
    frames = [frame for market in markets for frame in market.frames]
    span_ns = minutes * 60_000_000_000
    noise = [*UNREADABLE, *(json.dumps(message) for message in UNUSED)]
    frames += [(START_MS * 1_000_000 + random.randrange(span_ns), text) for text in noise]
    path.write_text("".join(f"{recv_ns} {text}\n" for recv_ns, text in sorted(frames)))
    return path


def write_stocks(path: Path, seed: int = 7, minutes: int = 60) -> Path:
    """Write frames of one event each, in Massive's stock format; one in twenty comes a second late."""
    random = Random(seed)
    frames = []
    cents = {"AAPL": 21_000, "MSFT": 40_100}
    for q in range(minutes * 100):
        at_ms = START_MS + q * 600 + random.choice((0, 0, random.randrange(600)))
        symbol = random.choice(list(cents))
        cents[symbol] += random.choice((-1, 0, 0, 1))
        if q < 60 or random.random() < 0.6:
            trade = {"ev": "T", "x": 4, "z": 3, "i": str(q), "p": 0.0, "s": random.randrange(1, 500)}
            event = trade | {"p": (cents[symbol] + random.choice((-1, 0, 0, 1))) / 100}
        else:
            half = random.choice((1, 1, 2))
            bid, ask = (cents[symbol] - half) / 100, (cents[symbol] + half) / 100
            event = {"ev": "Q", "bx": 4, "bp": bid, "bs": 3, "ax": 7, "ap": ask, "as": 2, "c": 0, "z": 3}
        event |= {"sym": symbol, "t": at_ms - at_ms % 1_800, "q": q}
        delay_ms = 1_000 if random.random() < 0.05 else 20
        frames.append(((at_ms + delay_ms) * 1_000_000, json.dumps([event])))
    path.write_text("".join(f"{recv_ns} {text}\n" for recv_ns, text in sorted(frames)))
    return path
