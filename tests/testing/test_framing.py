"""Frames as bytes: what RFC 6455 says of unmasked frames, read back by its rules."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.testing.framing import BINARY, PING, TEXT, blob, close_payload, framed


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each whole frame, as section 5.2 describes them."""
    frames, at = [], 0
    while at < len(data):
        first, size = data[at], data[at + 1]
        assert first & 0xF0 == 0x80, "final, nothing reserved"
        assert size < 128, "not masked"
        at += 2
        if size == 126:
            [size], at = struct.unpack_from("!H", data, at), at + 2
            assert size >= 126
        elif size == 127:
            [size], at = struct.unpack_from("!Q", data, at), at + 8
            assert size >= 65_536
        frames.append((first & 0x0F, data[at : at + size]))
        at += size
    return frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 2047, 2048, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
def test_a_frame_of_any_size_is_read_back(opcode: int, size: int) -> None:
    assert parse(framed(opcode, b"x" * size)) == [(opcode, b"x" * size)]


@given(st.lists(st.binary(max_size=200), max_size=20), st.sampled_from([TEXT, BINARY]))
def test_a_blob_is_its_frames_in_order(payloads: list[bytes], opcode: int) -> None:
    assert parse(blob(payloads, opcode)) == [(opcode, payload) for payload in payloads]


@pytest.mark.parametrize("size", [2_047, 2_048, 65_536])
def test_long_payloads_are_framed_in_a_blob_too(size: int) -> None:
    assert parse(blob([b"a", b"x" * size])) == [(TEXT, b"a"), (TEXT, b"x" * size)]


def test_a_close_has_its_code_and_a_reason_that_fits() -> None:
    assert close_payload(1008, "no") == b"\x03\xf0no"
    assert len(close_payload(1008, "x" * 500)) == 125
    assert close_payload(0, "nothing") == b""
