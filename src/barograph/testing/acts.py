"""Faults that happen once: what a server does to a connection when told."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from barograph.errors import UsageError
from barograph.testing.client import Client
from barograph.testing.framing import BINARY, TEXT

ACTS = ("drop", "close", "cut", "not_json", "huge", "wrong_types", "binary", "go_away")
"""The names of all of them."""
HUGE_BYTES = 16 << 20


def act(client: Client, name: str, frame: bytes, *, code: int = 1001, reason: str = "") -> None:
    """Do it to ``client``.

    Args:
        client: whom.
        name: one of :data:`ACTS` but ``go_away``, which is the venue's.
        frame: a true frame of the venue, for what begins as one.
        code: of ``close``.
        reason: of ``close``.

    Raises:
        UsageError: there is no such act.
    """
    if name == "drop":
        client.drop()
    elif name == "close":
        client.close(code, reason)
    elif name == "cut":
        client.cut(frame)
    elif name == "not_json":
        client.raw(TEXT, frame[: len(frame) // 2])
    elif name == "huge":
        client.raw(TEXT, b'{"huge":"' + b"x" * HUGE_BYTES + b'"}')
    elif name == "wrong_types":
        client.raw(TEXT, wrong_types(frame))
    elif name == "binary":
        client.raw(BINARY, os.urandom(64))
    else:
        raise UsageError(f"{name!r} is nothing that a server does; there are: {', '.join(ACTS)}")


def wrong_types(frame: bytes) -> bytes:
    """``frame`` with each number in a list and each text but the first of an object as a number.

    >>> wrong_types(b'{"e":"trade","t":12,"p":"61800.1"}')
    b'{"e":"trade","t":[12],"p":7}'
    """
    try:
        return msgspec.json.encode(_wrong(msgspec.json.decode(frame)))
    except msgspec.DecodeError:
        return b'{"e":[],"p":{}}'  # a venue whose frames are binary


def _wrong(value: Any, *, first: bool = True) -> Any:
    if isinstance(value, dict):
        return {name: _wrong(inner, first=at == 0) for at, (name, inner) in enumerate(value.items())}
    if isinstance(value, list):
        return [_wrong(inner) for inner in value]
    if isinstance(value, str):
        return value if first else 7
    return [value]
