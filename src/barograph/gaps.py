"""A gap: data of one symbol that should be there and is not (yet).

The coverage ledger finds gaps on the tape, a feed's description says how to ask its venue
for them, and the recorder asks. All three speak of it in these words.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Channel(StrEnum):
    """The two kinds of data that we record of a symbol."""

    TRADES = "trades"
    QUOTES = "quotes"


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data that is missing, as narrowly as it can be told.

    Attributes:
        feed: the feed's name.
        symbol: canonical, ``BTC-USDT``.
        channel: what is missing; quotes can be named, but no venue sends old ones again.
        first_us: venue time of the last row before the gap (or the moment from which it counts).
        last_us: venue time of the first row behind it (or the moment up to which it counts).
        first_id: the first missing trade id; None where the venue numbers nothing.
        last_id: the last missing trade id; None beside a ``first_id``: everything since, which
            is how a symbol that has gone mute is asked about.
        cause: how it came about, for people: ``"connection lost (1006)"``, ``"ids skipped"``.
    """

    feed: str
    symbol: str
    channel: Channel
    first_us: int
    last_us: int
    first_id: int | None = None
    last_id: int | None = None
    cause: str = ""


class Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``MISSING`` record: how the asking for a gap ended, once it has ended.

    Attributes:
        gap: what was asked for, as the ledger named it.
        reason: why what is not there will never be. Empty: the venue has answered to the end, and all
            that it has of the gap stands on the tape before this record. That is the only proof
            that nothing happened where nothing is numbered, so it is written as well.
    """

    gap: Gap
    reason: str


class Subscribed(msgspec.Struct, frozen=True):
    """The payload of a ``CONFIG`` record on a connection's stream: what it is asked to bring from here on.

    Attributes:
        wanted: the channels of each canonical symbol on this connection.
        calendars: the name of each symbol's calendar (``Live.calendar``); ``"24/7"`` may be left out.
        of_feed: what the feed is asked for over all its connections. What is not in it is wanted no
            longer: it ends, and is not missing. Empty: nothing is said of other connections.
        delay_s: the venue sends what happened so long ago (a plan that is 15 minutes behind).
    """

    wanted: dict[str, tuple[Channel, ...]]
    calendars: dict[str, str] = {}
    of_feed: dict[str, tuple[Channel, ...]] = {}
    delay_s: float = 0.0


class Alive(msgspec.Struct, frozen=True):
    """The payload of a ``CLOCK`` record on a connection's stream.

    ``alive_ns`` is the last receipt time of anything at all from the venue, be it a ping or a
    pong that never stands on the tape itself: what tells a quiet connection from a dead one.
    """

    alive_ns: int
