"""The machine code reads what the parser reads, bit for bit, and leaves it the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph import snapshot
from barograph.compiled import COMPILED
from barograph.feeds import binance
from barograph.feeds.binance import FEED
from barograph.records import Frames, Kind
from barograph.rows import Decoded

if not COMPILED:
    pytest.skip("kernels are not compiled in this process", allow_module_level=True)

from barograph.feeds import binance_scan

RECORDINGS = ("binance-spot-btcusdt", "binance-spot-ethusdt", "binance-usdm-btcusdt")
MODEST = settings(max_examples=150, deadline=None)

SPOT_TRADE = (
    '{"e":"trade","E":%(sent)s,"s":%(name)s,"t":%(seq)s,"p":%(p)s,"q":%(q)s,"T":%(time)s,"m":%(m)s,"M":true}'
)
USDM_TRADE = (
    '{"e":"trade","E":%(sent)s,"T":%(time)s,"s":%(name)s,"t":%(seq)s,"p":%(p)s,"q":%(q)s,'
    '"X":"MARKET","m":%(m)s}'
)
SPOT_BOOK = '{"u":%(seq)s,"s":%(name)s,"b":%(p)s,"B":%(q)s,"a":%(a)s,"A":%(z)s}'
USDM_BOOK = (
    '{"e":"bookTicker","u":%(seq)s,"s":%(name)s,"b":%(p)s,"B":%(q)s,"a":%(a)s,"A":%(z)s,'
    '"T":%(time)s,"E":%(sent)s}'
)
FORMS = [
    *(SPOT_TRADE, USDM_TRADE, SPOT_BOOK, USDM_BOOK),
    *('{"stream":"btcusdt@trade","data":' + form + "}" for form in (SPOT_TRADE, USDM_TRADE)),
    *('{"stream":"btcusdt@bookTicker","data":' + form + "}" for form in (SPOT_BOOK, USDM_BOOK)),
]
VALUES = {
    "sent": "1723161255343",
    "time": "1723161255342",
    "seq": "3735683259",
    "name": '"BTCUSDT"',
    "p": '"61837.63000000"',
    "q": '"0.02000000"',
    "a": '"61837.64"',
    "z": '"1"',
    "m": "true",
}
DEPTH = b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"b":[["1","2"]],"a":[]}}'


def frame(form: str, **values: str) -> bytes:
    return (form % (VALUES | values)).encode()


def decode(frames: Frames, scanned_from: int) -> tuple[Decoded, bytes]:
    """The rows, and the state after them."""
    state = FEED.state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binance, "SCANNED_FROM", scanned_from)
        return FEED.decode(state, frames), snapshot.pack(state)


def agreed(tools: Any, frames: Frames) -> Decoded:
    """The rows, if both ways give the same."""
    fast, fast_state = decode(frames, 1)
    slow, slow_state = decode(frames, 10**9)
    assert tools.outcome([(0, fast)]) == tools.outcome([(0, slow)])
    assert fast_state == slow_state
    for table in ("ticks", "quotes"):
        for column in fields(getattr(slow, table)):
            of_fast, of_slow = (getattr(getattr(way, table), column.name) for way in (fast, slow))
            assert of_fast.dtype == of_slow.dtype, column.name
    return fast


def left(tools: Any, *payloads: bytes) -> list[int]:
    return binance_scan.scan(tools.frames_of(list(payloads)))[1]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_real_recording_is_read_alike_and_nearly_all_by_the_scanner(
    name: str, recorded: Callable[[str], Any], tools: Any
) -> None:
    frames = recorded(name).frames()
    assert len(agreed(tools, frames).ticks) > 5_000
    (other,) = binance_scan.scan(frames)[1]
    assert frames.payloads[other].startswith(b'{"lastUpdateId"')


@pytest.mark.parametrize("form", FORMS)
def test_the_usual_forms_are_understood(form: str, tools: Any) -> None:
    payload = frame(form)
    assert left(tools, payload) == []
    decoded = agreed(tools, tools.frames_of([payload] * 3))
    assert len(decoded.ticks) + len(decoded.quotes) == 3
    assert decoded.rejects == []


@pytest.mark.parametrize(
    "head",
    [b'{"stream":"a@depth@100ms",', b'{"stream":"a_1@depth",', b'{"e":"depthUpdate",'],
)
def test_a_depth_update_is_known_by_its_head(head: bytes, tools: Any) -> None:
    assert left(tools, head + b"whatever") == []
    assert agreed(tools, tools.frames_of([head, head + b"\xff"])).unknown == {"depthUpdate": 2}


UNUSUAL = {
    "sent": ["0", "-1", "01", "1.0", '"1723161255343"', "7258118400000000", "null", "9" * 19, ""],
    "time": ["0", "-1", "017", "1e3", "99999999999999", "7258118400000000", '"x"', "9" * 25, ""],
    "seq": ["-1", "00", "1000000000000000000", str(2**63), '"7"', "1.5", ""],
    "name": ['""', '"币安"', '"A\\u0042"', '"A-B"', '"A B"', '"' + "A" * 65 + '"', "7", "null", '"A'],
    "p": [
        *(
            "61837.63",
            '"-1"',
            '"+1"',
            '"1e3"',
            '"1E3"',
            '"1."',
            '".5"',
            '"01.5"',
            '""',
            '" 1"',
            '"1 "',
            '"NaN"',
        ),
        *('"inf"', '"0x1"', '"1_0"', '"1,5"', '"9007199254740993"', '"900719925474.0993"'),
        *('"1234567890123456789"', '"0.1234567890123456789"', "null", '"1.2.3"', '"１"'),
    ],
}
CASES = [(field, text) for field, texts in UNUSUAL.items() for text in texts]


@pytest.mark.parametrize(("field", "text"), CASES)
@pytest.mark.parametrize("form", FORMS[-4:])
def test_the_unusual_is_left_to_the_parser(form: str, field: str, text: str, tools: Any) -> None:
    if f"%({field})s" not in form:
        return
    payload = frame(form, **{field: text})
    assert left(tools, payload) == [0]
    agreed(tools, tools.frames_of([frame(form), payload, DEPTH, frame(form)]))


@pytest.mark.parametrize(
    "change",
    [
        (b'"s":', b' "s":'),
        (b'"s":', b'"s": '),
        (b"}}", b"}}\n"),
        (b"}}", b"}}}"),
        (b"}}", b'},"x":1}'),
        (b"}}", b',"x":1}}'),
        (b"}}", b"}"),
        (b'"e":"trade"', b'"e":"aggTrade"'),
        (b"@trade", b"@bookTicker"),
        (b"@trade", b"@trade@x"),
        (b"btcusdt@", b"btc,usdt@"),
        (b"btcusdt@", b"@"),
        (b"btcusdt@", b"!btcusdt@"),
        (b'"M":true', b'"M":null'),
        (b'"M":true', b'"M":true,"s":"ETHUSDT"'),
        (b'"m":true', b'"m":1'),
        (b'"m":true', b'"m":tru'),
        (b'{"stream"', b'[{"stream"'),
    ],
)
def test_another_form_is_left_to_the_parser(change: tuple[bytes, bytes], tools: Any) -> None:
    payload = frame(FORMS[4]).replace(*change)
    assert payload != frame(FORMS[4])
    assert left(tools, payload) == [0]
    agreed(tools, tools.frames_of([payload, frame(FORMS[4]), payload]))


decimals = st.one_of(
    st.decimals(min_value=0, max_value=10**9, places=8).map("{:f}".format),
    st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", fullmatch=True),
    st.integers(2**53 - 3, 2**53 + 3).flatmap(
        lambda n: st.integers(1, 15).map(lambda at: f"{str(n)[:at]}.{str(n)[at:]}")
    ),
)
integers = st.one_of(st.integers(0, 2**64), st.integers(10**12, 10**16)).map(str)


@st.composite
def rendered(draw: st.DrawFn) -> bytes:
    """A frame of a usual form with values of any size."""
    values = {key: f'"{draw(decimals)}"' for key in "pqaz"}
    values |= {key: draw(integers) for key in ("sent", "time", "seq")}
    values["name"] = (
        f'"{draw(st.sampled_from(["BTCUSDT", "ETHUSDT", "BTCUSDT_240927", "1000PEPEUSDT", "a"]))}"'
    )
    values["m"] = draw(st.sampled_from(["true", "false"]))
    return frame(draw(st.sampled_from(FORMS)), **values)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good frame that something happened to."""
    payload = frame(draw(st.sampled_from(FORMS)))
    at = draw(st.integers(0, len(payload) - 1))
    upto = draw(st.integers(at, min(len(payload), at + 9)))
    noise = draw(
        st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b",", b"0", b".", b"}", b" ", b"\\"]))
    )
    ways = [
        payload[:at],
        payload[:at] + noise + payload[upto:],
        payload[:upto] + payload[at:],
        payload + noise,
    ]
    return draw(st.sampled_from(ways))


usual = st.sampled_from([frame(form) for form in FORMS] + [DEPTH])
REFILL = (
    b'{"url":"https://api.binance.com/api/v3/trades?symbol=LTCUSDT"}\n'
    b'[{"id":8,"price":"61.1","qty":"0.5","time":1723161250000,"isBuyerMaker":true},{"id":"x"}]'
)
entries = st.lists(
    st.one_of(
        st.tuples(st.just(Kind.FRAME), st.one_of(usual, rendered(), damaged())),
        st.sampled_from(
            [(Kind.OPEN, b"{}"), (Kind.CLOSE, b"{}"), (Kind.CLOCK, b""), (Kind.SENT, frame(FORMS[0]))]
        ),
        st.just((Kind.REST, REFILL)),
    ),
    min_size=1,
    max_size=20,
)


@MODEST
@given(entries=entries, data=st.data())
def test_whatever_comes_both_ways_agree(
    entries: list[tuple[Kind, bytes]], data: st.DataObject, tools: Any
) -> None:
    n = len(entries)
    streams = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    kinds = [kind for kind, _ in entries]
    agreed(tools, tools.frames_of([payload for _, payload in entries], kinds=kinds, streams=streams))


@MODEST
@given(text=decimals)
def test_a_decimal_is_the_nearest_float(text: str, tools: Any) -> None:
    payload = frame(SPOT_BOOK, p=f'"{text}"')
    rows = binance_scan.scan(tools.frames_of([payload]))[0][0].quotes
    assert rows.bid_price.tolist() in ([], [float(text)])
    if len(text) <= 15:
        assert len(rows) == 1


def test_instruments_are_numbered_by_the_tape_whoever_reads_them(tools: Any) -> None:
    names = ["AUSDT", "币安USDT", "BUSDT", "AUSDT", "CUSDT"]
    payloads = [frame(FORMS[i % 4], name=f'"{name}"') for i, name in enumerate(names)]
    state = FEED.state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binance, "SCANNED_FROM", 1)
        FEED.decode(state, tools.frames_of(payloads))
    assert state.symbols == ["A-USDT", "币安-USDT-PERP", "B-USDT", "A-USDT-PERP", "C-USDT"]
    agreed(tools, tools.frames_of(payloads))


def test_more_names_than_there_is_room_for_and_more_frames_than_a_block(tools: Any) -> None:
    n = binance_scan.BLOCK + 700
    payloads = [frame(FORMS[i % 8], name=f'"{"XYZ"[i % 3]}{i % 3_001}USDT"') for i in range(n)]
    assert 0 < len(left(tools, *payloads)) < n // 2
    assert len(agreed(tools, tools.frames_of(payloads)).ticks) > n // 3


def test_names_whose_hashes_meet_are_told_apart(tools: Any) -> None:
    # 31 * "A" + "a" == 31 * "B" + "B"
    payloads = [
        frame(SPOT_TRADE, name=f'"{name}"') for name in ("Aa", "BB", "AaBB", "BBAa", "AaAa", "BBBB")
    ] * 2
    assert left(tools, *payloads) == []
    assert agreed(tools, tools.frames_of(payloads)).ticks.instrument.tolist() == [0, 1, 2, 3, 4, 5] * 2


WITHOUT = """
import sys
import numpy as np
from barograph.feeds.binance import FEED
from barograph.records import Frames
payloads = sys.stdin.buffer.read().splitlines()
n = len(payloads)
zeros = np.zeros(n, dtype=np.uint32)
frames = Frames(0, np.arange(n), np.arange(n) + 10**18, np.ones(n, dtype=np.uint8), zeros, payloads)
decoded = FEED.decode(FEED.state(), frames)
rows = decoded.ticks.price.tobytes() + decoded.quotes.ts_us.tobytes() + decoded.quotes.ask_size.tobytes()
print("numba" in sys.modules, "barograph.feeds.binance_scan" in sys.modules, rows.hex())
"""


def in_a_new_process(frames_of_each: int, no_numba: str) -> tuple[str, str]:
    """Whether the compiler and the scanner were imported, and the rows."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        input=b"\n".join([frame(form) for form in FORMS] * frames_of_each),
        env=os.environ | {"BAROGRAPH_NO_NUMBA": no_numba},
        capture_output=True,
        check=True,
    )
    loaded, _, rows = done.stdout.decode().strip().rpartition(" ")
    return loaded, rows


def test_the_compiler_is_not_loaded_for_short_runs() -> None:
    assert in_a_new_process(1, no_numba="0")[0] == "False False"


def test_a_process_without_the_compiler_gives_the_same_rows() -> None:
    loaded, rows = in_a_new_process(20, no_numba="1")
    assert loaded == "False False"
    assert in_a_new_process(20, no_numba="0") == ("True True", rows)
