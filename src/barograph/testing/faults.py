"""What a server does wrong, as told; it may be changed at any time.

Lasting faults are fields of :class:`Faults`. Those that happen once (a connection dropped,
a frame cut) are ``acts.py``; a seeded mixture of both is ``schedule.py``.

>>> faults = Faults()
>>> faults.mute.add("BTC-USDT/trades")
>>> faults.change(refuse=503, refuse_times=2)
>>> faults.refuse_now(), faults.refuse_now(), faults.refuse_now()
(503, 503, 0)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from barograph.clock import US_PER_S
from barograph.errors import UsageError
from barograph.testing.market import CHANNELS, Event


class Lack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Trades that REST does not know: those of ``symbol`` numbered ``first`` to ``last``."""

    symbol: str
    first: int
    last: int


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """What is wrong now. The default is nothing.

    ``mute`` and ``skip`` name what they are about: ``"BTC-USDT"``, ``"BTC-USDT/trades"``, or
    ``"*"`` for everything.

    Attributes:
        refuse: answer handshakes with this HTTP status; 0 does not.
        refuse_times: only so many of them.
        retry_after_s: what ``Retry-After`` says where something is refused.
        stall: connections stand and nothing at all is sent, not even pings and pongs; events are lost.
        mute: nothing of these is sent.
        skip: so many next events of these are not sent; REST has them.
        skip_share: so large a share of events is not sent; REST has them.
        duplicate_share: so large a share is sent twice.
        reorder_share: so large a share changes places with the event after it, be it of a later batch.
        delay_s: events are held so long before they go out.
        lie_s: events say that they happened so much later than they did.
        message_limit: at most so many incoming frames in so many seconds, in place of the venue's limit.
        rest_status: answer REST requests with this status; 0 does not.
        rest_times: only so many of them.
        rest_slow_s: REST answers take so long.
        rest_limit: at most so many REST requests in so many seconds; more are told to come later.
        rest_lacks: trades that REST does not have.
        seed: the shares are drawn with it.
    """

    refuse: int = 0
    refuse_times: int | None = None
    retry_after_s: float = 1.0
    stall: bool = False
    mute: set[str] = msgspec.field(default_factory=set)
    skip: dict[str, int] = msgspec.field(default_factory=dict)
    skip_share: float = 0.0
    duplicate_share: float = 0.0
    reorder_share: float = 0.0
    delay_s: float = 0.0
    lie_s: float = 0.0
    message_limit: tuple[int, float] | None = None
    rest_status: int = 0
    rest_times: int | None = None
    rest_slow_s: float = 0.0
    rest_limit: tuple[int, float] | None = None
    rest_lacks: list[Lack] = msgspec.field(default_factory=list)
    seed: int = 1

    def change(self, **fields: Any) -> None:
        """Set ``fields``, checked.

        Raises:
            UsageError: there is no such fault, or its value is of the wrong type.
        """
        try:
            checked = msgspec.convert(msgspec.to_builtins(self) | msgspec.to_builtins(fields), Faults)
        except (msgspec.ValidationError, TypeError) as error:
            raise UsageError(f"these are not faults: {fields} ({error})") from error
        for name in fields:
            setattr(self, name, getattr(checked, name))

    def clear(self) -> None:
        """Do nothing wrong any more."""
        fresh = Faults(seed=self.seed)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))

    def refuse_now(self) -> int:
        """The status to refuse this handshake with, or 0."""
        if self.refuse and self.refuse_times is not None:
            if self.refuse_times <= 0:
                return 0
            self.refuse_times -= 1
        return self.refuse

    def rest_status_now(self) -> int:
        """The status to answer this REST request with, or 0."""
        if self.rest_status and self.rest_times is not None:
            if self.rest_times <= 0:
                return 0
            self.rest_times -= 1
        return self.rest_status


class Shaping:
    """What the faults make of the events on their way to the sockets.

    Attributes:
        held: an event that waits to change places with the first one of the next batch.
    """

    def __init__(self, faults: Faults) -> None:
        self.held: list[Event] = []
        self._faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - which events suffer is no secret

    def shaped(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events to send, in the order to send them in."""
        faults = self._faults
        if faults.mute:
            events = [event for event in events if not _named(event, faults.mute)]
        if faults.skip:
            events = [event for event in events if not self._skipped(event)]
        if faults.skip_share:
            events = [event for event in events if self._random.random() >= faults.skip_share]
        if faults.lie_s:
            more_us = round(faults.lie_s * US_PER_S)
            events = [event._replace(ts_us=event.ts_us + more_us) for event in events]
        if faults.duplicate_share:
            events = [
                event
                for event in events
                for _ in range(2 if self._random.random() < faults.duplicate_share else 1)
            ]
        return self._reordered(events) if faults.reorder_share or self.held else events

    def released(self) -> Sequence[Event]:
        """The event that waits, if there is one; it waits no longer."""
        held, self.held = self.held, []
        return held

    def _skipped(self, event: Event) -> bool:
        for name in _names(event):
            left = self._faults.skip.get(name, 0)
            if left > 0:
                self._faults.skip[name] = left - 1
                return True
        return False

    def _reordered(self, events: Sequence[Event]) -> Sequence[Event]:
        share = self._faults.reorder_share
        if not share:
            return [*self.released(), *events]
        if not events:
            return events
        done = 2 if self.held else 0  # these two have changed places already
        mixed = [events[0], *self.released(), *events[1:]]
        for at in range(done, len(mixed) - 1):
            if self._random.random() < share:
                mixed[at], mixed[at + 1] = mixed[at + 1], mixed[at]
        if len(mixed) > done and self._random.random() < share:
            self.held = [mixed.pop()]
        return mixed


def _names(event: Event) -> tuple[str, str, str]:
    return event.symbol, f"{event.symbol}/{CHANNELS[type(event)].value}", "*"


def _named(event: Event, names: set[str]) -> bool:
    return any(name in names for name in _names(event))
