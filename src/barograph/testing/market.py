"""A market that trades now: events by hand or by itself, numbered without holes, and remembered.

The events are no venue's: each server writes them in its venue's wire format. Prices and
sizes are decimal texts, so that what goes out over a wire is exactly what was made.

>>> from barograph.clock import ManualClock
>>> market = LiveMarket(["BTC-USDT"], clock=ManualClock(1_723_075_200_000_000_000))
>>> market.trade("BTC-USDT", price="61800.10", size="0.5", side=-1).number
1
>>> [made.number for made in market.make(trades=2)]
[2, 3]
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from barograph.clock import NS_PER_S, NS_PER_US, Clock, SystemClock
from barograph.errors import UsageError
from barograph.gaps import Channel
from barograph.testing.history import History
from barograph.testing.walk import Walk, walk_of

KEPT = 1_000_000
"""Trades, and quotes, that are remembered of each symbol."""
TICK_S = 0.005
"""How often a market that runs by itself makes events."""


class Trade(NamedTuple):
    """A trade. ``side`` is the aggressor's, +1 or -1; ``number`` counts the symbol's trades."""

    symbol: str
    number: int
    ts_us: int
    price: str
    size: str
    side: int


class Quote(NamedTuple):
    """A change of the best bid or ask. ``number`` counts the symbol's quotes."""

    symbol: str
    number: int
    ts_us: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str


Event = Trade | Quote
Listener = Callable[[Sequence[Event]], None]

CHANNELS: dict[type, Channel] = {Trade: Channel.TRADES, Quote: Channel.QUOTES}
"""The channel of each kind of event."""


class LiveMarket:
    """Symbols that trade when told to, at the times of a clock.

    It may be used from any thread. Every batch of events is handed to the listeners (the
    servers), in the thread that made it, in the order in which batches were made.

    Args:
        symbols: canonical names, ``BTC-USDT``, ``AAPL``, ``NSE:INFY``.
        seed: what it does by itself comes from it.
        clock: where event times come from.
        first: the number of each symbol's first trade and first quote.
        keep: how many trades, and quotes, are remembered of each symbol.

    Raises:
        UsageError: no symbols, or one twice.
    """

    channels: ClassVar[dict[type, Channel]] = CHANNELS

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int = 1,
        clock: Clock | None = None,
        *,
        first: int = 1,
        keep: int = KEPT,
    ) -> None:
        if not symbols or len(set(symbols)) < len(symbols):
            raise UsageError(f"a market needs symbols, each once; these are {', '.join(symbols) or 'none'}")
        self.symbols = tuple(symbols)
        self.clock = clock or SystemClock()
        self.trades = {symbol: History[Trade](first, keep) for symbol in symbols}
        self.quotes = {symbol: History[Quote](first, keep) for symbol in symbols}
        self._walks = {symbol: walk_of(symbol) for symbol in symbols}
        self._rng = np.random.default_rng(seed)
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        self._made_us = 0

    def listen(self, listener: Listener) -> None:
        """Hand every batch of events to ``listener`` from now on."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Hand it nothing more."""
        self._listeners.remove(listener)

    def trade(
        self,
        symbol: str,
        *,
        price: object = None,
        size: object = None,
        side: int = 1,
        ts_us: int | None = None,
    ) -> Trade:
        """One trade, now unless told otherwise; what is not given comes from the symbol's walk.

        Raises:
            UsageError: the market does not have the symbol.
        """
        with self._lock:
            walk = self._walk(symbol)
            at_us = self._now_us() if ts_us is None else ts_us
            if price is not None:
                walk.move_to(str(price))
            made = Trade(
                symbol,
                self.trades[symbol].next_number,
                at_us,
                walk.price() if price is None else str(price),
                walk.size(1) if size is None else str(size),
                side,
            )
            self._publish([made])
            return made

    def quote(
        self,
        symbol: str,
        *,
        bid: object = None,
        bid_size: object = None,
        ask: object = None,
        ask_size: object = None,
        ts_us: int | None = None,
    ) -> Quote:
        """One change of the best bid and ask, as :meth:`trade`."""
        with self._lock:
            walk = self._walk(symbol)
            at_us = self._now_us() if ts_us is None else ts_us
            made = Quote(
                symbol,
                self.quotes[symbol].next_number,
                at_us,
                walk.price(-1) if bid is None else str(bid),
                walk.size(1) if bid_size is None else str(bid_size),
                walk.price(1) if ask is None else str(ask),
                walk.size(1) if ask_size is None else str(ask_size),
            )
            self._publish([made])
            return made

    def make(self, trades: int = 0, quotes: int = 0) -> list[Event]:
        """So many events of all symbols by the seeded walks, in one batch, in the order of time.

        Their times lie between the last batch and now.
        """
        with self._lock:
            made = self._walked(trades, quotes)
            self._publish(made)
            return made

    async def run(self, trades_per_s: float, quotes_per_s: float = 0.0, seconds: float | None = None) -> None:
        """Trade by itself for ``seconds``, or until cancelled.

        The rates hold on average: a tick that comes late makes what was due.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        trades = quotes = 0
        over = False
        while not over:
            await asyncio.sleep(TICK_S)
            elapsed = loop.time() - begun
            if seconds is not None and elapsed >= seconds:
                elapsed, over = seconds, True
            due_trades = int(elapsed * trades_per_s) - trades
            due_quotes = int(elapsed * quotes_per_s) - quotes
            if due_trades or due_quotes:
                self.make(due_trades, due_quotes)
            trades, quotes = trades + due_trades, quotes + due_quotes

    def restore(self, events: Sequence[Event]) -> None:
        """Remember ``events`` of an earlier life, oldest first, and number on from there; nobody is told."""
        with self._lock:
            for event in events:
                self._walk(event.symbol)
                if isinstance(event, Trade):
                    self.trades[event.symbol].restore(event)
                    self._walks[event.symbol].move_to(event.price)
                else:
                    self.quotes[event.symbol].restore(event)
                self._made_us = max(self._made_us, event.ts_us)

    def _walk(self, symbol: str) -> Walk:
        if symbol not in self._walks:
            raise UsageError(f"{symbol!r} is not in this market; there are: {', '.join(self.symbols)}")
        return self._walks[symbol]

    def _now_us(self) -> int:
        return self.clock.now_ns() // NS_PER_US

    def _walked(self, trades: int, quotes: int) -> list[Event]:
        n = trades + quotes
        now_us = self._now_us()
        since_us = min(max(self._made_us, now_us - NS_PER_S // NS_PER_US), now_us)
        times = (since_us + (now_us - since_us) * np.arange(1, n + 1) // max(n, 1)).tolist()
        kinds = self._rng.permutation(n) < trades
        draws = self._rng.integers(0, 1 << 30, n).tolist()
        numbers: dict[tuple[bool, str], int] = {}
        made: list[Event] = []
        for is_trade, ts_us, draw in zip(kinds.tolist(), times, draws, strict=True):
            symbol = self.symbols[draw % len(self.symbols)]
            key = (is_trade, symbol)
            number = numbers.get(key)
            if number is None:
                number = (self.trades if is_trade else self.quotes)[symbol].next_number
            numbers[key] = number + 1
            walk = self._walks[symbol]
            walk.step((draw >> 8) % 3 - 1)
            size = walk.size(1 + (draw >> 10) % 500)
            if is_trade:
                side = 1 if draw & 1 << 20 else -1
                made.append(Trade(symbol, number, ts_us, walk.price(side), size, side))
            else:
                other = walk.size(1 + (draw >> 19) % 500)
                made.append(Quote(symbol, number, ts_us, walk.price(-1), size, walk.price(1), other))
        return made

    def _publish(self, made: Sequence[Event]) -> None:
        for event in made:
            if type(event) is Trade:
                self.trades[event.symbol].add(event)
            else:
                self.quotes[event.symbol].add(event)  # type: ignore[arg-type]
        if made:
            self._made_us = made[-1].ts_us
            for listener in tuple(self._listeners):
                listener(made)
