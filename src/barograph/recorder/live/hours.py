"""Which feeds have an open market now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from barograph.calendars import Calendar
from barograph.clock import NS_PER_US, Clock
from barograph.feeds.live.venue import Live


class OpenFeeds:
    """Tells feeds whose market is open from those whose silence is as it should be.

    Args:
        calendar_of: gives a calendar by its name.
        clock: the present.
    """

    def __init__(self, calendar_of: Callable[[str], Calendar], clock: Clock) -> None:
        self._calendar_of, self._clock = calendar_of, clock
        self._calendars: dict[str, list[Calendar]] = {}

    async def prepare(self, lives: Mapping[str, Live]) -> None:
        """Look up the calendars of every feed's symbols; off the loop, the first time may take seconds."""
        for name, described in lives.items():
            symbols = {symbol for plan in described.plans() for symbol in plan.wanted}
            wanted = {described.calendar(symbol) for symbol in symbols} or {"24/7"}
            self._calendars[name] = [
                await asyncio.to_thread(self._calendar_of, each) for each in sorted(wanted)
            ]

    def now(self) -> Collection[str]:
        """Names of the feeds with at least one market that is open now."""
        now_us = self._clock.now_ns() // NS_PER_US
        return [
            name
            for name, calendars in self._calendars.items()
            if any(each.is_open_at(now_us) for each in calendars)
        ]
