"""Which feeds have an open market now, and when the last of them closes today."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from barograph.calendars import ALWAYS_OPEN, Calendar
from barograph.clock import NS_PER_S, NS_PER_US, Clock, from_us
from barograph.errors import BarographError, UsageError
from barograph.feeds.live.venue import Live
from barograph.log import get_logger

CalendarOf = Callable[[str], Calendar]
LOOK_S = 1.0
"""Between two looks at the clock, which may be set, or stand still while the machine sleeps."""
LOOK_AGAIN_NS = 60 * NS_PER_S
"""Between two looks at the calendars: a session may be prolonged while it goes on."""

log = get_logger()


class OpenFeeds:
    """Tells feeds whose market is open from those whose silence is as it should be.

    Args:
        calendar_of: gives a calendar by its name.
        clock: the present.
    """

    def __init__(self, calendar_of: CalendarOf, clock: Clock) -> None:
        self._calendar_of, self._clock = calendar_of, clock
        self._calendars: dict[str, list[Calendar]] = {}

    async def prepare(self, lives: Mapping[str, Live]) -> None:
        """Look up the calendars of every feed's symbols; off the loop, the first time may take seconds."""
        for name, described in lives.items():
            wanted = calendars_of(described) or {ALWAYS_OPEN.name}
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


def calendars_of(described: Live) -> set[str]:
    """The names of the calendars by which a feed's symbols trade."""
    symbols = {symbol for plan in described.plans() for symbol in plan.wanted}
    return {described.calendar(symbol) for symbol in symbols}


@dataclass(frozen=True, slots=True)
class UntilClose:
    """What ``record --until session-close`` asks for.

    Attributes:
        market: whose sessions count; None: those of the markets that are recorded.
    """

    market: str | None = None


class SessionClose:
    """When recording ends by itself: a grace after the last close of today's sessions.

    Today is fixed at the start. The calendars are looked at again each minute, so a session that is prolonged
    or cut short in ``calendars.toml`` meanwhile is followed.

    Args:
        asked: what was asked for.
        calendar_of: gives a calendar by its name.
        clock: the present.
        grace_s: how long after the close.

    Call :meth:`follow` before anything else.
    """

    def __init__(self, asked: UntilClose, calendar_of: CalendarOf, clock: Clock, grace_s: float) -> None:
        self._asked, self._calendar_of, self._clock = asked, calendar_of, clock
        self._grace_ns = int(grace_s * NS_PER_S)
        self._names: list[str] = []
        self._began_us = clock.now_ns() // NS_PER_US
        self._end_ns: int | None = None
        self._looked_ns = 0

    def follow(self, lives: Iterable[Live]) -> None:
        """Go by these feeds' markets, or by the one that was asked for.

        Raises:
            UsageError: a market never closes, or there is none of that name.
            SettingsError, DataError, StorageError: a calendar cannot be had.
        """
        names = {self._asked.market} if self._asked.market else set().union(*map(calendars_of, lives))
        calendars = {name: self._calendar_of(name) for name in sorted(names or {ALWAYS_OPEN.name})}
        open_ended = [name for name, each in calendars.items() if each is ALWAYS_OPEN]
        if open_ended:
            raise UsageError(
                "--until session-close: a market that is recorded never closes (24/7); say whose close "
                "counts (--market NSE), record it in a process of its own, or end it with --duration"
            )
        self._names = list(calendars)
        self._look(calendars.values())

    @property
    def end_ns(self) -> int | None:
        """When recording ends; None: there is no session today."""
        return self._end_ns

    @property
    def over(self) -> str | None:
        """Why nothing is to be recorded any more; None: there is something."""
        names = ", ".join(self._names)
        if self._end_ns is None:
            today = from_us(self._began_us).astimezone(self._calendar_of(self._names[0]).zone)
            return f"{names}: no session on {today:%a %Y-%m-%d}"
        if self._clock.now_ns() >= self._end_ns:
            ended = from_us(self._end_ns // NS_PER_US)
            return f"{names}: the session is over, recording ended at {ended:%H:%M} UTC"
        return None

    async def wait(self) -> None:
        """Return when it is over."""
        while self.over is None:
            await asyncio.sleep(LOOK_S)
            if self._clock.now_ns() - self._looked_ns >= LOOK_AGAIN_NS:
                await asyncio.to_thread(self._look_again)

    def _look_again(self) -> None:
        try:
            self._look([self._calendar_of(name) for name in self._names])
        except BarographError as error:
            # A slip of somebody who is editing the file must not end the recording.
            log.warning("the calendars cannot be read; the close stays as it was", problem=str(error))
            self._looked_ns = self._clock.now_ns()

    def _look(self, calendars: Iterable[Calendar]) -> None:
        found = [close for each in calendars if (close := last_close_us(each, self._began_us)) is not None]
        self._end_ns = max(found) * NS_PER_US + self._grace_ns if found else None
        self._looked_ns = self._clock.now_ns()


def last_close_us(calendar: Calendar, at_us: int) -> int | None:
    """The last close of the sessions of the market's own date at ``at_us``, or of the one open then.

    None when there is neither. A session over midnight belongs to the date that its market gives it.
    """
    today: date = from_us(at_us).astimezone(calendar.zone).date()
    near = calendar.sessions(today - timedelta(days=1), today + timedelta(days=1))
    of_today = [part.close_us for part in near if part.day == today or part.open_us <= at_us < part.close_us]
    return max(of_today, default=None)
