"""What an Indian exchange shows of one instrument: the day's numbers, the book, and who is who.

Kite sends no trades. It sends this board, again and again, and a trade is to be told from
the growth of the day's volume. So every event of the market changes the board, and the board
as it stood after the event is what goes out for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from barograph.clock import DAY_US, US_PER_S
from barograph.testing.history import History
from barograph.testing.kite_wire import DEPTH, Instrument, Level, Segment, Snapshot, divisor
from barograph.testing.market import Event, Quote, Trade

INDIA_US = 19_800 * US_PER_S
"""India is five and a half hours ahead of UTC."""
_LISTED = {
    "NSE:INFY": 408065,
    "NSE:RELIANCE": 738561,
    "NSE:TATAMOTORS": 884737,
    "NSE:NIFTY 50": 256265,
    "NSE:NIFTY BANK": 260105,
    "BSE:SENSEX": 265,
}
"""True tokens of a few instruments."""
_FIRST_TOKEN = 20_000
_BEGINNING = 100
"""The price before there was any trade."""
_LEVEL_TICKS, _LEVEL_MORE = 5, 10
_MOST = 2**32 - 1


class Board:
    """One instrument's state. Its prices are integers, in the smallest unit of its segment.

    Attributes:
        snapshot: the board now.
        next_number: the first trade that it does not have yet.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.per_unit = divisor(instrument.token)
        price = _BEGINNING * self.per_unit
        self.snapshot = Snapshot(instrument.token, price, close=price)
        self.next_number = 0
        self._turnover = 0
        self._day = -1

    def catch_up(self, trades: History[Trade], before: int) -> None:
        """Take the trades numbered lower than ``before`` that were made while no server was there."""
        if self.next_number < before:
            for trade in trades.from_number(self.next_number, before):
                if trade.number < before:
                    self.take(self.shown(trade))

    def shown(self, event: Event) -> Event:
        """The event as this exchange can tell it: whole sizes, prices of whole units."""
        per_unit = self.per_unit
        if isinstance(event, Trade):
            return event._replace(price=_told(event.price, per_unit), size=whole(event.size))
        bid, ask = _told(event.bid, per_unit), _told(event.ask, per_unit)
        bid_size, ask_size = whole(event.bid_size), whole(event.ask_size)
        return event._replace(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)

    def take(self, event: Event) -> Snapshot:
        """Change by a shown event; the board after it. A trade that it has already changes nothing."""
        if isinstance(event, Trade):
            if event.number < self.next_number:
                return self.snapshot
            self.next_number = event.number + 1
        day = (event.ts_us + INDIA_US) // DAY_US
        if day != self._day:
            self._begin(day)
        self.snapshot = self._trade(event) if isinstance(event, Trade) else self._book(event)
        return self.snapshot

    def _begin(self, day: int) -> None:
        """A new day: the last price is now the close of the day before, and nothing is traded yet."""
        self._day, self._turnover = day, 0
        was = self.snapshot
        self.snapshot = Snapshot(
            was.token, was.last_price, close=was.last_price, bids=was.bids, asks=was.asks
        )

    def _trade(self, trade: Trade) -> Snapshot:
        was, price, size = self.snapshot, _units(trade.price, self.per_unit), int(trade.size)
        at_s = trade.ts_us // US_PER_S
        moved = was._replace(
            last_price=price,
            open=was.open or price,
            high=max(was.high, price),
            low=min(was.low or price, price),
            exchange_s=at_s,
        )
        if self.instrument.is_index:
            return moved
        self._turnover += price * size
        volume = was.volume + size
        average = self._turnover // volume
        return moved._replace(last_quantity=size, volume=volume, average_price=average, last_trade_s=at_s)

    def _book(self, quote: Quote) -> Snapshot:
        step = self.per_unit // 100
        bids = _levels(_units(quote.bid, self.per_unit), int(quote.bid_size), -step)
        asks = _levels(_units(quote.ask, self.per_unit), int(quote.ask_size), step)
        return self.snapshot._replace(
            bids=bids,
            asks=asks,
            buy_quantity=_waiting(bids),
            sell_quantity=_waiting(asks),
            exchange_s=quote.ts_us // US_PER_S,
        )


def _levels(price: int, size: int, step: int) -> tuple[Level, ...]:
    """The best level and four behind it, each larger than the one before."""
    return tuple(
        [
            Level(min(size + n * _LEVEL_MORE, _MOST), max(0, price + n * step * _LEVEL_TICKS), n + 1)
            for n in range(DEPTH)
        ]
    )


def _waiting(levels: Sequence[Level]) -> int:
    return min(sum([level.quantity for level in levels]), _MOST)


@lru_cache(maxsize=65_536)
def whole(size: str) -> str:
    """A size as a count, one at least, of 32 bits at most."""
    return str(max(1, min(round(Decimal(size)), _MOST)))


@lru_cache(maxsize=65_536)
def _units(price: str, per_unit: int) -> int:
    return int(Decimal(price) * per_unit)


@lru_cache(maxsize=65_536)
def _told(price: str, per_unit: int) -> str:
    """The price, rounded to what the wire can tell where that is coarser."""
    units = Decimal(price) * per_unit
    return price if units == int(units) else str(Decimal(round(units)) / per_unit)


def instruments_of(symbols: Sequence[str]) -> list[Instrument]:
    """The instruments of a market's symbols, with their true tokens where those are known here.

    >>> [(each.token, each.symbol) for each in instruments_of(["NSE:INFY", "BCD:USDINR"])]
    [(408065, 'NSE:INFY'), (5120262, 'BCD:USDINR')]
    """
    made = []
    for number, symbol in enumerate(symbols):
        exchange, _, name = symbol.partition(":")
        segment = Segment.__members__.get(exchange, Segment.NSE)
        token = _LISTED.get(symbol, (_FIRST_TOKEN + number) << 8 | segment)
        made.append(Instrument(token, exchange, name))
    return made
