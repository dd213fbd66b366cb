"""The lines of recordings: every form, exactly, and what fits none."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.records import Kind
from barograph.tape.lines import Parsed, parse_line, parse_lines
from barograph.tape.redaction import redact_frame, redact_url


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1723161254087891268 {}", Parsed(1723161254087891268, Kind.FRAME, b"{}")),
        (b"1723161254087891268 ", Parsed(1723161254087891268, Kind.FRAME, b"")),
        (b"1723161254087891268  two spaces", Parsed(1723161254087891268, Kind.FRAME, b" two spaces")),
        (b"9223372036854775807 x", Parsed(2**63 - 1, Kind.FRAME, b"x")),
        (b"9223372036854775808 x", None),
        (b"172316125408789126 {}", None),
        (b"17231612540878912680 {}", None),
        (b"1723161254087891268{}", None),
        (b"1633998512.0633569: {}", Parsed(1633998512063356900, Kind.FRAME, b"{}")),
        (b"1633998512: {}", Parsed(1633998512000000000, Kind.FRAME, b"{}")),
        (b"1633998512.5: a: b", Parsed(1633998512500000000, Kind.FRAME, b"a: b")),
        (b"1633998512.1234567899: x", Parsed(1633998512123456789, Kind.FRAME, b"x")),
        (b"9223372037: x", None),
        (b"1633998512.5 : x", None),
        (b"wss://x/y <-> 1.5", Parsed(1500000000, Kind.OPEN, b'{"url":"wss://x/y"}')),
        (b"wss://x <-> 1.5: frame", None),
        (b'wss://x <- 1.5: {"a":1}', Parsed(1500000000, Kind.SENT, b'{"a":1}')),
        (b"wss://x <- 1.5", None),
        (b"https://x?a=1 -> 2: [1]", Parsed(2000000000, Kind.REST, b'{"url":"https://x?a=1"}\n[1]')),
        (b"no url <-> 1.5", None),
        (b"wss://x <-> noon", None),
        (b"", None),
        ("1723161254087891268 Ä".encode(), Parsed(1723161254087891268, Kind.FRAME, "Ä".encode())),
        ("١٧٢٣١٦١٢٥٤٠٨٧٨٩١٢٦٨ {}".encode(), None),
    ],
)
def test_a_line_says(line: bytes, expected: Parsed | None) -> None:
    assert parse_line(line) == expected
    batch = parse_lines(line + b"\n", 7)
    if expected is None:
        assert batch.payloads == [line] * bool(line)
        assert (batch.rejected, batch.recv_ns.tolist()) == ([0] * bool(line), [7] * bool(line))
    else:
        assert (int(batch.recv_ns[0]), Kind(int(batch.kind[0])), batch.payloads[0]) == expected


@settings(max_examples=200, deadline=None)
@given(seconds=st.decimals(0, 9_223_372_035, places=9))
def test_seconds_are_taken_by_their_digits(seconds: Decimal) -> None:
    parsed = parse_line(f"{seconds:f}: x".encode())
    assert parsed is not None
    assert parsed.recv_ns == int(seconds * 10**9)


good = st.tuples(
    st.integers(10**18, 2**63 - 1), st.binary(max_size=30).filter(lambda b: not set(b) & {10, 13})
)
line = good.map(lambda g: b"%d %s" % g) | st.sampled_from(
    [b"", b"  ", b"1.5: x", b"rubbish", b"wss://u <-> 3", b"1234567890123456789", b"12345678901234567890 x"]
)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=40), end=st.sampled_from([b"\n", b"\r\n"]))
def test_the_fast_way_agrees_with_line_by_line(lines: list[bytes], end: bytes) -> None:
    batch = parse_lines(end.join(lines) + end, 5)
    known, expected, rejected, places = None, [], [], []
    parsed_lines = [parse_line(each) for each in lines]
    first = next((p.recv_ns for p in parsed_lines if p), 5)
    for place, (each, parsed) in enumerate(zip(lines, parsed_lines, strict=True)):
        known = parsed.recv_ns if parsed else known
        if parsed is None and each.strip():
            rejected.append(len(expected))
        if parsed or each.strip():
            expected.append(parsed or Parsed(5 if known is None else known, Kind.FRAME, each))
            places.append(place)
    assert first >= 0
    found = zip(batch.recv_ns.tolist(), batch.kind.tolist(), batch.payloads, strict=True)
    assert [Parsed(ns, Kind(kind), payload) for ns, kind, payload in found] == expected
    assert (batch.rejected, batch.line.tolist(), batch.lines) == (rejected, places, len(lines))


def test_lines_before_the_first_known_time_have_that_time() -> None:
    batch = parse_lines(b"rubbish\n\nmore\n2: x\nrest\n", None)
    assert batch.recv_ns.tolist() == [2 * 10**9] * 4
    assert (batch.rejected, batch.line.tolist()) == ([0, 1, 3], [0, 2, 3, 4])


def test_a_batch_can_be_cut() -> None:
    batch = parse_lines(b"1: a\nbad\n2: b\nworse\n", None).since(2)
    assert (batch.payloads, batch.rejected, batch.line.tolist()) == ([b"b", b"worse"], [1], [2, 3])
    assert np.array_equal(batch.recv_ns, [2 * 10**9] * 2)


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        (
            "wss://ws.kite.trade?api_key=k&access_token=t%3D&v=3",
            "wss://ws.kite.trade?api_key=***&access_token=***&v=3",
        ),
        (
            "https://x/o?symbol=BTC&signature=ab12&timestamp=5",
            "https://x/o?symbol=BTC&signature=***&timestamp=5",
        ),
        ("https://x/?apiKey=Q#top", "https://x/?apiKey=***#top"),
        ("https://x/?X-Amz-Signature=q&enctoken=e", "https://x/?X-Amz-Signature=***&enctoken=***"),
        ("wss://me:pass@host/path", "wss://***@host/path"),
        ("wss://stream.binance.com:9443/stream?streams=a@trade/b@depth@100ms",) * 2,
    ],
)
def test_urls_lose_their_secrets_and_nothing_else(url: str, redacted: str) -> None:
    assert redact_url(url) == redacted


@pytest.mark.parametrize(
    ("frame", "redacted"),
    [
        (b'{"action":"auth","params":"KEY"}', b'{"action":"auth","params":"***"}'),
        (b'{"params": "KEY", "action" : "auth"}', b'{"params": "***", "action" : "auth"}'),
        (b'{"action":"subscribe","params":"XT.*"}',) * 2,
        (b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}',) * 2,
        (b'{"apiKey":"a\\"b","signature" : "c","x":"y"}', b'{"apiKey":"***","signature" : "***","x":"y"}'),
        (b'{"params":{"token":"t","channel":"own"}}', b'{"params":{"token":"***","channel":"own"}}'),
    ],
)
def test_frames_sent_lose_their_secrets_and_nothing_else(frame: bytes, redacted: bytes) -> None:
    assert redact_frame(frame) == redacted


def test_secrets_are_out_of_every_line() -> None:
    url = b"wss://h?token=SECRET"
    data = url + b" <-> 1\n" + url + b' <- 2: {"key":"SECRET"}\n' + url + b" oops\n"
    assert not any(b"SECRET" in payload for payload in parse_lines(data, None).payloads)
