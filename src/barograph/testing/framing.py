"""Websocket frames of a server, as bytes (RFC 6455, section 5.2: unmasked)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL = 0x80
_KNOWN = 2048


def header(opcode: int, size: int) -> bytes:
    """What goes before ``size`` bytes of payload in one whole frame."""
    first = _FINAL | opcode
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


def framed(opcode: int, payload: bytes) -> bytes:
    """One whole frame."""
    return header(opcode, len(payload)) + payload


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame; without a code it is empty."""
    return struct.pack("!H", code) + reason.encode()[:123] if code else b""


def blob(payloads: Sequence[bytes], opcode: int = TEXT) -> bytes:
    """All ``payloads``, a frame each, as one run of bytes to write at once."""
    headers = _HEADERS[opcode]
    pieces: list[bytes] = []
    for payload in payloads:
        size = len(payload)
        pieces += (headers[size] if size < _KNOWN else header(opcode, size), payload)
    return b"".join(pieces)


_HEADERS = {opcode: [header(opcode, size) for size in range(_KNOWN)] for opcode in (TEXT, BINARY)}
