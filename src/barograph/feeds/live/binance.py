"""Binance live: spot and USD-M futures, connections of one feed.

Source: binance/binance-spot-api-docs (``web-socket-streams.md``) and the USD-M documents.

- A connection is opened bare (``/ws``), so frames come without the wrapper that repeats the
  stream's name, and streams are asked for by ``SUBSCRIBE``: the same way a reload and the renewing
  of a mute stream take. USD-M is served under ``/public/ws`` since 2026 (the older ``/ws`` accepts
  connections and stays mute). An address of the settings that has a path is taken as it is.
- At most 1,024 streams a connection; we take 400, for the first reconnect to be quick.
- 5 messages a second to a spot connection, pongs among them; we send 2, of 100 streams each.
- An unknown stream is confirmed like any other: so symbols are checked beforehand, over REST.
- A connection ends after 24 hours at most, or after a ``serverShutdown`` about ten minutes before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live import ending
from barograph.feeds.live.binance_refill import MARKETS, check, refill
from barograph.feeds.live.naming import binance_name, read_binance_name, venue_names
from barograph.feeds.live.subscribing import Subscriber, parts
from barograph.feeds.live.venue import (
    Action,
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Preparing,
    Refilling,
    Replace,
    Stop,
    Wanted,
    Warn,
)
from barograph.feeds.symbols import USDM
from barograph.gaps import Channel, Gap
from barograph.settings import Settings
from barograph.settings.venues import BinanceSection

SETTING = "feeds.binance.symbols"
STREAMS_A_CONNECTION = 400
STREAMS_A_REQUEST = 100

LIMITS = Limits(
    ready_within_s=20.0,
    lifetime_s=23 * 3600 + 50 * 60,
    overlap_s=10.0,
    connects=(150, 300.0),
    sends=(2, 1.0),
    requests=(2000, 60.0),
)
"""Half of the connections that an address may make, and less than USD-M's 2,400 weights a minute."""

_WAITS = {ending.POLICY: 60.0, ending.TRY_LATER: 10.0}
_BANNED_S = 300.0
_STREAM = {Channel.TRADES: "trade", Channel.QUOTES: "bookTicker"}

_DATA = (b'{"u":', b'{"e":"trade"', b'{"e":"bookTicker"')
_WRAPPED = b'{"stream":"'
_NOTICE = b'{"stream":"!'
"""The streams of symbols begin with a letter or a digit."""


class _Request(msgspec.Struct):
    method: str
    params: list[str]
    id: int


class _Data(msgspec.Struct):
    e: str | None = None


class _Reply(msgspec.Struct):
    """Whatever is not data: an answer, an error, an event."""

    id: int | None = None
    result: Any = msgspec.UNSET
    error: Any = None
    code: int | None = None
    msg: str | None = None
    e: str | None = None
    data: _Data | None = None


_request = msgspec.json.encode
_reply = msgspec.json.Decoder(_Reply).decode


def binance(settings: Settings) -> Live:
    """Binance for the symbols of ``settings``.

    Raises:
        SettingsError: no symbols, or one that is not written in the canonical way.
    """
    return Binance(settings.feeds.binance)


class Binance:
    """The description of Binance; see :class:`~barograph.feeds.live.venue.Live`."""

    name = "binance"
    limits = LIMITS

    def __init__(self, section: BinanceSection) -> None:
        self._section = section
        example = '["BTC-USDT", "BTC-USDT-PERP"], which are spot and the USD-M future'
        self._names = venue_names(section.symbols, SETTING, example, binance_name, read_binance_name)
        self._notices: list[str] = []

    def prepare(self) -> Preparing:
        """Ask both markets whether they know the symbols; a check that cannot be made is told, not fatal."""
        for market in MARKETS:
            words = [word for name in self._names.values() if (word := market.word(name))]
            if words:
                self._notices += yield from check(market, market.rest_url(self._section), words, SETTING)

    def plans(self) -> list[Plan]:
        """Connections of spot and of futures, as many symbols on each as its streams allow."""
        channels = tuple(Channel(channel) for channel in self._section.channels)
        size = STREAMS_A_CONNECTION // len(channels)
        urls = {
            "spot": _address(self._section.url, "/ws"),
            "usdm": _address(self._section.futures_url, "/public/ws"),
        }
        plans = []
        for market, url in urls.items():
            symbols = [s for s, n in self._names.items() if n.startswith(USDM) == (market == "usdm")]
            for number, part in enumerate(parts(symbols, size)):
                plans.append(Plan(f"{market}-{number}", url, dict.fromkeys(part, channels)))
        return plans

    def conversation(self, plan: Plan) -> Conversation:
        """A new connection's talk; the first one passes on what the preparation has to tell."""
        notices, self._notices = self._notices, []
        return BinanceConversation(plan.wanted, notices)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        """Again; after a minute if we broke a rule, for those that break them often are banned."""
        return ending.closed(code, reason, _WAITS)

    def refused(self, status: int, body: bytes) -> Again | Stop:  # noqa: ARG002 - the status says it all
        """Again, after five minutes if the address is limited or banned; 451 is not for retrying."""
        return ending.refused(status, "feeds.binance.url (or feeds.binance.futures_url)", _BANNED_S)

    def refill(self, gap: Gap) -> Refilling:
        """Trades by their ids, from ``historicalTrades``."""
        return refill(self._section, binance_name(gap.symbol), gap)

    def calendar(self, symbol: str) -> str:  # noqa: ARG002 - the same for all
        """Always open."""
        return "24/7"


class BinanceConversation:
    """One connection's talk; see :class:`~barograph.feeds.live.venue.Conversation`."""

    def __init__(self, wanted: Wanted, notices: Sequence[str] = ()) -> None:
        self._subscriber = Subscriber(_streams(wanted), _split, _compose)
        self._notices = notices
        self._leaving = False

    def opened(self, now_ns: int) -> Sequence[Action]:
        """Subscribe to everything."""
        return [*(Warn(notice) for notice in self._notices), *self._subscriber.opened(now_ns)]

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        """Answers, errors and the notice of a shutdown."""
        others = [frame for frame in frames if not frame.startswith(_DATA)]
        return [action for frame in others for action in self._heard(frame, now_ns)]

    def due(self, now_ns: int) -> Sequence[Action]:
        """Ask again for what is not confirmed."""
        return self._subscriber.due(now_ns)

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        """Subscribe and unsubscribe the streams that differ."""
        return self._subscriber.change(_streams(wanted), now_ns)

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        """Take a stream anew."""
        return self._subscriber.renew(_stream(symbol, channel), now_ns)

    def _heard(self, frame: bytes, now_ns: int) -> list[Action]:
        if frame.startswith(_WRAPPED) and not frame.startswith(_NOTICE):
            return []
        try:
            reply = _reply(frame)
        except UNREADABLE:
            return []  # not an answer to us; the decoder rejects it, with the reason
        if "serverShutdown" in (reply.e, reply.data.e if reply.data else None):
            return self._leave()
        if reply.error is not None or reply.code is not None:
            return [Warn(f"Binance has refused a request: {_told(reply)}")]
        if reply.result is None:
            return self._subscriber.answered(reply.id, now_ns)
        return []

    def _leave(self) -> list[Action]:
        if self._leaving:
            return []
        self._leaving = True
        return [Replace("Binance is shutting this server down")]


def _address(url: str, path: str) -> str:
    """``url``, with the venue's path if it has none of its own."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + path


def _stream(symbol: str, channel: Channel) -> str:
    return f"{binance_name(symbol).removeprefix(USDM).lower()}@{_STREAM[channel]}"


def _streams(wanted: Wanted) -> list[str]:
    return [_stream(symbol, channel) for symbol, channels in wanted.items() for channel in channels]


def _split(names: Sequence[str]) -> list[list[str]]:
    return parts(names, STREAMS_A_REQUEST)


def _compose(subscribe: bool, names: Sequence[str], number: int) -> bytes:
    return _request(_Request("SUBSCRIBE" if subscribe else "UNSUBSCRIBE", list(names), number))


def _told(reply: _Reply) -> str:
    """An error's code and text, whichever of its two forms it has."""
    error = reply.error if isinstance(reply.error, dict) else {"code": reply.code, "msg": reply.msg}
    return f"{str(error.get('msg') or reply.error)[:200]} (code {str(error.get('code'))[:20]})"
