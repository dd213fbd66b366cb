"""Massive (formerly Polygon.io) as a server: crypto at ``/crypto``, stocks at ``/stocks``, REST beside them.

Source: massive.com/docs; what is not written there follows what users report:

- A second connection with one key is welcomed, authenticated and subscribed like the first;
  only then one of the two hears ``max_connections`` and is closed with 1008. Which of them
  it is differs, so it is an option here.
- A key whose plan has only delayed data is authenticated on the real-time host all the same;
  subscribing then answers ``error``. A key whose plan has no websocket gets ``auth_failed``.
- A channel that the plan lacks answers ``not authorized``; the others stay.
- Any ticker can be subscribed to; of one that does not exist nothing ever comes.

How a connection ends after ``auth_failed`` and ``auth_timeout`` is told nowhere; here it is 1008.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from barograph.clock import MINUTE_US
from barograph.testing import massive_rest as rest
from barograph.testing import massive_wire as wire
from barograph.testing.client import Client
from barograph.testing.market import Event, LiveMarket, Quote
from barograph.testing.venue import Answer, Asked, PlainVenue

Cluster = Literal["crypto", "stocks"]
Tier = Literal["basic", "starter", "developer", "advanced"]

DELAY_US: Final = 15 * MINUTE_US
"""How far the delayed host is behind."""
CLUSTERS: Mapping[str, tuple[str, str]] = {"crypto": ("XT", "XQ"), "stocks": ("T", "Q")}
"""The channels of trades and quotes."""
_OTHERS = {"crypto": {"XA", "XAS", "XL2", "FMV"}, "stocks": {"A", "AM", "LULD", "NOI", "FMV"}}
_PRICING = "https://massive.com/pricing"
_NO_WEBSOCKET = f"Your plan doesn't include websocket access. Visit {_PRICING} to upgrade."
_ONLY_DELAYED = (
    "You don't have access real-time data. If your plan only includes delayed data, you can connect to the "
    "delayed websocket at wss://delayed.massive.com/{cluster}."
)
_TOO_MANY = (
    "Maximum number of websocket connections exceeded. "
    "You have reached the connection limit for your account."
)
_TOO_OFTEN = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    f"{_PRICING}"
)
_NOWHERE = Answer(404, b"404 page not found\n", content_type="text/plain")
_NOT_ENTITLED = f"You are not entitled to this data. Please upgrade your plan at {_PRICING}"


@dataclass(frozen=True, slots=True)
class Account:
    """What a key may have.

    ``basic`` has no websocket and no trades over REST; ``starter`` has crypto in real time and
    stocks on the delayed host; the others have everything in real time.

    Attributes:
        withheld: channels, such as ``"Q"``, that the plan lacks all the same.
    """

    crypto: Tier = "developer"
    stocks: Tier = "developer"
    withheld: frozenset[str] = frozenset()

    def tier(self, cluster: str) -> Tier:
        """The tier for one cluster."""
        return self.crypto if cluster == "crypto" else self.stocks


@dataclass(slots=True)
class Session:
    """What the server remembers of a connection; ``key`` and ``account`` once it is authenticated."""

    cluster: str
    key: str = ""
    account: Account = field(default_factory=Account)
    subscribed: set[str] = field(default_factory=set)


class Ask(msgspec.Struct):
    """A client's message: ``{"action":"subscribe","params":"XT.BTC-USD,XQ.*"}``."""

    action: str
    params: str


class Massive(PlainVenue):
    """The venue, for :class:`~barograph.testing.server.VenueServer`.

    Symbols with a hyphen are crypto pairs, the others stocks.

    Args:
        market: what is traded, of both clusters.
        accounts: what each key may have; ``test-key`` everything unless given. They may be changed later.
        delayed: be the delayed host: events, and trades over REST, say that they happened 15 minutes ago.
        connections: how many connections a key may have on each cluster.
        evict: which one goes when there are more.
        together: confirm a request's subscriptions in one frame; else each in its own.
        events_per_frame: at most so many events in one frame.
        auth_within_s: how long a client may take to authenticate.

    >>> venue = Massive(LiveMarket(["BTC-USD", "AAPL"]), {"KEY": Account(stocks="starter")})
    >>> trade = venue.market.trade("AAPL", price="228.10", size="3", ts_us=1_700_000_000_000_000)
    >>> venue.encode([trade], None)
    [b'[{"ev":"T","sym":"AAPL","x":4,"i":"1","z":3,"p":228.10,"s":3,"c":[14],"t":1700000000000,"q":11}]']
    """

    name = "massive"

    def __init__(
        self,
        market: LiveMarket,
        accounts: Mapping[str, Account] | None = None,
        *,
        delayed: bool = False,
        connections: int = 1,
        evict: Literal["newest", "oldest"] = "newest",
        together: bool = False,
        events_per_frame: int = 100,
        auth_within_s: float = 10.0,
    ) -> None:
        super().__init__(market)
        self.accounts = dict(accounts or {"test-key": Account()})
        self._delayed = delayed
        self._connections = connections
        self._evict_oldest = evict == "oldest"
        self._together = together
        self._events_per_frame = events_per_frame
        self._auth_within_s = auth_within_s
        self._clients: list[Client] = []

    # The websocket.

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:  # noqa: ARG002
        """404 for a cluster that there is not."""
        return None if path.strip("/") in CLUSTERS else _NOWHERE

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:  # noqa: ARG002
        """Greet, authenticate, then do what is asked until the end."""
        session = client.state = Session(path.strip("/"))
        _tell(client, "connected", "Connected Successfully")
        if not await self._authenticated(client, session):
            return
        self._clients.append(client)
        try:
            while True:
                self._do(client, session, await client.receive())
        finally:
            self._clients.remove(client)

    async def _authenticated(self, client: Client, session: Session) -> bool:
        try:
            async with asyncio.timeout(self._auth_within_s):
                while (ask := _read(await client.receive())) is None or ask.action != "auth":
                    _tell(client, "error", "not authorized")
        except TimeoutError:
            _tell(client, "auth_timeout", "No authentication request received.")
            client.close(1008)
            return False
        account = self.accounts.get(ask.params)
        if account is None or account.tier(session.cluster) == "basic":
            _tell(client, "auth_failed", "authentication failed" if account is None else _NO_WEBSOCKET)
            client.close(1008)
            return False
        session.key, session.account = ask.params, account
        _tell(client, "auth_success", "authenticated")
        return True

    def _do(self, client: Client, session: Session, message: str | bytes) -> None:
        ask = _read(message)
        if ask is None or ask.action not in ("subscribe", "unsubscribe", "auth"):
            _tell(client, "error", "invalid message")
            return
        if ask.action == "auth":
            _tell(client, "auth_success", "authenticated")
            return
        params = [param.strip() for param in ask.params.split(",")]
        asked = self._subscribe if ask.action == "subscribe" else self._unsubscribe
        statuses = [asked(session, param) for param in params]
        client.trades, client.quotes = self._wanted(session)
        for group in [statuses] if self._together else [[status] for status in statuses]:
            client.send(wire.frame(group))
        if session.subscribed:
            self._enforce(session)

    def _subscribe(self, session: Session, param: str) -> bytes:
        account = session.account
        channel, _, ticker = param.partition(".")
        if not ticker or channel not in {*CLUSTERS[session.cluster], *_OTHERS[session.cluster]}:
            return wire.status("error", f"invalid subscription: {param}")
        if session.cluster == "stocks" and account.stocks == "starter" and not self._delayed:
            return wire.status("error", _ONLY_DELAYED.format(cluster=session.cluster))
        if channel in account.withheld:
            return wire.status("error", "not authorized")
        session.subscribed.add(param)
        return wire.status("success", f"subscribed to: {param}")

    def _unsubscribe(self, session: Session, param: str) -> bytes:
        session.subscribed.discard(param)
        return wire.status("success", f"unsubscribed to: {param}")

    def _wanted(self, session: Session) -> tuple[set[str], set[str]]:
        trades, quotes = CLUSTERS[session.cluster]
        symbols = [
            symbol for symbol in self.market.symbols if is_crypto(symbol) == (session.cluster == "crypto")
        ]
        wanted = session.subscribed
        return (
            {symbol for symbol in symbols if not wanted.isdisjoint((f"{trades}.{symbol}", f"{trades}.*"))},
            {symbol for symbol in symbols if not wanted.isdisjoint((f"{quotes}.{symbol}", f"{quotes}.*"))},
        )

    def _enforce(self, session: Session) -> None:
        """Send away connections of the key beyond those that it may have."""
        mine = [
            client
            for client in self._clients
            if client.open and (client.state.key, client.state.cluster) == (session.key, session.cluster)
        ]
        extra = len(mine) - self._connections
        for client in (mine[:extra] if self._evict_oldest else mine[-extra:]) if extra > 0 else ():
            _tell(client, "max_connections", _TOO_MANY)
            client.close(1008)

    def too_slow(self, client: Client) -> None:
        """A client that cannot keep up is closed with 1008."""
        client.close(1008, "slow consumer", ended="too slow")

    # Events.

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """Stock quotes in whole round lots; 15 minutes ago on the delayed host."""
        shown = [
            wire.in_round_lots(event) if isinstance(event, Quote) and not is_crypto(event.symbol) else event
            for event in events
        ]
        return [event._replace(ts_us=event.ts_us - DELAY_US) for event in shown] if self._delayed else shown

    def encode(self, events: Sequence[Event], client: Client | None) -> list[bytes]:  # noqa: ARG002
        """Frames of up to ``events_per_frame`` events."""
        written = [wire.crypto(event) if is_crypto(event.symbol) else wire.stock(event) for event in events]
        most = self._events_per_frame
        return [wire.frame(written[at : at + most]) for at in range(0, len(written), most)]

    # REST.

    async def get(self, asked: Asked) -> Answer:
        """``/v3/trades/{ticker}`` for those who may."""
        key = asked.query.get("apiKey") or asked.headers.get("authorization", "").removeprefix("Bearer ")
        account = self.accounts.get(key)
        if account is None:
            return rest.refusal(401, "Unknown API Key" if key else "API Key was not provided")
        if not asked.path.startswith(rest.PATH):
            return _NOWHERE
        return self._trades(asked, account)

    def _trades(self, asked: Asked, account: Account) -> Answer:
        ticker = asked.path.removeprefix(rest.PATH)
        crypto = ticker.startswith("X:")
        cluster = "crypto" if crypto else "stocks"
        if account.tier(cluster) == "basic" or CLUSTERS[cluster][0] in account.withheld:
            return rest.refusal(403, _NOT_ENTITLED, kind="NOT_AUTHORIZED")
        behind_us = DELAY_US if self._delayed else 0
        try:
            query = rest.read_query(ticker, asked.query)
        except rest.BadQuery as error:
            return rest.refusal(400, str(error))
        symbol = self._symbol(ticker)
        found = rest.page(asked.past, symbol, query, behind_us) if symbol else rest.Page([], None)
        return rest.answer(asked, found, behind_us, is_crypto=crypto)

    def _symbol(self, ticker: str) -> str | None:
        names = {
            f"X:{symbol.replace('-', '')}" if is_crypto(symbol) else symbol: symbol
            for symbol in self.market.symbols
        }
        return names.get(ticker)

    def limited(self, retry_after_s: float) -> Answer:
        """429, as plans with few requests a minute know it."""
        return rest.refusal(429, _TOO_OFTEN, retry_after_s=retry_after_s)


def is_crypto(symbol: str) -> bool:
    """Whether a symbol is of the crypto cluster."""
    return "-" in symbol


def _tell(client: Client, kind: str, message: str) -> None:
    client.send(wire.frame([wire.status(kind, message)]))


def _read(message: str | bytes) -> Ask | None:
    try:
        return msgspec.json.decode(message, type=Ask)
    except msgspec.DecodeError:
        return None
