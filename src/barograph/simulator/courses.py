"""Markets that are left and joined again: one symbol's course, minute by minute.

The live feed's market has no beginning. Its minutes are counted from 1970, so the random numbers of a
minute, and the anomalies of a day, are the same for everybody with the same seed. What a symbol
carries from one minute to the next (its price, the numbers of its trades) is its **course**, a
few figures that are kept on disk. Whoever joins goes on from there:

- **within the same minute**: that minute is made again, the same to the byte, and what is over is left out.
- **later**: the minute that was left is made to its end. Over whole minutes that nobody saw, prices
  stand still, and numbers go on by as many as are usual in that time.
- **without a course** (the first time, or its file was lost): numbers begin at 10,000 a second since 2020,
  which is more than a symbol ever has, so that none of them was there before.

So a number never means two trades, and those that were not seen are missing from the numbers, as on a venue.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from barograph.clock import MINUTE_US
from barograph.errors import UsageError
from barograph.simulator.climate import Regime
from barograph.simulator.flow import QUOTES_A_TRADE, SECONDS, FlowState
from barograph.simulator.instruments import INSTRUMENTS, Instrument, instruments
from barograph.simulator.labels import Label
from barograph.simulator.market import Actor, Market, Symbol, open_minutes

FASTEST = 1_000.0
"""Events a second of one symbol, on average, at the most."""
_EPOCH_MINUTE = 26_297_280
"""2020-01-01."""
_NUMBERS_A_MINUTE = 600_000
_DAY_MINUTES = 1_440


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """Where one symbol stands when a minute begins.

    Attributes:
        minute: which one, since 1970; all else is as it was at its beginning.
        seed: everything random comes from it.
        events_per_s: trades and quotes a second, on average while it is traded; None: as usual for it.
        middle: logarithm of the middle price.
        trades: the number of the last trade.
        quotes: the number of the last quote.
    """

    symbol: str
    minute: int
    seed: int
    events_per_s: float | None
    middle: float
    flow: float = 0.0
    open: bool = False
    bid: int = 0
    ask: int = 0
    trades: int
    quotes: int
    followers_us: list[int] = []
    log_level: float = 0.0
    regime: int = 1
    regime_level: float = 0.0


def begun(symbol: str, minute: int, seed: int, events_per_s: float | None = None) -> Course:
    """The course of a symbol that has none.

    Raises:
        UsageError: it is not simulated, or that is too fast; the message has the list, or the bound.

    >>> begun("BTC-USD", 28_718_400, seed=7).trades
    1452672000000
    """
    if events_per_s is not None and not 0 < events_per_s <= FASTEST:
        raise UsageError(f"{events_per_s:g} events a second; it must lie between 0 and {FASTEST:g} a symbol")
    [instrument] = instruments([symbol])
    number = max(minute - _EPOCH_MINUTE, 0) * _NUMBERS_A_MINUTE
    return Course(
        symbol=symbol,
        minute=minute,
        seed=seed,
        events_per_s=events_per_s,
        middle=math.log(instrument.price),
        trades=number,
        quotes=number,
    )


class Courses:
    """Makes minutes of courses; the same course gives the same minute."""

    def __init__(self) -> None:
        self._markets: dict[tuple[int, float], Market] = {}

    def made(self, course: Course) -> tuple[Symbol, Course]:
        """What the symbol does in the course's minute, and its course when that is over."""
        instrument = INSTRUMENTS[course.symbol]
        market = self._market(course.seed, _rate(instrument, course.events_per_s))
        actor = market.actor(instrument)
        actor.log_level = course.log_level
        actor.flow = FlowState(
            course.middle,
            course.flow,
            course.open,
            course.bid,
            course.ask,
            course.trades,
            course.quotes,
            np.array(course.followers_us, dtype=np.int64),
        )
        regime = Regime(course.regime, course.regime_level)
        symbol = market.minute(course.minute, actor, regime)
        return symbol, _after(course, actor, regime)

    def joined(self, course: Course, minute: int, seed: int, events_per_s: float | None) -> Course:
        """``course``, brought to ``minute``, which may be made by another seed and at another rate."""
        if (course.minute, course.seed, course.events_per_s) == (minute, seed, events_per_s):
            return course
        _, course = self.made(course)
        instrument = INSTRUMENTS[course.symbol]
        share = open_minutes(instrument) / _DAY_MINUTES
        unseen = max(minute - course.minute, 0) * instrument.trades * share
        unseen *= _rate(instrument, course.events_per_s)
        return msgspec.structs.replace(
            course,
            minute=minute,
            seed=seed,
            events_per_s=events_per_s,
            trades=course.trades + round(unseen),
            quotes=course.quotes + round(unseen * QUOTES_A_TRADE),
            followers_us=[],
        )

    def labels(self, seed: int, minute: int) -> list[Label]:
        """The anomalies that are put into the day of ``minute``, of all symbols, in the order of time."""
        return self._market(seed, 1.0).labels_around(minute)

    def _market(self, seed: int, rate: float) -> Market:
        # All that is simulated, always: else anomalies would depend on who is asked for.
        if (seed, rate) not in self._markets:
            self._markets[seed, rate] = Market(seed, list(INSTRUMENTS), start_us=0, minutes=None, rate=rate)
        return self._markets[seed, rate]


def labels_between(seed: int, begin_us: int, end_us: int) -> list[Label]:
    """The anomalies that the live feed puts in from ``begin_us`` on, those that begin before ``end_us``.

    >>> day_us = 1_440 * MINUTE_US
    >>> len(labels_between(7, 20_000 * day_us, 20_001 * day_us))
    29
    """
    days = range(begin_us // MINUTE_US // _DAY_MINUTES, -(-end_us // MINUTE_US // _DAY_MINUTES))
    courses = Courses()
    every = [label for day in days for label in courses.labels(seed, day * _DAY_MINUTES)]
    return [label for label in every if begin_us <= label.start_us < end_us]


def _rate(instrument: Instrument, events_per_s: float | None) -> float:
    """Times the usual number of trades and quotes."""
    if events_per_s is None:
        return 1.0
    return events_per_s * SECONDS / (instrument.trades * (1 + QUOTES_A_TRADE))


def _after(course: Course, actor: Actor, regime: Regime) -> Course:
    flow = actor.flow
    return msgspec.structs.replace(
        course,
        minute=course.minute + 1,
        middle=flow.log_middle,
        flow=flow.flow,
        open=flow.open,
        bid=flow.bid,
        ask=flow.ask,
        trades=flow.trades,
        quotes=flow.quotes,
        followers_us=flow.followers_us.tolist(),
        log_level=actor.log_level,
        regime=regime.now,
        regime_level=regime.log_level,
    )
