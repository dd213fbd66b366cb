"""What the ledger remembers: series, their minutes, their holes and outages, and the open connections.

A **series** is one channel of one venue's symbol. Moments are microseconds of the venue's time, or
of ours less what the venue is behind (``Subscribed.delay_s``); ``NEVER`` and ``FOREVER`` stand for no moment.
"""

from __future__ import annotations

import msgspec
import numpy as np

from barograph.rows import Ints

NEVER = -(2**62)
FOREVER = 2**62
PENDING = NEVER
"""A subscription that nothing on its connection has proven yet."""


class Minute(msgspec.Struct):
    """One minute of a series: what was counted, and the row that stands (``revision`` -1: none yet)."""

    messages: int = 0
    repaired: int = 0
    counted: int = 0
    """``messages`` of the row that stands."""
    state: str = ""
    reason: str | None = None
    revision: int = -1


class Past(msgspec.Struct):
    """Minutes ``first`` to ``last`` that have left memory, all written with this state and revision.

    They had no rows, so that is all there is to know. Where ``state`` is empty they had some, and are
    closed for good.
    """

    first: int
    last: int
    state: str
    revision: int


class Hole(msgspec.Struct):
    """Trade ids ``first`` to ``last`` that did not come; the neighbours' times are its ends."""

    first: int
    last: int
    begin_us: int
    end_us: int
    cause: str
    given_up: str = ""


class Chain(msgspec.Struct):
    """The trade ids of a series, where the venue numbers them without holes.

    ``lowest`` to ``highest`` are known but for ``holes``; -1 where nothing is. ``from_us`` and
    ``top_us`` are the times between which ids prove what came.
    """

    lowest: int = -1
    highest: int = -1
    from_us: int = FOREVER
    top_us: int = NEVER
    holes: list[Hole] = []


class Blank(msgspec.Struct):
    """A time in which no connection brought the series; ``end_us`` is FOREVER while it lasts.

    ``given_up`` says why it will not be refilled; ``settled`` that it was, or was proven empty.
    """

    begin_us: int
    end_us: int
    cause: str
    given_up: str = ""
    settled: bool = False


class Claim(msgspec.Struct):
    """A time for which the series was asked for; ``to_us`` is FOREVER while it is."""

    from_us: int
    to_us: int = FOREVER


class Series(msgspec.Struct):
    """Everything about one channel of one symbol.

    Attributes:
        carriers: numbers of the open connections that are to bring it.
        covered_us: the last sign of life on any connection that brought it and has ended.
        lost_us: our clock when its last connection ended; NEVER while there is one.
        next_minute: the first minute of its claim that was not looked at.
        floor_us: before it, outages are no longer remembered.
    """

    venue: str
    symbol: str
    channel: str
    calendar: str = "24/7"
    delay_us: int = 0
    claims: list[Claim] = []
    blanks: list[Blank] = []
    carriers: list[int] = []
    covered_us: int = NEVER
    lost_us: int = NEVER
    next_minute: int = 0
    floor_us: int = NEVER
    minutes: dict[int, Minute] = {}
    past: list[Past] = []
    numbered: bool = False
    """Whether its ids run without holes."""
    chain: Chain = msgspec.field(default_factory=Chain)

    @property
    def claim(self) -> Claim | None:
        """The claim that stands, if the series is asked for now."""
        return self.claims[-1] if self.claims and self.claims[-1].to_us == FOREVER else None

    @property
    def outage(self) -> Blank | None:
        """The outage that lasts, if one does."""
        return self.blanks[-1] if self.blanks and self.blanks[-1].end_us == FOREVER else None


class Connection(msgspec.Struct):
    """An open connection that was asked to bring something.

    ``since`` has, by series, from when it is proven to bring it (PENDING: not yet), ``asked``
    when it was asked to. ``dead``: silent for so long that it counts as ended.
    """

    feed: str
    delay_us: int
    proof_us: int
    since: dict[int, int] = {}
    asked: dict[int, int] = {}
    dead: bool = False


class LedgerState(msgspec.Struct):
    """All that a ledger remembers; ``snapshot.pack`` makes bytes of it.

    Attributes:
        pending: by minute, the series whose row is to be written or looked at again.
        now_us: the newest receipt time.
        beat_us: the next at which rows are written.
        due_us: what the last beat reached.
        woken_us: the last beat before which the tape was silent for long: nothing ran.
        newest_us: our clock when the newest row of each series came by the wire, int64, shape (series,).
        silences: by day, how often so much lay between two rows (``quiet.py``), int64, (series, lengths).
        lost_rows: rows that came for minutes which had left memory; their coverage stays as it was written.
    """

    series: list[Series] = []
    connections: dict[int, Connection] = {}
    pending: dict[int, set[int]] = {}
    now_us: int = NEVER
    beat_us: int = NEVER
    due_us: int = NEVER
    woken_us: int = NEVER
    swept_minute: int = 0
    newest_us: Ints = msgspec.field(default_factory=lambda: np.empty(0, dtype=np.int64))
    silences: dict[int, Ints] = {}
    lost_rows: int = 0
