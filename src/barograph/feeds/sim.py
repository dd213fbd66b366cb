"""The simulated market (``barograph.simulator``): one JSON object a frame, nothing left out.

==========  =====================================================================
``trade``   ``s`` symbol, ``t`` microseconds, ``i`` number, ``p`` price, ``q`` size,
            ``b`` the aggressor: 1 bought, -1 sold
``quote``   ``s``, ``t``, ``u`` number, ``bp bq ap aq`` bid and ask with sizes
==========  =====================================================================

A symbol's trades are numbered from 1 without holes, and so are its quotes. Events of
other kinds are counted. The encoder lives in ``barograph.simulator.wire``; the two share
no code, so that each is a test of the other.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np

from barograph.errors import DecodeError
from barograph.feeds.batch import UNREADABLE, fault
from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.times import END_US
from barograph.records import Frames, Kind
from barograph.rows import Decoded, Quotes, Reject, Ticks, columns

Micros: TypeAlias = Annotated[int, msgspec.Meta(ge=1, lt=END_US)]
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_LONGEST_NAME = 64
_TALK = ("done", "refused")
"""Answers of the live market to what was asked of it."""


class Trade(msgspec.Struct, tag_field="e", tag="trade", gc=False):
    s: str
    t: Micros
    i: Number
    p: float
    q: float
    b: Literal[-1, 1]


class Quote(msgspec.Struct, tag_field="e", tag="quote", gc=False):
    s: str
    t: Micros
    u: Number
    bp: float
    bq: float
    ap: float
    aq: float


class Other(msgspec.Struct):
    """An event of which only the kind is wanted."""

    e: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,32}$")]


Event: TypeAlias = Trade | Quote
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Trade | Quote)
_other = msgspec.json.Decoder(Other)


def decode(state: FeedState, frames: Frames) -> Decoded:
    """Ticks and quotes of the run."""
    rejects: list[Reject] = []
    unknown: dict[str, int] = {}
    records, payloads = _data_frames(frames)
    try:
        events = list(map(_event.decode, payloads))
        _number_new(state, events)
    except UNREADABLE:
        records, events = _read_singly(state, records, payloads, rejects, unknown)
    trades = [(record, event) for record, event in zip(records, events, strict=True) if type(event) is Trade]
    quotes = [(record, event) for record, event in zip(records, events, strict=True) if type(event) is Quote]
    return Decoded(
        ticks=_ticks(state, trades), quotes=_quotes(state, quotes), rejects=rejects, unknown=unknown
    )


def _data_frames(frames: Frames) -> tuple[list[int], list[bytes]]:
    data = frames.kind == Kind.FRAME
    if data.all():
        return frames.record.tolist(), frames.payloads
    return frames.record[data].tolist(), [frames.payloads[n] for n in np.flatnonzero(data).tolist()]


def _number_new(state: FeedState, events: list[Event]) -> None:
    """Give symbols that are new their numbers, in the order of the tape.

    Raises:
        DecodeError: a name that cannot be a symbol; no number has been given.
    """
    met = dict.fromkeys([event.s for event in events])
    new = [name for name in met if name not in state.codes]
    for name in new:
        if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
            raise DecodeError(f"{name[:_LONGEST_NAME]!r} cannot be a symbol")
    for name in new:
        state.codes[name] = len(state.symbols)
        state.symbols.append(name)


def _read_singly(
    state: FeedState,
    records: list[int],
    payloads: list[bytes],
    rejects: list[Reject],
    unknown: dict[str, int],
) -> tuple[list[int], list[Event]]:
    """The events that can be read and the records that they came in, when not all can."""
    good: list[int] = []
    events: list[Event] = []
    for record, payload in zip(records, payloads, strict=True):
        try:
            event = _event.decode(payload)
            _number_new(state, [event])
        except UNREADABLE as error:
            _not_an_event(record, payload, error, rejects, unknown)
            continue
        good.append(record)
        events.append(event)
    return good, events


def _not_an_event(
    record: int, payload: bytes, error: Exception, rejects: list[Reject], unknown: dict[str, int]
) -> None:
    """Count an event of another kind; reject what is none, or is broken."""
    try:
        kind = _other.decode(payload).e
    except UNREADABLE:
        kind = "trade"
    if kind in ("trade", "quote"):
        made = fault(record, error, payload)
        rejects.append(Reject(record, made.reason, made.excerpt))
    elif kind not in _TALK:
        unknown[kind] = unknown.get(kind, 0) + 1


def _ticks(state: FeedState, trades: list[tuple[int, Trade]]) -> Ticks:
    return columns(
        Ticks,
        record=[record for record, _ in trades],
        ts_us=[trade.t for _, trade in trades],
        instrument=[state.codes[trade.s] for _, trade in trades],
        price=[trade.p for _, trade in trades],
        size=[trade.q for _, trade in trades],
        side=[trade.b for _, trade in trades],
        trade_id=[trade.i for _, trade in trades],
    )


def _quotes(state: FeedState, quotes: list[tuple[int, Quote]]) -> Quotes:
    return columns(
        Quotes,
        record=[record for record, _ in quotes],
        ts_us=[quote.t for _, quote in quotes],
        instrument=[state.codes[quote.s] for _, quote in quotes],
        bid_price=[quote.bp for _, quote in quotes],
        bid_size=[quote.bq for _, quote in quotes],
        ask_price=[quote.ap for _, quote in quotes],
        ask_size=[quote.aq for _, quote in quotes],
        seq=[quote.u for _, quote in quotes],
    )


FEED = Feed("sim", FeedState, decode, "the simulated market")
