"""The market at this moment: what the symbols that are followed do, given out as it comes due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from barograph.clock import MINUTE_US
from barograph.errors import UsageError
from barograph.simulator.courses import Course, Courses, begun
from barograph.simulator.flow import Quotes, Trades
from barograph.simulator.labels import Label
from barograph.simulator.market import Symbol
from barograph.simulator.wire import encode

CHANNELS = ("trades", "quotes")

R = TypeVar("R", Trades, Quotes)


@dataclass(slots=True)
class _Followed:
    """A symbol: the minute that it is in, its course behind that, and what is wanted of it."""

    now: Symbol
    after: Course
    channels: set[str]


class RunningMarket:
    """Follows symbols in the order of time, a minute at a time.

    Args:
        courses: where symbols were left, see :mod:`.courses`.
        at_us: from when on; what the venue did before is not told.
        seed: everything random comes from it.
        events_per_s: trades and quotes of each symbol a second, on average; None: as usual for it.

    Attributes:
        courses: where every symbol stood when the minute began, those included that are not followed any
            more. They must be kept on disk before anything of that minute is given out.
        at_us: up to when everything has been given out.

    >>> market = RunningMarket({}, at_us=1_723_075_200_000_000, seed=7)
    >>> market.follow("BTC-USD", "trades")
    >>> len(market.due(market.end_us)) > 10
    True
    """

    def __init__(
        self, courses: Mapping[str, Course], at_us: int, seed: int, events_per_s: float | None = None
    ) -> None:
        self.courses = dict(courses)
        self.at_us = at_us
        self._seed, self._events_per_s = seed, events_per_s
        self._minute = at_us // MINUTE_US
        self._maker = Courses()
        self._followed: dict[str, _Followed] = {}

    @property
    def end_us(self) -> int:
        """Where the minute ends; :meth:`turn` leads beyond."""
        return (self._minute + 1) * MINUTE_US

    def follow(self, symbol: str, channel: str) -> None:
        """Give out a symbol's channel from now on.

        Raises:
            UsageError: there is no such symbol or channel, or it is asked to be too fast.
        """
        if channel not in CHANNELS:
            raise UsageError(f"no channel is called {channel!r}; there are: {', '.join(CHANNELS)}")
        if symbol in self._followed:
            self._followed[symbol].channels.add(channel)
            return
        asked = begun(symbol, self._minute, self._seed, self._events_per_s)
        left = self.courses.get(symbol)
        course = (
            asked if left is None else self._maker.joined(left, self._minute, self._seed, self._events_per_s)
        )
        self.courses[symbol] = course
        self._followed[symbol] = _Followed(*self._maker.made(course), {channel})

    def leave(self, symbol: str, channel: str) -> None:
        """Give it out no longer."""
        followed = self._followed.get(symbol)
        if followed is None:
            return
        followed.channels.discard(channel)
        if not followed.channels:
            del self._followed[symbol]

    def due(self, until_us: int) -> list[bytes]:
        """Frames of after :attr:`at_us`, up to ``until_us`` and the minute's end, in the venue's order."""
        until_us = min(until_us, self.end_us)
        parts = [part for one in self._followed.values() if (part := self._part(one, until_us)) is not None]
        self.at_us = max(self.at_us, until_us)
        if not parts:
            return []
        encoded = [encode(part) for part in parts]
        every = [payload for _, payloads in encoded for payload in payloads]
        order = np.argsort(np.concatenate([ts_us for ts_us, _ in encoded]), kind="stable")
        return [every[n] for n in order.tolist()]

    def turn(self) -> list[Label]:
        """Go over to the next minute; the anomalies of symbols that are followed and begin in it."""
        for symbol, followed in self._followed.items():
            self.courses[symbol] = followed.after
            followed.now, followed.after = self._maker.made(followed.after)
        self._minute += 1
        labels = self._maker.labels(self._seed, self._minute)
        start_us = self._minute * MINUTE_US
        return [label for label in labels if label.start_us == start_us and label.symbol in self._followed]

    def _part(self, followed: _Followed, until_us: int) -> Symbol | None:
        """What is due of a symbol; None if nothing is."""
        now, channels = followed.now, followed.channels
        trades = _between(now.trades, self.at_us, until_us if "trades" in channels else self.at_us)
        quotes = _between(now.quotes, self.at_us, until_us if "quotes" in channels else self.at_us)
        if not len(trades.ts_us) and not len(quotes.ts_us):
            return None
        return Symbol(now.instrument, trades, quotes)


def _between(rows: R, after_us: int, until_us: int) -> R:
    """The rows after ``after_us``, up to ``until_us``, which is included."""
    first, last = np.searchsorted(rows.ts_us, (after_us, until_us), side="right").tolist()
    return type(rows)(*(getattr(rows, field.name)[first:last] for field in fields(rows)))
