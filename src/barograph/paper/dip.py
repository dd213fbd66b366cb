"""Buy the dip, tick by tick: the rule, and what it remembers of one symbol. Plain Python.

The high of the last ``lookback_s`` is kept in :data:`BUCKETS` buckets of equal length, anchored at the
epoch: the present one and the 59 before it. So the state is small at any rate of trades, and the window is
between 59/60 of the lookback and the whole of it.
"""

from __future__ import annotations

import math
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from barograph.paper.bounds import within

BUCKETS = 60
"""Of the lookback."""
SHORTEST_S = 0.001
LONGEST_S = 366 * 86_400.0

COUNTED, TWICE, LATE, DUE = range(4)
"""What :meth:`Watch.take` says; ``COUNTED`` is false, the others are true."""

ENTRY = "entry"
"""The order to buy; orders to sell are called by their reason."""

_RING = Struct(f"<{BUCKETS}d")
_US_PER_S = 1_000_000
_NEVER_US = 1 << 62


class _Dip(NamedTuple):
    drop_pct: float = 2.0
    lookback_s: float = 60.0
    profit_pct: float = 5.0
    stop_pct: float | None = None
    hold_s: float | None = None


class Dip(_Dip):
    """When the dip strategy buys and sells.

    Attributes:
        drop_pct: buy when the price is this much or more below its high of the last ``lookback_s``; per cent.
        lookback_s: seconds, to the microsecond a bucket.
        profit_pct: sell when the price is this much or more above the entry fill price.
        stop_pct: sell when it is this much or more below it; None: no stop.
        hold_s: sell when the position has been held for as long; None: for ever.

    Raises:
        UsageError: one is out of its bounds.

    >>> Dip(drop_pct=1.0, stop_pct=3.0)
    Dip(drop_pct=1.0, lookback_s=60.0, profit_pct=5.0, stop_pct=3.0, hold_s=None)
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker reads the fields' own signature

        def __new__(cls, *args: Any, **fields: Any) -> Self:
            new = super().__new__(cls, *args, **fields)
            within("drop_pct", new.drop_pct, above=0, below=100)
            within("lookback_s", new.lookback_s, least=SHORTEST_S, most=LONGEST_S)
            within("profit_pct", new.profit_pct, above=0)
            if new.stop_pct is not None:
                within("stop_pct", new.stop_pct, above=0, below=100)
            if new.hold_s is not None:
                within("hold_s", new.hold_s, above=0, most=LONGEST_S)
            return new

        @classmethod
        def _make(cls, iterable: Any) -> Self:  # so that _replace checks as well
            return cls(*iterable)

    @property
    def bucket_us(self) -> int:
        """Length of a bucket, microseconds."""
        return max(round(self.lookback_s * _US_PER_S / BUCKETS), 1)


class Watch:
    """One symbol under the rule: its window, what was decided, and which events it has seen.

    ``take`` is given events one by one; it decides on each, and says ``DUE`` in place of taking an event
    that fills the waiting order. Then ``held`` or ``left`` is told what came of the order, and ``take`` is
    given the event again. A watch knows neither cash nor ledger.

    Args:
        dip: the rule.

    >>> watch = Watch(Dip(drop_pct=2.0))
    >>> for ts_us, price in enumerate([100.0, 99.0, 98.0], start=1):
    ...     said = watch.take(ts_us, price, f"t{ts_us}")
    >>> watch.order
    'entry'
    >>> watch.take(4, 97.0, "t4") == DUE
    True
    """

    __slots__ = (
        "_bucket",
        "_closes",
        "_dip",
        "_end_us",
        "_floor",
        "_fresh",
        "_high",
        "_highs",
        "_holds",
        "_kept",
        "_level",
        "_stopped",
        "_target",
        "_top",
        "_until_us",
        "_width_us",
        "ids",
        "newest_us",
        "order",
        "price",
    )

    def __init__(self, dip: Dip) -> None:
        self.newest_us = 0
        """Time of the newest event."""
        self.ids: set[str] = set()
        """Identities of the events of that very time."""
        self.price = 0.0
        """The last; 0 before the first."""
        self.order: str | None = None
        """What was decided and waits for its fill: ``ENTRY``, or why to sell."""
        self._dip, self._width_us = dip, dip.bucket_us
        self._kept = 1.0 - dip.drop_pct / 100.0
        self._fresh = self._stopped = False
        self._bucket, self._end_us = -BUCKETS, 0
        # Highs and closes of the buckets, each at its number modulo 60; 0: no trade. The present
        # bucket's own are _top and price until it ends.
        self._highs, self._closes = [0.0] * BUCKETS, [0.0] * BUCKETS
        self._top = self._high = self._level = 0.0
        self.left()

    def take(self, ts_us: int, price: float, identity: str) -> int:
        """Look at one event and decide: ``COUNTED``, ``TWICE``, ``LATE``, or ``DUE`` (not taken: fill first).

        An event older than the newest is late. One of the same time counts unless it was seen.
        Both leave everything as it was, so any stretch of events may come again.
        """
        if ts_us > self.newest_us:
            if self.order is not None:
                return DUE
            self.newest_us = ts_us
            self.ids.clear()
            self.ids.add(identity)
        elif ts_us < self.newest_us:
            return LATE
        elif identity in self.ids:
            return TWICE
        else:
            self.ids.add(identity)
        if ts_us >= self._end_us:
            self._turn(ts_us, price)
        elif price > self._top:
            self._top = price
            if price > self._high:
                self._high, self._level = price, price * self._kept
        self.price = price
        if price > self._level:
            self._fresh = True
        if self.order is None:
            self._decide(ts_us, price)
        return COUNTED

    def _decide(self, ts_us: int, price: float) -> None:
        if not self._holds:
            if self._fresh and price <= self._level and not self._stopped:
                self.order, self._fresh = ENTRY, False
        elif price <= self._floor:
            self.order = "stop_loss"
        elif price >= self._target:
            self.order = "take_profit"
        elif ts_us >= self._until_us:
            self.order = "time"

    def _turn(self, ts_us: int, price: float) -> None:
        """The first event of a bucket: end the one before, forget those that are out of the window."""
        bucket, old = ts_us // self._width_us, self._bucket
        self._highs[old % BUCKETS], self._closes[old % BUCKETS] = self._top, self.price
        for gone in range(max(old, bucket - BUCKETS) + 1, bucket + 1):
            self._highs[gone % BUCKETS] = self._closes[gone % BUCKETS] = 0.0
        self._bucket, self._end_us = bucket, (bucket + 1) * self._width_us
        self._top = price
        self._high = max(price, *self._highs)
        self._level = self._high * self._kept

    def held(self, price: float, ts_us: int) -> None:
        """The entry was filled: ``price`` with slippage."""
        dip = self._dip
        self.order, self._holds = None, True
        self._target = price * (1.0 + dip.profit_pct / 100.0)
        self._floor = 0.0 if dip.stop_pct is None else price * (1.0 - dip.stop_pct / 100.0)
        self._until_us = _NEVER_US if dip.hold_s is None else ts_us + round(dip.hold_s * _US_PER_S)

    def left(self) -> None:
        """The exit was filled, or the entry refused: nothing is held, nothing waits."""
        self.order, self._holds = None, False
        self._target, self._floor, self._until_us = math.inf, 0.0, _NEVER_US

    def stop(self, *, flatten: bool) -> None:
        """The kill switch: no entries, and none that waits; with ``flatten`` what is held is sold next."""
        self._stopped = True
        if self.order == ENTRY:
            self.order = None
        if flatten and self._holds and self.order is None:
            self.order = "flatten"

    def go(self) -> None:
        """Entries are allowed again."""
        self._stopped = False

    def volatility(self, year_s: float) -> float:
        """Annual realised volatility of the closes of the window's buckets; NaN of fewer than two.

        ``sqrt(year_s / T * sum(log(c[i] / c[i-1])**2))``, with T the seconds from the first bucket with a
        trade to the present one (Andersen, Bollerslev, Diebold and Labys 2003, Econometrica 71(2), 579-625:
        realised variance is the sum of squared log returns). Empty buckets have no return of their own. No
        mean is taken off.
        """
        squares, first, before = 0.0, self._bucket, self.price
        for bucket in range(self._bucket - 1, self._bucket - BUCKETS, -1):
            close = self._closes[bucket % BUCKETS]
            if close > 0.0:
                squares += math.log(before / close) ** 2
                first, before = bucket, close
        if first == self._bucket:
            return math.nan
        span_s = (self._bucket - first) * self._width_us / _US_PER_S
        return math.sqrt(year_s / span_s * squares)

    def copy(self) -> Watch:
        """Another that goes on from here on its own."""
        new = Watch(self._dip)
        for name in Watch.__slots__:
            setattr(new, name, getattr(self, name))
        new.ids = self.ids.copy()
        new._highs, new._closes = self._highs.copy(), self._closes.copy()
        return new

    def state(self) -> dict[str, Any]:
        """What JSON keeps of it, but for the price and the time of the newest event (see ``Item``)."""
        highs, closes = self._highs.copy(), self._closes.copy()
        highs[self._bucket % BUCKETS], closes[self._bucket % BUCKETS] = self._top, self.price
        return {
            "ids": sorted(self.ids),
            "order": self.order,
            "fresh": self._fresh,
            "width_us": self._width_us,
            "bucket": self._bucket,
            "highs": _packed(highs),
            "closes": _packed(closes),
        }

    @classmethod
    def from_state(cls, dip: Dip, state: dict[str, Any], newest_us: int, price: float) -> Watch:
        """One that goes on where :meth:`state` was taken; it holds nothing until ``held`` is told.

        With another lookback the window begins anew, for its buckets were others.

        Raises:
            KeyError, TypeError, ValueError: the state is not one.
        """
        new = cls(dip)
        new.newest_us, new.price = newest_us, price
        new.ids, new.order, new._fresh = set(state["ids"]), state["order"], bool(state["fresh"])
        if state["width_us"] != new._width_us:
            return new
        new._highs, new._closes = _ring(state["highs"]), _ring(state["closes"])
        new._bucket = int(state["bucket"])
        new._end_us = (new._bucket + 1) * new._width_us
        new._top = new._highs[new._bucket % BUCKETS]
        new._high = max(new._highs)
        new._level = new._high * new._kept
        return new


def _packed(numbers: Sequence[float]) -> str:
    """As base64 of little-endian doubles: they go with every order, and as decimals take 20 times as long."""
    return b2a_base64(_RING.pack(*numbers), newline=False).decode()


def _ring(kept: str | Sequence[float]) -> list[float]:
    """What :func:`_packed` made, or plain numbers, as they were kept at first."""
    if isinstance(kept, str):
        held = a2b_base64(kept)
        if len(held) != _RING.size:
            raise ValueError(f"{len(held)} bytes in place of {BUCKETS} buckets")
        return list(_RING.unpack(held))
    if len(kept) != BUCKETS:
        raise ValueError(f"{len(kept)} buckets in place of {BUCKETS}")
    return [float(number) for number in kept]
