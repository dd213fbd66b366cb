"""Taking secrets out of what goes on the tape: addresses and the frames that we send."""

from __future__ import annotations

import re

_SECRET = rb"[^\s\"'=&?:,{}]*(?:key|token|secret|signature|passphrase|password)[^\s\"'=&?:,{}]*"
_QUERY = re.compile(rb"([?&]" + _SECRET + rb"=)[^&\s#\"']+", re.IGNORECASE)
_USER = re.compile(rb"(://)[^/@\s\"]+@")
_STRING = rb'"(?:[^"\\]|\\.)*"'
_MEMBER = re.compile(rb'("' + _SECRET + rb'"\s*:\s*)' + _STRING, re.IGNORECASE)
_PARAMS = re.compile(rb'("params"\s*:\s*)' + _STRING)
_LOGIN = re.compile(rb'"(?:auth|login)"')


def redact_text(text: bytes) -> bytes:
    """``text`` with the secrets of every address in it replaced by ``***``.

    Secrets are a user's name and password, and the values of query parameters whose names
    speak of a key, token, secret, signature, passphrase or password.
    """
    return _USER.sub(rb"\1***@", _QUERY.sub(rb"\1***", text))


def redact_url(url: str) -> str:
    """``url`` without secrets.

    >>> redact_url("wss://ws.kite.trade?api_key=abc&access_token=def&v=3")
    'wss://ws.kite.trade?api_key=***&access_token=***&v=3'
    """
    return redact_text(url.encode(errors="replace")).decode()


def redact_frame(frame: bytes) -> bytes:
    """A JSON frame that we sent, without the secrets of its addresses, members and logins.

    >>> redact_frame(b'{"action":"auth","params":"abc"}')
    b'{"action":"auth","params":"***"}'
    """
    frame = _MEMBER.sub(rb'\1"***"', redact_text(frame))
    return _PARAMS.sub(rb'\1"***"', frame) if _LOGIN.search(frame) else frame
