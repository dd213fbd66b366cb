"""What is said with Kite on one connection.

Source: kite.trade/docs/connect/v3/websocket. We send ``subscribe`` and ``mode``; the venue
confirms neither. What it sends is binary, but for JSON texts: ``error`` (told to the user),
``message`` (a notice from the broker, told as well), ``order`` (the account's orders, which are
none of our business) and some that its documents do not speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.kite_token import LOG_IN
from barograph.feeds.live.venue import Action, Ready, Send, Stop, Wanted, Warn
from barograph.gaps import Channel

Tokens = Callable[[Iterable[str]], dict[str, int]]
"""Looks the tokens of symbols up in the list of instruments."""

_TEXT = (b"{", b"[")
_OF_THE_SESSION = ("TokenException", "access_token", "api_key")
_MOST_TOLD = 100


class _Text(msgspec.Struct):
    type: str = ""
    data: Any = None


_text = msgspec.json.Decoder(_Text)


class Talk:
    """What is said on one connection; see :class:`~barograph.feeds.live.venue.Conversation`."""

    def __init__(self, wanted: Wanted, tokens: Tokens) -> None:
        self._lookup = tokens
        self._tokens = tokens(wanted)
        self._ready = False
        self._told: set[str] = set()

    def opened(self, now_ns: int) -> list[Action]:  # noqa: ARG002 - nothing is waited for
        return [*_subscribe(self._tokens.values())]

    def received(self, frames: Sequence[bytes], now_ns: int) -> list[Action]:  # noqa: ARG002
        texts = [frame for frame in frames if frame.startswith(_TEXT)]
        actions: list[Action] = []
        if not self._ready and len(texts) < len(frames):
            self._ready = True
            actions.append(Ready())
        for text in texts:
            actions += self._read(text)
        return actions

    def due(self, now_ns: int) -> list[Action]:  # noqa: ARG002 - nothing is waited for
        return []

    def change(self, wanted: Wanted, now_ns: int) -> list[Action]:  # noqa: ARG002
        before, self._tokens = self._tokens, self._lookup(wanted)
        gone = [token for symbol, token in before.items() if symbol not in self._tokens]
        new = [token for symbol, token in self._tokens.items() if symbol not in before]
        return [*_unsubscribe(gone), *_subscribe(new), *self._unlisted(wanted)]

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> list[Action]:  # noqa: ARG002
        token = self._tokens.get(symbol)
        return [] if token is None else [*_unsubscribe([token]), *_subscribe([token])]

    def _unlisted(self, wanted: Wanted) -> Iterable[Action]:
        missing = [symbol for symbol in wanted if symbol not in self._tokens]
        if missing:
            yield from self._warn(f"{', '.join(missing[:5])}: listed only since this connection was made")

    def _read(self, frame: bytes) -> Iterable[Action]:
        try:
            text = _text.decode(frame)
        except UNREADABLE:
            return ()
        said = text.data if isinstance(text.data, str) else msgspec.json.encode(text.data).decode()
        if text.type == "error":
            if any(word in said for word in _OF_THE_SESSION):
                return (Stop(f"kite: the venue ends the session ({said[:300]}); {LOG_IN}"),)
            return self._warn(f"the venue reports an error: {said[:300]}")
        return self._warn(f"a notice from the broker: {said[:300]}") if text.type == "message" else ()

    def _warn(self, said: str) -> Sequence[Action]:
        if said in self._told or len(self._told) >= _MOST_TOLD:
            return ()
        self._told.add(said)
        return (Warn(f"kite: {said}"),)


def _subscribe(tokens: Iterable[int]) -> Sequence[Send]:
    asked = list(tokens)
    return (_send("subscribe", asked), _send("mode", ["full", asked])) if asked else ()


def _unsubscribe(tokens: Iterable[int]) -> Sequence[Send]:
    asked = list(tokens)
    return (_send("unsubscribe", asked),) if asked else ()


def _send(action: str, value: list[Any]) -> Send:
    return Send(msgspec.json.encode({"a": action, "v": value}))
