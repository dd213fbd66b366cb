"""Zerodha Kite live: up to three connections, symbols by the day's list of instruments.

Source: kite.trade/docs/connect/v3 (websocket, market quotes, exceptions), and how the vendor's
client behaves (PyPI ``kiteconnect``).

- Key and token are in the address of the websocket. It is shown to nobody.
- The list of instruments is asked for before connecting and goes on the tape: it says which
  token stands for a symbol, here and for the decoder.
- Nothing is confirmed. The first binary frame, be it a heartbeat of one byte, which comes about
  every second when nothing else does, shows that the connection brings data.
- HTTP 403 in place of a websocket is a token that is wrong or has expired. It stays so until
  somebody logs in: the feed stops. 429 is a fourth connection of the same key.
- No old trades: Kite's history are candles.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

import msgspec

from barograph.clock import Clock
from barograph.errors import DecodeError, SettingsError
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.kite_instruments import Instruments, read_instruments
from barograph.feeds.live import ending
from barograph.feeds.live.kite_talk import Talk
from barograph.feeds.live.kite_token import LOG_IN, access
from barograph.feeds.live.venue import (
    Again,
    Limits,
    Plan,
    Preparing,
    Refilled,
    Refilling,
    Refused,
    Request,
    Stop,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings

INSTRUMENTS_A_CONNECTION = 3_000
CONNECTIONS = 3
_VERSION = ("X-Kite-Version", "3")
_INDICES = 9
"""The low byte of an index's token: it has no trades and no depth."""
_BOTH = (Channel.TRADES, Channel.QUOTES)
_CURRENCIES = ("EURUSD", "GBPUSD", "USDJPY")
_CALENDARS = {
    "NSE": "XBOM",
    "BSE": "XBOM",
    "NFO": "XBOM",
    "BFO": "XBOM",
    "CDS": "CDS",
    "BCD": "CDS",
    "MCX": "MCX",
    "NCO": "MCX",
}
_EXCHANGES = ", ".join(_CALENDARS)
_LIMITS = Limits(silent_s=15.0, ping_s=5.0, connects=(10, 60.0), requests=(5, 1.0), history=False)
_WAITS = {ending.POLICY: 30.0, ending.TRY_LATER: 10.0}
_LIMITED_WAIT_S = 60.0


class _Error(msgspec.Struct):
    """What the venue answers with a status of 400 and more."""

    message: str = ""
    error_type: str = ""


_error = msgspec.json.Decoder(_Error)


def kite(settings: Settings, clock: Clock | None = None) -> Kite:
    """Kite for the symbols of ``settings``, with the token that holds now.

    Raises:
        SettingsError: no key; no token, or an expired one; no symbols, a name that cannot be
            one, or more of them than the venue allows.
    """
    symbols = list(dict.fromkeys(settings.feeds.kite.symbols))
    if not symbols:
        raise SettingsError("kite has no symbols: set feeds.kite.symbols = ['NSE:INFY']")
    for symbol in symbols:
        exchange, colon, name = symbol.partition(":")
        if not (exchange and colon and name):
            raise SettingsError(
                f"feeds.kite.symbols: {symbol!r} is no symbol of Kite; write EXCHANGE:NAME, as NSE:INFY"
            )
    most = INSTRUMENTS_A_CONNECTION * CONNECTIONS
    if len(symbols) > most:
        raise SettingsError(f"feeds.kite.symbols has {len(symbols)} symbols; Kite allows {most} for one key")
    return Kite(settings, symbols, *access(settings, clock))


class Kite:
    """The description of Kite; see :class:`~barograph.feeds.live.venue.Live`."""

    name = "kite"
    limits = _LIMITS

    def __init__(self, settings: Settings, symbols: list[str], api_key: str, access_token: str) -> None:
        self._section = settings.feeds.kite
        self._symbols = symbols
        self._api_key = api_key
        self._access_token = access_token
        self._listed = Instruments()
        self._known: dict[str, int] = {}

    def prepare(self) -> Preparing:
        url = f"{self._section.rest_url.rstrip('/')}/instruments"
        headers = (_VERSION, ("Authorization", f"token {self._api_key}:{self._access_token}"))
        try:
            response = yield Request(url, headers)
        except Refused as no:
            raise SettingsError(self._no(no.status, no.body, "the list of instruments")) from None
        try:
            self._listed, _ = read_instruments(response.body)
        except DecodeError as error:
            raise SettingsError(f"kite: {error}; does feeds.kite.rest_url = {url!r} lead to Kite?") from error
        self._check()

    def plans(self) -> list[Plan]:
        tokens = self.tokens(self._symbols)
        secrets = urlencode({"api_key": self._api_key, "access_token": self._access_token})
        url = f"{self._section.url}?{secrets}"
        plans: list[Plan] = []
        for number, begin in enumerate(range(0, len(self._symbols), INSTRUMENTS_A_CONNECTION)):
            part = self._symbols[begin : begin + INSTRUMENTS_A_CONNECTION]
            wanted = {symbol: _channels(tokens.get(symbol)) for symbol in part}
            plans.append(Plan(f"kite-{number}", url, wanted, (_VERSION,)))
        return plans

    def conversation(self, plan: Plan) -> Talk:
        return Talk(plan.wanted, self.tokens)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        return ending.closed(code, reason, _WAITS)

    def refused(self, status: int, body: bytes) -> Again | Stop:
        if status in (400, 401, 403):
            return Stop(self._no(status, body, "the connection"))
        return ending.refused(status, "feeds.kite.url", _LIMITED_WAIT_S)

    def refill(self, gap: Gap) -> Refilling:
        yield from ()
        return Refilled(
            f"Kite sells no trade history: what {gap.symbol} did meanwhile is in no answer of its API",
            final=True,
        )

    def calendar(self, symbol: str) -> str:
        """By the exchange; of one that we do not know nothing is ever called closed."""
        exchange, _, name = symbol.partition(":")
        found = _CALENDARS.get(exchange, "24/7")
        return "CDS-cross" if found == "CDS" and name.startswith(_CURRENCIES) else found

    def tokens(self, symbols: Iterable[str]) -> dict[str, int]:
        """The tokens of those ``symbols`` that are on the list, in their order."""
        asked = list(symbols)
        missing = {symbol for symbol in asked if symbol not in self._known}
        if missing:
            # The whole list is gone through only for symbols that a reload has added.
            self._known |= {symbol: token for token, symbol in _entries(self._listed) if symbol in missing}
        return {symbol: self._known[symbol] for symbol in asked if symbol in self._known}

    def _check(self) -> None:
        found = self.tokens(self._symbols)
        unknown = [symbol for symbol in self._symbols if symbol not in found]
        if not unknown:
            return
        shown = ", ".join(self._near(symbol) for symbol in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise SettingsError(
            f"feeds.kite.symbols: Kite's list of today does not have {shown}{more}; exchanges are "
            f"{_EXCHANGES}, and derivatives leave the list when they expire"
        )

    def _near(self, unknown: str) -> str:
        """The symbol with the names on the list that were probably meant."""
        exchange, _, name = unknown.partition(":")
        # Comparing with all 100,000 would take seconds. People err behind the beginning, or in the exchange.
        begin = f"{exchange}:{name[:3]}".upper()
        candidates = [
            symbol
            for _, symbol in _entries(self._listed)
            if symbol.startswith(begin) or symbol.partition(":")[2] == name.upper()
        ]
        near = difflib.get_close_matches(unknown.upper(), candidates[:5_000], n=3)
        return f"{unknown!r} (did you mean {' or '.join(near)}?)" if near else repr(unknown)

    def _no(self, status: int, body: bytes, what: str) -> str:
        """The venue's refusal in its own words and ours, without secrets."""
        try:
            said = _error.decode(body)
        except UNREADABLE:
            said = _Error()
        message = said.message.replace(self._api_key, "***").replace(self._access_token, "***")[:300]
        told = f"kite refuses {what} (HTTP {status}{' ' + said.error_type if said.error_type else ''}"
        told += f": {message})" if message else ")"
        if status in (401, 403) or said.error_type == "TokenException":
            return f"{told}: the access token is wrong or has expired; {LOG_IN}"
        return f"{told}; check feeds.kite.api_key, feeds.kite.url and feeds.kite.rest_url"


def _channels(token: int | None) -> tuple[Channel, ...]:
    return () if token is not None and token & 0xFF == _INDICES else _BOTH


def _entries(listed: Instruments) -> Sequence[tuple[int, str]]:
    """Every token of the list with its symbol."""
    names, ends = listed.names.tobytes(), listed.ends.tolist()
    spans = zip(listed.tokens.tolist(), [0, *ends][: len(ends)], ends, strict=True)
    return [(token, names[begin:end].decode()) for token, begin, end in spans]
