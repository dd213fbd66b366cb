"""How to talk with a venue: a description and a conversation, without a socket.

A **description** (:class:`Live`) says where a feed's connections go, what the venue's limits
are, what its close codes mean and how its gaps are refilled. A **conversation**
(:class:`Conversation`) is what is said on one connection: it takes frames and moments and
returns what to do. Neither reads a clock or opens anything, so every turn of it can be tested with
plain values, and the one shell that drives them all (``recorder/live``) knows no venue.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from barograph.gaps import Channel, Gap

Wanted = Mapping[str, tuple[Channel, ...]]
"""Canonical symbols, and which channels of each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One connection to make and keep.

    Attributes:
        name: unique within the feed and the same each time, ``"spot-0"``; a reload compares plans by it.
        url: where; it may hold secrets, so only ``tape.redact_url`` of it is ever shown.
        wanted: what it is to bring.
        headers: HTTP headers of the handshake.
    """

    name: str
    url: str = field(repr=False)
    wanted: Wanted
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue bears, and when we lose patience.

    Attributes:
        ready_within_s: from the opened socket to :class:`Ready`; then it is closed and tried again.
        silent_s: nothing at all arrived for so long (frames, pings and pongs): the connection is dead.
        ping_s: we send a websocket ping when nothing has come for so long; None: never.
        lifetime_s: the venue cuts connections of this age; we make the next one before. None: it does not.
        overlap_s: how long the next connection runs beside the old one, once it is ready.
        connects: at most ``connects[0]`` attempts in ``connects[1]`` seconds.
        sends: at most ``sends[0]`` frames of ours in ``sends[1]`` seconds.
        requests: at most ``requests[0]`` weights of REST requests in ``requests[1]`` seconds.
        delay_s: what it sends happened so long ago (a plan that is 15 minutes behind).
        history: the venue can be asked for old trades.
    """

    ready_within_s: float = 10.0
    silent_s: float = 30.0
    ping_s: float | None = 10.0
    lifetime_s: float | None = None
    overlap_s: float = 5.0
    connects: tuple[int, float] = (30, 60.0)
    sends: tuple[int, float] = (5, 1.0)
    requests: tuple[int, float] = (10, 1.0)
    delay_s: float = 0.0
    history: bool = True


# What a conversation may ask for.


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame. It goes on the tape through ``tape.redact_frame``."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The venue has confirmed the subscription, data is to be expected from here on."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Something to tell the user, once: a symbol that the venue does not know, a notice of maintenance."""

    message: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The venue will cut this connection soon: make the next one, let them overlap, close this one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Close and connect again, after ``wait_s`` at least if the venue said so."""

    reason: str
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """Trying again cannot help: stop this feed. The message names the setting and the remedy."""

    message: str


Action = Send | Ready | Warn | Replace | Again | Stop


class Conversation(Protocol):
    """What is said on one connection, from its opening to its end. Made anew for each connection.

    Moments are nanoseconds of the system's clock. Every method returns what to do, in order.
    """

    def opened(self, now_ns: int) -> Sequence[Action]:
        """The socket is open."""
        ...

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        """Frames came, all data among them: pick out what concerns the conversation, fast.

        Called every few milliseconds with up to thousands of frames: at most a look at each
        frame's first bytes, below 0.1 us for a frame of data. No frame may make it raise.
        """
        ...

    def due(self, now_ns: int) -> Sequence[Action]:
        """Time passed; called about once a second."""
        ...

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        """The symbols have changed (SIGHUP): subscribe and unsubscribe what differs."""
        ...

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        """A symbol went mute on a living connection: unsubscribe and subscribe it again."""
        ...


# Requests over HTTP, without HTTP.


@dataclass(frozen=True, slots=True)
class Request:
    """A GET (or a POST of a form) to make. ``weight`` counts towards ``Limits.requests``."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    weight: int = 1
    form: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: a status below 400 always; the shell retries 429 and 5xx, and a 4xx ends the asking."""

    status: int
    body: bytes


class Refused(Exception):
    """The venue's final no (4xx): thrown into the generator, which may turn it into its result."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Refilled:
    """How a refill ended.

    Attributes:
        missing: what remains and why, for people; None: the gap is filled.
        final: asking again cannot help (the venue sells no history, a key is missing).
    """

    missing: str | None = None
    final: bool = False


Refilling = Generator[Request, Response, Refilled]
"""Asks page after page; every answer goes on the tape as a ``REST`` record before it is sent in."""
Preparing = Generator[Request, Response, None]


class Live(Protocol):
    """One feed, as the recorder needs it: made from the settings by ``feeds.live.registry.live``."""

    name: str
    limits: Limits

    def prepare(self) -> Preparing:
        """What must be asked before connecting, at each start and each reload (lists of instruments).

        Raises (from the generator):
            SettingsError: a symbol that the venue does not have, a token that has expired.
        """
        ...

    def plans(self) -> list[Plan]:
        """The connections to make for the symbols of the settings, within the venue's limits."""
        ...

    def conversation(self, plan: Plan) -> Conversation:
        """A new connection's talk."""
        ...

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        """What a closed connection means; ``code`` None: it broke without a close frame."""
        ...

    def refused(self, status: int, body: bytes) -> Again | Stop:
        """What an HTTP answer instead of a websocket means (401, 403, 429, 5xx)."""
        ...

    def refill(self, gap: Gap) -> Refilling:
        """Ask for a gap. A venue that has no old data returns at once with the reason."""
        ...

    def calendar(self, symbol: str) -> str:
        """The symbol's calendar as ``barograph.calendars`` names it: ``"24/7"``, ``"XNYS"``, ``"XBOM"``."""
        ...
