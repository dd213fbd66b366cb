"""What a session wants done. ``number`` counts its connections, from 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from barograph.feeds.live.venue import Plan, Wanted

NORMAL_CLOSE = 1000


class Moment(NamedTuple):
    """Now, twice."""

    steady_s: float
    """Seconds of a clock that nobody sets."""
    utc_ns: int
    """The system's clock."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Make a connection. It ends in a call of ``closed``, ``refused`` or ``failed``, whatever happens."""

    number: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class Configure:
    """Note on the tape what the connection is asked to bring from here on."""

    number: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this text frame."""

    number: int
    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a websocket ping."""

    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close it, with the closing handshake if it is open."""

    number: int
    reason: str
    code: int = NORMAL_CLOSE


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the user."""

    message: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the whole feed: trying again cannot help."""

    message: str


Command = Connect | Configure | Transmit | Ping | Close | Notify | Halt
