"""HTTP answers on the tape: what was asked, and what came back.

A record of kind ``REST`` is one line of JSON with the address asked for, a newline, and
the body exactly as it came.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from barograph.errors import DecodeError


class Answer(NamedTuple):
    """One HTTP answer: the decoded path of its address, and its body."""

    path: str
    body: bytes


class _Asked(msgspec.Struct):
    url: str


_asked = msgspec.json.Decoder(_Asked)


def _address(payload: bytes) -> tuple[SplitResult, bytes]:
    head, _, body = payload.partition(b"\n")
    try:
        return urlsplit(_asked.decode(head).url), body
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"an HTTP answer without its address: {error}") from error


def read_answer(payload: bytes) -> Answer:
    r"""The answer that a ``REST`` record carries.

    Raises:
        DecodeError: the first line is not JSON with a ``url``.

    >>> read_answer(b'{"url":"https://api.massive.com/v3/trades/X%3ABTCUSD?limit=9"}\n{}')
    Answer(path='/v3/trades/X:BTCUSD', body=b'{}')
    """
    address, body = _address(payload)
    return Answer(unquote(address.path), body)


def asked_for(payload: bytes, key: str) -> str:
    r"""What the address of a ``REST`` record says for ``key`` after its question mark.

    Raises:
        DecodeError: there is no address, or it does not say.

    >>> asked_for(b'{"url":"https://api.binance.com/api/v3/trades?symbol=BTCUSDT"}\n[]', "symbol")
    'BTCUSDT'
    """
    address, _ = _address(payload)
    try:
        return dict(parse_qsl(address.query))[key]
    except (KeyError, ValueError) as error:
        raise DecodeError(f"the address of an HTTP answer does not say its {key!r}") from error
