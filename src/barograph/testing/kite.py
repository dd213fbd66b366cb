"""Zerodha Kite as a server: binary packets over a websocket at ``/``, REST beside it.

Source: kite.trade/docs/connect/v3, "WebSocket streaming". What is not written there follows
what the vendor's support has answered in public:

- a wrong or expired token is refused in the handshake with 403, a connection beyond the
  third of a key with 429;
- the token is looked at when a connection is made and never again: what is open at the hour
  when tokens expire goes on, and cannot be made anew;
- beyond 3,000 instruments nothing more is subscribed to, an ``error`` message says so, and
  the connection stays;
- the first messages of a connection are text: ``instruments_meta`` and ``app_code``;
- on subscribing the last known packet of each instrument comes at once.

The body of a refused handshake is told nowhere; here it is the error of the REST API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from barograph.clock import US_PER_S
from barograph.testing import kite_rest as rest
from barograph.testing import kite_wire as wire
from barograph.testing.client import Client, beside
from barograph.testing.kite_board import Board, instruments_of
from barograph.testing.kite_wire import Instrument, Mode, Snapshot
from barograph.testing.market import Event, LiveMarket, Quote, Trade
from barograph.testing.venue import Answer, Asked, PlainVenue

CONNECTIONS, INSTRUMENTS = 3, 3_000
_PACKETS_PER_FRAME = 100
_KEPT = 100_000
"""Boards of so many events are remembered, for those that go out late or twice."""
_TEXTS = (
    b'{"type":"instruments_meta","data":{"count":90517,"etag":"12345678901234567890123456"}}',
    b'{"type":"app_code","timestamp":"2023-05-30T13:31:46+05:30"}',
)


class Ask(msgspec.Struct):
    """A client's message: ``{"a":"subscribe","v":[408065]}``, ``{"a":"mode","v":["full",[408065]]}``."""

    a: str
    v: list[Any]


@dataclass(slots=True)
class Session:
    """What the server remembers of a connection: the mode of each token."""

    api_key: str
    modes: dict[int, Mode] = field(default_factory=dict)


class Kite(PlainVenue):
    """The venue, for :class:`~barograph.testing.server.VenueServer`.

    Trades of an index are changes of its value; quotes of one are not shown.

    Args:
        market: what is traded: ``NSE:INFY``, ``NSE:NIFTY 50``.
        instruments: what the list has and its tokens; made from the market's symbols unless given.
        apps: the secret of each API key.
        access_token: is good for every key from the beginning; empty: none is.
        heartbeat_s: between two heartbeats.
        connections: of one key.
        most_instruments: on one connection.

    Attributes:
        sessions: logging in, and :meth:`~barograph.testing.kite_rest.Sessions.expire`.
    """

    name = "kite"
    binary = True

    def __init__(
        self,
        market: LiveMarket,
        *,
        instruments: Sequence[Instrument] | None = None,
        apps: Mapping[str, str] | None = None,
        access_token: str = "test-token",  # noqa: S107 - of a server for tests
        heartbeat_s: float = 1.0,
        connections: int = CONNECTIONS,
        most_instruments: int = INSTRUMENTS,
    ) -> None:
        super().__init__(market)
        self.instruments = list(instruments or instruments_of(market.symbols))
        known = dict(apps or {"test-key": "test-secret"})
        self.sessions = rest.Sessions(known, market.clock)
        for api_key in known if access_token else ():
            self.sessions.give(api_key, access_token)
        self._heartbeat_s = heartbeat_s
        self._connections = connections
        self._most = most_instruments
        self._boards = {each.symbol: Board(each) for each in self.instruments}
        self._by_token = {each.token: self._boards[each.symbol] for each in self.instruments}
        self._after: dict[tuple[type[Event], str, int], Snapshot] = {}
        self._clients: list[Client] = []

    def token(self, symbol: str) -> int:
        """The token that stands for ``symbol``."""
        return self._boards[symbol].instrument.token

    # The websocket.

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:  # noqa: ARG002
        """403 without the token of the day, 429 for one connection too many."""
        if path != "/":
            return rest.refusal(404, "GeneralException", "Route not found")
        api_key = query.get("api_key", "")
        if not self.sessions.allowed(api_key, query.get("access_token", "")):
            return rest.refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        open_now = sum(client.open and client.state.api_key == api_key for client in self._clients)
        return self.limited(1.0) if open_now >= self._connections else None

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:  # noqa: ARG002
        """Heartbeats, and what is asked until the end."""
        client.state = Session(query["api_key"])
        self._clients.append(client)
        try:
            for text in _TEXTS:
                client.send(text)
            await beside(self._asks(client), self._heartbeats(client))
        finally:
            self._clients.remove(client)

    async def _heartbeats(self, client: Client) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            client.send_binary(wire.HEARTBEAT)

    async def _asks(self, client: Client) -> None:
        while True:
            message = await client.receive()
            try:
                ask = msgspec.json.decode(message, type=Ask)
                changed = self._do(client.state, ask)
            except (msgspec.DecodeError, _Refused, ValueError) as error:
                client.send(_error(str(error)))
                continue
            self._assign(client)
            for frame in self._snapshots(client, changed):
                client.send_binary(frame)

    def _do(self, session: Session, ask: Ask) -> list[int]:
        """Change the session; the tokens of which something is to be sent at once.

        Raises:
            _Refused, ValueError: what is asked is too much, or is nothing that can be asked.
        """
        if ask.a == "mode":
            mode, tokens = Mode(ask.v[0] if ask.v else ""), _tokens(ask.v[1] if len(ask.v) > 1 else None)
            known = [token for token in tokens if token in session.modes]
            session.modes.update(dict.fromkeys(known, mode))
            return known
        tokens = _tokens(ask.v)
        if ask.a == "unsubscribe":
            for token in tokens:
                session.modes.pop(token, None)
            return []
        if ask.a != "subscribe":
            raise _Refused(f"Unknown action {ask.a}.")
        if len(session.modes.keys() | set(tokens)) > self._most:
            raise _Refused(f"Can't subscribe to more than {self._most} instruments.")
        for token in tokens:
            session.modes.setdefault(token, Mode.QUOTE)
        return tokens

    def _assign(self, client: Client) -> None:
        """Trades of what is subscribed to; quotes only in full mode, which alone has the book."""
        modes: dict[int, Mode] = client.state.modes
        known = {token: self._by_token[token].instrument for token in modes if token in self._by_token}
        client.trades = {instrument.symbol for instrument in known.values()}
        client.quotes = {known[token].symbol for token in known if modes[token] is Mode.FULL}

    def _snapshots(self, client: Client, tokens: Sequence[int]) -> list[bytes]:
        boards = [self._by_token[token] for token in tokens if token in self._by_token]
        for board in boards:
            trades = self.market.trades.get(board.instrument.symbol)
            if trades is not None:
                board.catch_up(trades, trades.next_number)
        snapshots = [board.snapshot for board in boards if not client.muted(board.instrument.symbol)]
        return _frames(snapshots, client.state.modes)

    def postback(self, order: Mapping[str, Any]) -> None:
        """Tell every client that an order has changed, as a text message."""
        for client in self._clients:
            client.send(msgspec.json.encode({"type": "order", "data": order}))

    # Events.

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of listed instruments, in whole sizes; each changes its board."""
        shown: list[Event] = []
        for event in events:
            board = self._boards.get(event.symbol)
            if board is None or (board.instrument.is_index and isinstance(event, Quote)):
                continue
            if isinstance(event, Trade):
                board.catch_up(self.market.trades[event.symbol], event.number)
            told = board.shown(event)
            self._after[type(told), told.symbol, told.number] = board.take(told)
            shown.append(told)
        while len(self._after) > _KEPT:
            del self._after[next(iter(self._after))]
        return shown

    def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:
        """The board after each event; a frame has a token once at most."""
        modes = client.state.modes if client.state else {}
        return _frames([self._told(event) for event in events], modes)

    def _told(self, event: Event) -> Snapshot:
        """The board after ``event``, with the event's own time: a server may have been told to lie."""
        after = self._after.get(
            (type(event), event.symbol, event.number), self._boards[event.symbol].snapshot
        )
        at_s = event.ts_us // US_PER_S
        traded_s = at_s if isinstance(event, Trade) and after.last_trade_s else after.last_trade_s
        return after._replace(exchange_s=at_s, last_trade_s=traded_s)

    # REST.

    async def get(self, asked: Asked) -> Answer:
        """Logging in, the profile, the list of instruments."""
        return rest.answer(asked, self.sessions, self.instruments)

    def limited(self, retry_after_s: float) -> Answer:
        """429."""
        return rest.refusal(429, "NetworkException", "Too many requests", retry_after_s=retry_after_s)


class _Refused(Exception):
    """Something that Kite answers with an error message; the connection stays."""


def _error(message: str) -> bytes:
    return msgspec.json.encode({"type": "error", "data": message})


def _tokens(value: object) -> list[int]:
    if not isinstance(value, list) or not all(type(token) is int for token in value):
        raise _Refused("Instrument tokens must be a list of numbers.")
    return value


def _frames(snapshots: Sequence[Snapshot], modes: Mapping[int, Mode]) -> list[bytes]:
    """Packets, in their order, in as few frames as may be."""
    frames: list[bytes] = []
    packets: dict[int, bytes] = {}
    for snapshot in snapshots:
        if snapshot.token in packets or len(packets) >= _PACKETS_PER_FRAME:
            frames.append(wire.frame(list(packets.values())))
            packets.clear()
        packets[snapshot.token] = wire.packet(snapshot, modes.get(snapshot.token, Mode.QUOTE))
    if packets:
        frames.append(wire.frame(list(packets.values())))
    return frames
