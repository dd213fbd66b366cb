"""Zerodha Kite: binary packets of Indian exchanges, read as columns over a whole run.

Source: kite.trade/docs/connect/v3/websocket. What the venue sends are snapshots, not
trades, and everything here follows from that:

- A **tick** is the growth of the day's cumulative volume from one packet of an instrument
  to the next: price = last price, size = the growth, which may stand for several trades.
  The first packet of a day in India only sets the base, as does one whose volume went
  down. The base outlives a connection: what was traded while none was open comes as one
  tick with the first packet after. Subscribe a token on one connection only.
- There are no trade ids and no side: ``trade_id`` is absent, so that a repeated frame
  cannot be told by name. Repeating it adds nothing all the same, since the volume in it
  has not grown.
- A **quote** is the first level of depth of a *full* packet, when it has changed. A side
  without orders has price 0; a book without any gives no row.
- **Times** of *full* packets are the venue's, in whole seconds: the last trade's for
  ticks, the exchange's for quotes. *Quote* packets carry none: their ticks have the time
  of receipt, uncorrected, since the venue's clock is too coarse to correct by. Ticks have
  no mark for that; quotes that lack the exchange's time are marked as estimated.
- *ltp* packets have no volume and indices no trades: they are counted, and an index's
  exchange time moves time on. So does that of a full packet that gives no row.

Packets carry a token only. Its symbol comes from the list of instruments on the tape (see
:mod:`barograph.feeds.kite_instruments`); until there is one it is ``KITE:<token>``.
A 1-byte frame is a heartbeat; text frames are JSON (orders, errors): both are counted, and
so are packets that gave no tick and no quote (``unchanged``) and frames without packets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.clock import DAY_US, NS_PER_US, US_PER_S
from barograph.errors import DecodeError
from barograph.feeds.answers import read_answer
from barograph.feeds.batch import fault
from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.kite_instruments import Instruments, read_instruments
from barograph.feeds.kite_packets import (
    ASK_PRICE,
    ASK_SIZE,
    BID_PRICE,
    BID_SIZE,
    EXCHANGE_TIME,
    FULL,
    INDEX_FULL,
    INDEX_TIME,
    LAST_PRICE,
    LAST_TRADE_TIME,
    LTP,
    QUOTE,
    TOKEN,
    VOLUME,
    Packets,
    divisors,
    find_packets,
)
from barograph.records import Frames, Kind
from barograph.rows import Decoded, Ints, Marks, Mask, Quotes, Reject, Ticks, columns, concatenate

IST_US = 19_800 * US_PER_S
"""India is 5 h 30 min ahead of UTC, all year."""
_TEXT = (ord("{"), ord("["))
_NONE = -1


def _ints(*shape: int) -> Ints:
    return np.full(shape, _NONE, dtype=np.int64)


def _no_ints() -> Ints:
    return _ints(0)


def _no_depth() -> Ints:
    return _ints(0, 4)


class KiteState(FeedState):
    """What is known of each token, by **slot**: its number in order of first appearance.

    Attributes:
        tokens: ascending; ``slot`` has the slot of each.
        instrument: index into ``symbols``, by slot.
        volume, day: cumulative volume and Indian day of the last packet, by slot; -1 before.
        depth: last bid price and size, ask price and size, as on the wire, shape (slots, 4).
    """

    tokens: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    slot: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    instrument: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    volume: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    day: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    depth: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_depth)
    listed: Instruments = msgspec.field(default_factory=Instruments)


@dataclass(frozen=True, slots=True)
class _Times:
    """Of each packet: its record, its receipt, and its exchange's clock (0 where it has none)."""

    record: Ints
    recv_us: Ints
    exchange_us: Ints


def decode(state: KiteState, frames: Frames) -> Decoded:
    """Ticks, quotes and marks; a list of instruments among the records holds from there on."""
    parts: list[Decoded] = []
    unknown: dict[str, int] = {}
    binary: list[int] = []
    kinds = frames.kind.tolist()
    for index, payload in enumerate(frames.payloads):
        if kinds[index] == Kind.FRAME:
            if len(payload) > 1 and payload[0] not in _TEXT:
                binary.append(index)
            else:
                name = "heartbeat" if len(payload) == 1 else "text"
                unknown[name] = unknown.get(name, 0) + 1
        elif kinds[index] == Kind.REST:
            parts.append(_packets(state, frames, binary))
            parts.append(_answer(state, int(frames.record[index]), payload))
            binary = []
    parts.append(_packets(state, frames, binary))
    return _joined(parts, unknown)


def _joined(parts: list[Decoded], unknown: dict[str, int]) -> Decoded:
    for part in parts:
        for name, times in part.unknown.items():
            unknown[name] = unknown.get(name, 0) + times
    return Decoded(
        ticks=concatenate([part.ticks for part in parts], Ticks),
        quotes=concatenate([part.quotes for part in parts], Quotes),
        marks=concatenate([part.marks for part in parts], Marks),
        rejects=[reject for part in parts for reject in part.rejects],
        unknown=unknown,
    )


def _answer(state: KiteState, record: int, payload: bytes) -> Decoded:
    try:
        path, body = read_answer(payload)
        if not path.endswith("/instruments"):
            return Decoded(unknown={f"rest {path}": 1})
        state.listed, unread = read_instruments(body)
    except DecodeError as error:
        made = fault(record, error, payload)
        return Decoded(rejects=[Reject(record, made.reason, made.excerpt)])
    _rename(state)
    if unread:
        return Decoded(rejects=[Reject(record, f"{unread} rows of the instruments could not be read", path)])
    return Decoded()


def _rename(state: KiteState) -> None:
    """Give every slot the symbol of the newest list. A token that stands for another thing starts anew."""
    for token, slot in zip(state.tokens.tolist(), state.slot.tolist(), strict=True):
        symbol = state.listed.symbol(token)
        old = state.symbols[state.instrument[slot]]
        if symbol is None or symbol == old:
            continue
        state.instrument[slot] = _instrument(state, token, symbol)
        state.depth[slot] = _NONE
        if old != f"KITE:{token}":
            state.volume[slot] = state.day[slot] = _NONE


def _instrument(state: KiteState, token: int, symbol: str) -> int:
    """The number of ``symbol``, which ``token`` stands for from now on."""
    if symbol in state.symbols:
        code = state.symbols.index(symbol)
    else:
        code = len(state.symbols)
        state.symbols.append(symbol)
    state.codes[str(token)] = code
    return code


def _packets(state: KiteState, frames: Frames, binary: list[int]) -> Decoded:
    """The rows of the binary frames that stand at the indices ``binary`` of ``frames``."""
    if not binary:
        return Decoded()
    packets = find_packets([frames.payloads[index] for index in binary])
    index = np.array(binary, dtype=np.int64)
    record, recv_us = frames.record[index], frames.recv_ns[index] // NS_PER_US
    rejects = [
        Reject(int(record[at]), fault, frames.payloads[binary[at]][:64].hex())
        for at, fault in sorted(packets.faults.items())
    ]
    traded = (packets.length == QUOTE) | (packets.length == FULL)
    rows = _traded(state, packets.take(traded), record, recv_us)
    clocked = packets.take(packets.length == INDEX_FULL)
    index_marks = _marks(record[clocked.frame], clocked.word(INDEX_TIME) * US_PER_S)
    marks = _in_order(concatenate([rows.marks, index_marks], Marks))
    unknown = rows.unknown | _counts(packets, traded)
    return replace(rows, marks=marks, rejects=rejects, unknown=unknown)


def _counts(packets: Packets, traded: Mask) -> dict[str, int]:
    """How many packets of the kinds without rows there are, and frames without packets."""
    prices = int(np.count_nonzero(packets.length == LTP))
    indices = int(np.count_nonzero(~traded)) - prices
    return _given({"ltp": prices, "index": indices, "empty": packets.empty})


def _given(counts: dict[str, int]) -> dict[str, int]:
    return {name: times for name, times in counts.items() if times}


def _marks(record: Ints, ts_us: Ints) -> Marks:
    given = ts_us > 0
    return Marks(record[given], ts_us[given])


def _in_order(marks: Marks) -> Marks:
    return marks.take(np.argsort(marks.record, kind="stable"))


def _traded(state: KiteState, packets: Packets, record: Ints, recv_us: Ints) -> Decoded:
    """Rows of *quote* and *full* packets; ``record`` and ``recv_us`` are by frame."""
    full = packets.length == FULL
    exchange_us = np.zeros(len(full), dtype=np.int64)
    exchange_us[full] = packets.take(full).word(EXCHANGE_TIME) * US_PER_S
    times = _Times(record[packets.frame], recv_us[packets.frame], exchange_us)
    tokens = packets.word(TOKEN)
    slots = _slots(state, tokens)
    ticks, ticked = _ticks(state, packets, slots, times)
    quotes, quoted = _quotes(state, packets, slots, times)
    silent = full & ~ticked & ~quoted
    marks = _marks(times.record[silent], exchange_us[silent])
    unchanged = int(np.count_nonzero(~ticked & ~quoted))
    return Decoded(ticks=ticks, quotes=quotes, marks=marks, unknown=_given({"unchanged": unchanged}))


def _slots(state: KiteState, tokens: Ints) -> Ints:
    """The slot of every packet's token; tokens not met before get new ones, in order of appearance."""
    at = np.searchsorted(state.tokens, tokens)
    found = np.zeros(len(tokens), dtype=np.bool_)
    inside = at < len(state.tokens)
    found[inside] = state.tokens[at[inside]] == tokens[inside]
    if not found.all():
        _add_slots(state, list(dict.fromkeys(tokens[~found].tolist())))
        at = np.searchsorted(state.tokens, tokens)
    return state.slot[at]


def _add_slots(state: KiteState, tokens: list[int]) -> None:
    more, before = len(tokens), len(state.tokens)
    codes = [_instrument(state, token, state.listed.symbol(token) or f"KITE:{token}") for token in tokens]
    every = np.concatenate([state.tokens, np.array(tokens, dtype=np.int64)])
    slots = np.concatenate([state.slot, np.arange(before, before + more)])
    order = np.argsort(every)
    state.tokens, state.slot = every[order], slots[order]
    state.instrument = np.concatenate([state.instrument, np.array(codes, dtype=np.int64)])
    state.volume = np.concatenate([state.volume, _ints(more)])
    state.day = np.concatenate([state.day, _ints(more)])
    state.depth = np.concatenate([state.depth, _ints(more, 4)])


def _by_slot(slots: Ints) -> tuple[Ints, Mask, Mask]:
    """An order that groups packets by slot; where in it each group begins and ends."""
    order = np.argsort(slots, kind="stable")
    grouped = slots[order]
    edge = np.ones(len(order), dtype=np.bool_)
    edge[1:] = grouped[1:] != grouped[:-1]
    ends = np.ones(len(order), dtype=np.bool_)
    ends[:-1] = edge[1:]
    return order, edge, ends


def _one_later(values: Ints) -> Ints:
    """``values`` moved one row down; the first row is for the caller to fill."""
    later = np.empty_like(values)
    later[1:] = values[:-1]
    return later


def _ticks(state: KiteState, packets: Packets, slots: Ints, times: _Times) -> tuple[Ticks, Mask]:
    """Growths of volume as ticks, and which packets gave one."""
    order, begins, ends = _by_slot(slots)
    grouped = slots[order]
    volume = packets.word(VOLUME)[order]
    day = (times.recv_us[order] + IST_US) // DAY_US
    volume_before, day_before = _one_later(volume), _one_later(day)
    volume_before[begins], day_before[begins] = state.volume[grouped[begins]], state.day[grouped[begins]]
    growth = np.empty(len(order), dtype=np.int64)
    growth[order] = np.where((day == day_before) & (volume_before >= 0), volume - volume_before, 0)
    state.volume[grouped[ends]], state.day[grouped[ends]] = volume[ends], day[ends]
    ticked = growth > 0
    chosen = packets.take(ticked)
    ticks = columns(
        Ticks,
        record=times.record[ticked],
        ts_us=_trade_times(chosen, times, ticked),
        instrument=state.instrument[slots[ticked]],
        price=chosen.word(LAST_PRICE) / divisors(chosen.word(TOKEN)),
        size=growth[ticked],
    )
    return ticks, ticked


def _trade_times(packets: Packets, times: _Times, ticked: Mask) -> Ints:
    """The last trade's time, else the exchange's, else that of receipt."""
    full = packets.length == FULL
    traded_us = np.zeros(len(full), dtype=np.int64)
    traded_us[full] = packets.take(full).word(LAST_TRADE_TIME) * US_PER_S
    clock_us = np.where(times.exchange_us[ticked] > 0, times.exchange_us[ticked], times.recv_us[ticked])
    return np.where(traded_us > 0, traded_us, clock_us)


def _quotes(state: KiteState, packets: Packets, slots: Ints, times: _Times) -> tuple[Quotes, Mask]:
    """Changes of the first level of depth as quotes, and which packets gave one."""
    quoted = packets.length == FULL
    index = np.flatnonzero(quoted)
    book = packets.take(quoted)
    offsets = (BID_PRICE, BID_SIZE, ASK_PRICE, ASK_SIZE)
    depth = np.stack([book.word(offset) for offset in offsets], axis=1)
    order, begins, ends = _by_slot(slots[index])
    grouped = slots[index][order]
    depth_in_order = depth[order]
    before = _one_later(depth_in_order)
    before[begins] = state.depth[grouped[begins]]
    changed = np.empty(len(order), dtype=np.bool_)
    changed[order] = (depth_in_order != before).any(axis=1)
    state.depth[grouped[ends]] = depth_in_order[ends]
    changed &= (depth[:, 0] > 0) | (depth[:, 2] > 0)
    chosen, rows = depth[changed], index[changed]
    quoted[index[~changed]] = False
    per_unit = divisors(book.word(TOKEN)[changed])
    exchange_us = times.exchange_us[rows]
    quotes = columns(
        Quotes,
        record=times.record[rows],
        ts_us=np.where(exchange_us > 0, exchange_us, times.recv_us[rows]),
        estimated=exchange_us == 0,
        instrument=state.instrument[slots[rows]],
        bid_price=chosen[:, 0] / per_unit,
        bid_size=chosen[:, 1],
        ask_price=chosen[:, 2] / per_unit,
        ask_size=chosen[:, 3],
    )
    return quotes, quoted


FEED = Feed("kite", KiteState, decode, "Zerodha Kite: NSE, BSE, MCX; binary snapshots")
