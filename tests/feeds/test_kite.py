from __future__ import annotations

import runpy
import struct
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.feeds.kite import FEED, KiteState
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.snapshot import pack, unpack

WIRE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "samples" / "kite.py")))
INFY, NIFTY, USDINR, NOON_S = WIRE.INFY, WIRE.NIFTY, WIRE.USDINR, WIRE.NOON_S
frame, full, quote = WIRE.frame, WIRE.full, WIRE.quote
NOON_NS = NOON_S * 10**9
DAY_NS = 86_400 * 10**9


def frames(payloads: Sequence[bytes], recv_ns: Sequence[int] | None = None, first: int = 0) -> Frames:
    n = len(payloads)
    kinds = [Kind.REST if payload.startswith(b'{"url"') else Kind.FRAME for payload in payloads]
    return Frames(
        first,
        np.arange(n),
        np.array([NOON_NS] * n if recv_ns is None else recv_ns, dtype=np.int64),
        np.array(kinds, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        list(payloads),
    )


def decoded(
    *payloads: bytes, recv_ns: Sequence[int] | None = None, state: KiteState | None = None
) -> Decoded:
    return FEED.decode(state if state is not None else FEED.state(), frames(payloads, recv_ns))


def listed() -> KiteState:
    state = KiteState()
    decoded(WIRE.INSTRUMENTS, state=state)
    return state


def test_growth_of_volume_is_a_tick() -> None:
    state = listed()
    packets = [
        full(INFY, 150_000, 1_000),
        full(INFY, 150_025, 1_010, traded_s=NOON_S - 2),
        full(INFY, 150_020, 1_010),
    ]
    rows = decoded(*map(frame, packets), state=state)
    assert rows.ticks.record.tolist() == [1]
    assert rows.ticks.price.tolist() == [1500.25]
    assert rows.ticks.size.tolist() == [10.0]
    assert rows.ticks.ts_us.tolist() == [(NOON_S - 2) * 10**6]
    assert (rows.ticks.side[0], rows.ticks.trade_id[0], rows.ticks.seq[0]) == (0, ABSENT, ABSENT)
    assert [state.symbols[code] for code in rows.ticks.instrument] == ["NSE:INFY"]


@pytest.mark.parametrize(
    ("volumes", "nights", "sizes"),
    [
        ([100], [0], []),
        ([100, 100], [0, 0], []),
        ([100, 130, 135], [0, 0, 0], [30, 5]),
        ([100, 90, 95], [0, 0, 0], [5]),
        ([100, 130], [0, 1], []),
        ([100, 20, 25], [0, 1, 1], [5]),
        ([0, 7], [0, 0], [7]),
    ],
)
def test_the_first_packet_of_a_day_and_a_falling_volume_set_the_base(
    volumes: list[int], nights: list[int], sizes: list[int]
) -> None:
    payloads = [frame(quote(INFY, 150_000, volume)) for volume in volumes]
    rows = decoded(*payloads, recv_ns=[NOON_NS + night * DAY_NS for night in nights])
    assert rows.ticks.size.tolist() == sizes


def test_the_day_is_india_s() -> None:
    midnight_ns = (NOON_S - NOON_S % 86_400 - 19_800) * 10**9
    payloads = [frame(quote(INFY, 1, volume)) for volume in (1, 5, 9)]
    rows = decoded(*payloads, recv_ns=[midnight_ns - 2, midnight_ns - 1, midnight_ns])
    assert rows.ticks.size.tolist() == [4]


@pytest.mark.parametrize(
    ("packet", "ts_us"),
    [
        (full(INFY, 1, 9, traded_s=NOON_S + 5, sent_s=NOON_S + 6), (NOON_S + 5) * 10**6),
        (full(INFY, 1, 9, traded_s=0, sent_s=NOON_S + 6), (NOON_S + 6) * 10**6),
        (full(INFY, 1, 9, traded_s=0, sent_s=0), NOON_NS // 1000),
        (quote(INFY, 1, 9), NOON_NS // 1000),
    ],
)
def test_the_time_of_a_tick(packet: bytes, ts_us: int) -> None:
    assert decoded(frame(quote(INFY, 1, 5)), frame(packet)).ticks.ts_us.tolist() == [ts_us]


@pytest.mark.parametrize(
    ("segment", "divisor"), [(1, 100), (2, 100), (3, 10_000_000), (6, 10_000), (12, 10_000)]
)
def test_the_divisor_of_a_price_is_its_segment_s(segment: int, divisor: int) -> None:
    token = 77 << 8 | segment
    rows = decoded(frame(quote(token, 1, 5)), frame(full(token, 839_525_000, 9, bid=(839_525_001, 2))))
    assert rows.ticks.price.tolist() == [839_525_000 / divisor]
    assert rows.quotes.bid_price.tolist() == [839_525_001 / divisor]


def test_a_quote_is_a_change_of_the_first_level() -> None:
    books = [
        {"bid": (100, 10), "ask": (105, 20)},
        {"bid": (100, 10), "ask": (105, 20)},
        {"bid": (100, 11), "ask": (105, 20)},
        {"bid": (100, 11), "ask": (106, 20)},
        {"bid": (0, 0), "ask": (0, 0)},
        {"bid": (0, 0), "ask": (106, 1), "sent_s": 0},
    ]
    rows = decoded(*(frame(full(INFY, 1, 5, **book)) for book in books)).quotes
    assert rows.record.tolist() == [0, 2, 3, 5]
    assert rows.bid_price.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert rows.bid_size.tolist() == [10, 11, 11, 0]
    assert rows.ask_price.tolist() == [1.05, 1.05, 1.06, 1.06]
    assert rows.ask_size.tolist() == [20, 20, 20, 1]
    assert rows.estimated.tolist() == [False, False, False, True]
    assert rows.ts_us.tolist() == [NOON_S * 10**6] * 3 + [NOON_NS // 1000]


def test_a_book_is_remembered_from_run_to_run() -> None:
    state = KiteState()
    book = {"bid": (100, 10), "ask": (105, 20)}
    assert len(decoded(frame(full(INFY, 1, 5, **book)), state=state).quotes) == 1
    assert len(decoded(frame(full(INFY, 1, 5, **book)), state=state).quotes) == 0
    assert len(decoded(frame(full(INFY, 1, 5, bid=(100, 10), ask=(106, 20))), state=state).quotes) == 1


def test_packets_without_a_row_move_time_on() -> None:
    rows = decoded(
        frame(full(INFY, 1, 5), WIRE.index(NIFTY, 9, NOON_S + 3)),
        frame(full(INFY, 1, 5, sent_s=NOON_S + 4)),
        frame(WIRE.index(NIFTY, 9), WIRE.index(NIFTY, 9, 0)),
    )
    assert rows.marks.record.tolist() == [0, 1]
    assert rows.marks.ts_us.tolist() == [(NOON_S + 3) * 10**6, (NOON_S + 4) * 10**6]
    assert rows.unknown == {"index": 3, "unchanged": 1}


def test_what_gives_no_rows_is_counted() -> None:
    rows = decoded(b"\0", b"\0", b'{"type":"error","data":"x"}', frame(WIRE.ltp(INFY, 5)), frame())
    assert rows.unknown == {"heartbeat": 2, "text": 1, "ltp": 1, "empty": 1}
    assert not rows.rejects
    assert len(rows.ticks) + len(rows.quotes) + len(rows.marks) == 0


def test_an_unknown_token_is_named_by_itself_until_a_list_comes() -> None:
    state = KiteState()
    payloads = [frame(quote(INFY, 1, volume)) for volume in (1, 3, 6, 10)]
    before = decoded(*payloads[:2], state=state)
    after = decoded(WIRE.INSTRUMENTS, *payloads[2:], state=state)
    assert [state.symbols[code] for code in before.ticks.instrument] == [f"KITE:{INFY}"]
    assert [state.symbols[code] for code in after.ticks.instrument] == ["NSE:INFY"] * 2
    assert after.ticks.size.tolist() == [3, 4], "the base is kept when only the name was unknown"


def test_a_token_that_a_new_list_gives_to_another_contract_starts_anew() -> None:
    state = listed()
    decoded(frame(quote(INFY, 1, 5)), frame(quote(INFY, 1, 6)), state=state)
    rows = decoded(
        WIRE.INSTRUMENTS.replace(b",INFY,", b",TCS24AUGFUT,"),
        frame(quote(INFY, 1, 9)),
        frame(quote(INFY, 1, 11)),
        state=state,
    )
    assert [state.symbols[code] for code in rows.ticks.instrument] == ["NSE:TCS24AUGFUT"]
    assert rows.ticks.size.tolist() == [2]


@pytest.mark.parametrize(
    ("broken", "ticks", "reason"),
    [
        (frame(quote(INFY, 1, 9), quote(NIFTY, 1, 9))[:-1], 1, "cut off: 1 of 2 packets are whole"),
        (frame(quote(INFY, 1, 9), quote(NIFTY, 1, 9))[:49], 1, "cut off: 1 of 2 packets are whole"),
        (frame(quote(INFY, 1, 9)) + b"x", 1, "1 bytes after the last packet"),
        (frame(b"x" * 43, quote(INFY, 1, 9)), 1, "a packet of 43 bytes"),
        (frame(b"", quote(INFY, 1, 9)), 1, "a packet of 0 bytes"),
        (b"\x00\x05", 0, "cut off: 0 of 5"),
        (struct.pack(">HH", 1, 184) + b"x" * 44, 0, "cut off"),
    ],
)
def test_a_broken_frame_is_rejected_and_its_whole_parts_used(broken: bytes, ticks: int, reason: str) -> None:
    rows = decoded(frame(quote(INFY, 1, 5)), broken)
    assert len(rows.ticks) == ticks
    assert [reject.record for reject in rows.rejects] == [1]
    assert reason in rows.rejects[0].reason
    assert broken.startswith(bytes.fromhex(rows.rejects[0].excerpt))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "columns"),
        (b"a,b,c\n1,2,3\n", "must have"),
        (b"instrument_token,exchange,tradingsymbol\nx,NSE,A\n", "without a row"),
    ],
)
def test_a_broken_list_is_rejected_and_the_old_one_holds(body: bytes, reason: str) -> None:
    state = listed()
    rows = decoded(b'{"url":"https://api.kite.trade/instruments"}\n' + body, state=state)
    assert len(rows.rejects) == 1
    assert reason in rows.rejects[0].reason
    assert state.listed.symbol(INFY) == "NSE:INFY"


def test_rows_of_a_list_that_cannot_be_read_are_counted() -> None:
    state = KiteState()
    rows = decoded(WIRE.INSTRUMENTS + b"oops\n-1,2\n", state=state)
    assert "2 rows" in rows.rejects[0].reason
    assert state.listed.symbol(USDINR) == "CDS:USDINR24AUGFUT"
    assert state.listed.symbol(USDINR + 1) is None


def reference(payloads: Sequence[bytes], recv_ns: Sequence[int]) -> list[tuple[int, int, float, int]]:
    """Ticks as (record, token, price, size), read packet by packet: slow and plain."""
    base: dict[int, tuple[int, int]] = {}
    ticks = []
    for record, payload in enumerate(payloads):
        at = 2
        for _ in range(struct.unpack_from(">H", payload)[0]):
            (length,) = struct.unpack_from(">H", payload, at)
            packet, at = payload[at + 2 : at + 2 + length], at + 2 + length
            if length not in (44, 184):
                continue
            token, price, *_, volume = struct.unpack_from(">IIIII", packet)
            day = (recv_ns[record] // 10**9 + 19_800) // 86_400
            old_volume, old_day = base.get(token, (0, -1))
            if old_day == day and volume > old_volume:
                ticks.append(
                    (record, token, price / (10_000_000 if token & 0xFF == 3 else 100), volume - old_volume)
                )
            base[token] = (volume, day)
    return ticks


TOKENS = (INFY, USDINR, 999 << 8 | 1)
PACKET = st.one_of(
    st.builds(
        quote,
        st.sampled_from(TOKENS),
        st.integers(1, 2**32 - 10).map(lambda p: max(p, 9)),
        st.integers(0, 50),
    ),
    st.builds(full, st.sampled_from(TOKENS), st.integers(9, 900), st.integers(0, 50)),
    st.builds(WIRE.ltp, st.sampled_from(TOKENS), st.integers(1, 900)),
    st.builds(WIRE.index, st.just(NIFTY), st.integers(20, 900), st.none() | st.integers(0, 2**32 - 1)),
)
PAYLOAD = st.lists(PACKET, max_size=4).map(lambda packets: frame(*packets))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(PAYLOAD, st.integers(0, 2)), max_size=10))
def test_ticks_equal_those_of_a_plain_reader(tape: list[tuple[bytes, int]]) -> None:
    payloads = [payload for payload, _ in tape]
    recv_ns = [
        NOON_NS + night * DAY_NS for night in np.cumsum([night == 2 for _, night in tape], dtype=int).tolist()
    ]
    state = KiteState()
    rows = decoded(*payloads, recv_ns=recv_ns, state=state).ticks
    tokens = [int(state.symbols[code].removeprefix("KITE:")) for code in rows.instrument]
    found = list(
        zip(rows.record.tolist(), tokens, rows.price.tolist(), rows.size.astype(int).tolist(), strict=True)
    )
    assert found == reference(payloads, recv_ns)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(PAYLOAD | st.just(WIRE.INSTRUMENTS) | st.binary(max_size=60), max_size=10), st.integers(0, 10)
)
def test_any_cut_and_any_checkpoint_gives_the_same_rows(payloads: list[bytes], cut: int) -> None:
    whole, early = KiteState(), KiteState()
    expected = decoded(*payloads, state=whole)
    first = decoded(*payloads[:cut], state=early)
    late = unpack(pack(early), KiteState)
    rest = decoded(*payloads[cut:], state=late)
    for kind in ("ticks", "quotes", "marks"):
        ahead, behind, both = getattr(first, kind), getattr(rest, kind), getattr(expected, kind)
        behind = behind.with_(record=behind.record + cut)
        for name in type(both).__slots__:
            joined = np.concatenate([getattr(ahead, name), getattr(behind, name)])
            np.testing.assert_array_equal(joined, getattr(both, name))
    assert pack(late) == pack(whole)
    assert len(first.rejects) + len(rest.rejects) == len(expected.rejects)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_make_it_raise(payloads: list[bytes]) -> None:
    rows = decoded(*payloads)
    assert (np.diff(rows.marks.record) >= 0).all()
