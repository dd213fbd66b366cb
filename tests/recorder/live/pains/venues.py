"""The venues that the pains are shown with: a server of each, and the settings that lead there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from barograph.clock import to_us
from barograph.gaps import Channel
from barograph.tables import Flag
from barograph.testing import (
    Binance,
    Coinbase,
    Kite,
    Kraken,
    LiveMarket,
    Massive,
    Served,
    Venue,
    VenueServer,
    serving,
)

from ..house import House, Shifted, recording

BEAT_S = 0.02
"""How often a server gives a sign of life, so that the house's time can leap."""
MANY = 1_000
"""Incoming messages in a second: our pongs to pings that come so often are not to break a limit."""
KEY = "key-of-the-account"
TOKEN = "token-of-the-day"


@dataclass(frozen=True)
class Case:
    """A venue: its feed, what it trades, who serves it, and which settings lead there.

    Attributes:
        numbered: trade ids run without holes.
        start: a moment at which the market is open; None: always.
        old_trades: the venue sells them over REST.
        beats: it gives signs of life without data.
    """

    name: str
    feed: str
    symbol: str
    other: str
    venue: Callable[[LiveMarket], Venue]
    settings: Callable[[Served], dict[str, Any]]
    numbered: bool = True
    old_trades: bool = True
    beats: bool = True
    start: str | None = None

    def clock(self) -> Shifted:
        return Shifted(to_us(datetime.fromisoformat(self.start)) * 1_000 if self.start else None)


def _plain(section: str, path: str = "") -> Callable[[Served], dict[str, Any]]:
    return lambda it: {f"feeds__{section}__url": it.url + path, f"feeds__{section}__rest_url": it.rest_url}


def _usdm(it: Served) -> dict[str, Any]:
    return {
        "feeds__binance__futures_url": f"{it.url}/ws",
        "feeds__binance__futures_rest_url": it.rest_url,
        "feeds__binance__api_key": KEY,
    }


def _massive(it: Served) -> dict[str, Any]:
    tiers = {"feeds__polygon__tier_crypto": "developer", "feeds__polygon__tier_stocks": "developer"}
    return _plain("polygon")(it) | tiers | {"feeds__polygon__api_key": KEY}


def _kite(it: Served) -> dict[str, Any]:
    return _plain("kite", "/")(it) | {"feeds__kite__api_key": KEY, "feeds__kite__access_token": TOKEN}


def _massive_server(market: LiveMarket) -> Venue:
    from barograph.testing import Account

    return Massive(market, {KEY: Account()})


BINANCE = Case(
    "binance",
    "binance",
    "BTC-USDT",
    "ETH-USDT",
    lambda m: Binance(m, ping_s=BEAT_S, messages=MANY),
    _plain("binance"),
)
USDM = Case(
    "binance-usdm",
    "binance",
    "BTC-USDT-PERP",
    "ETH-USDT-PERP",
    lambda m: Binance(m, usdm=True, ping_s=BEAT_S, messages=MANY),
    _usdm,
)
COINBASE = Case(
    "coinbase",
    "coinbase",
    "BTC-USD",
    "ETH-USD",
    lambda m: Coinbase(m, heartbeat_s=BEAT_S),
    _plain("coinbase"),
)
KRAKEN = Case(
    "kraken", "kraken", "BTC-USD", "ETH-USD", lambda m: Kraken(m, heartbeat_s=BEAT_S), _plain("kraken", "/v2")
)
CRYPTO = Case(
    "polygon-crypto",
    "polygon-crypto",
    "BTC-USD",
    "ETH-USD",
    _massive_server,
    _massive,
    numbered=False,
    beats=False,
)
STOCKS = Case(
    "polygon-stocks",
    "polygon-stocks",
    "AAPL",
    "MSFT",
    _massive_server,
    _massive,
    numbered=False,
    beats=False,
    start="2026-11-18T15:00:00Z",
)
KITE = Case(
    "kite",
    "kite",
    "NSE:INFY",
    "NSE:RELIANCE",
    lambda m: Kite(m, apps={KEY: "secret"}, access_token=TOKEN, heartbeat_s=BEAT_S),
    _kite,
    numbered=False,
    old_trades=False,
    start="2026-11-18T05:00:00Z",
)

ALL = (BINANCE, USDM, COINBASE, KRAKEN, CRYPTO, STOCKS, KITE)


def where(*cases: Case) -> pytest.MarkDecorator:
    """Run the test for each of these venues."""
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


everywhere = where(*ALL)
numbered = where(*(case for case in ALL if case.numbered))
unnumbered = where(*(case for case in ALL if not case.numbered))
refillable = where(*(case for case in ALL if case.old_trades))

_SYMBOLS = {
    "polygon-crypto": "feeds__polygon__crypto",
    "polygon-stocks": "feeds__polygon__stocks",
}


class Scene:
    """A market, its server and the recorder's house."""

    def __init__(self, case: Case, served: Served, house: House, clock: Shifted) -> None:
        self.case = case
        self.served = served
        self.house = house
        self.clock = clock
        self.market = served.market
        self.faults = served.faults
        self.log = served.log
        self.symbol, self.other = case.symbol, case.other

    def trade(self, n: int = 1, symbol: str | None = None, **what: Any) -> None:
        """So many trades of the symbol; the size of each is its number, which all feeds bring."""
        name = symbol or self.symbol
        for _ in range(n):
            number = self.market.trades[name].next_number
            self.market.trade(name, **{"size": str(number)} | what)
        self.served.do(lambda _: None)  # by now the server has sent them

    def made(self, symbol: str | None = None, channel: Channel = Channel.TRADES) -> set[int]:
        """The numbers of everything that the market made."""
        return self.log.numbers_made(symbol or self.symbol, channel)

    def never_handed(self, symbol: str | None = None) -> list[int]:
        return self.log.never_handed(symbol or self.symbol, Channel.TRADES)

    def stored(self, symbol: str | None = None) -> list[int]:
        """The numbers of the trades in the table, as often as they stand there."""
        return sorted(int(row["size"]) for row in self.house.rows("ticks", symbol=symbol or self.symbol))

    def repaired(self, symbol: str | None = None) -> list[int]:
        """Those of them that came by a refill."""
        rows = self.house.rows("ticks", symbol=symbol or self.symbol)
        return sorted(int(row["size"]) for row in rows if row["flags"] & Flag.REPAIRED)

    def all_stored(self, symbol: str | None = None, within_s: float = 15.0) -> None:
        """Wait until the table has every trade that was made, each once."""
        self.house.until(
            lambda: self.stored(symbol) == sorted(self.made(symbol)), within_s, f"all trades of {symbol}"
        )

    def is_as_made(self) -> bool:
        """Whether the table has every trade of the market, each once."""

        def stored(symbol: str) -> list[tuple[float, float]]:
            return sorted((row["price"], row["size"]) for row in self.house.rows("ticks", symbol=symbol))

        return all(
            stored(symbol) == sorted((float(it.price), float(it.size)) for it in history.newest(10**6))
            for symbol, history in self.market.trades.items()
        )

    def pass_time(self, seconds: float, step_s: float = 10.0) -> None:
        """Let time go by on living connections; a venue without heartbeats sends quotes meanwhile."""
        while seconds > 0:
            if not self.case.beats:
                self.market.quote(self.other)
            self.house.pass_time(min(step_s, seconds))
            seconds -= step_s

    def cut_off(self, act: str = "drop", meanwhile: Callable[[], None] | None = None, **options: Any) -> None:
        """Have the connection ended; wait until it has been made again and is ready.

        Args:
            act: how it ends.
            meanwhile: what happens before a connection brings anything again.
            options: of the act.
        """
        before = self.opened()
        if meanwhile is not None:
            self.faults.change(stall=True)
        self.served.act(act, **options)
        if meanwhile is not None:
            meanwhile()
            before = self.served.do(self._mend)
        self.house.until(lambda: self.opened() > before, what="connected again")
        self.served.connected(1)
        self.house.live()

    def _mend(self, server: VenueServer) -> int:
        """Take the fault away, and the connections that have suffered it; how many there were so far."""
        server.faults.clear()
        server.act("drop")
        return self.opened()

    def opened(self) -> int:
        """Connections that were made so far."""
        return len(self.log.noted("opened"))


def symbols_setting(case: Case) -> str:
    """The setting that names a feed's symbols."""
    return _SYMBOLS.get(case.feed, f"feeds__{case.feed}__symbols")


def settings_for(case: Case, served: Served) -> dict[str, Any]:
    """The settings that lead to a case's server, with both of its symbols."""
    symbols = {symbols_setting(case): (case.symbol, case.other)}
    return {"record__feeds": (case.feed,), **symbols, **case.settings(served)}


@contextmanager
def scene(case: Case, data: Path, venue: Venue | None = None, **values: Any) -> Iterator[Scene]:
    """The venue is served and recorded, and its subscription stands, while the block runs."""
    market = venue.market if venue else LiveMarket((case.symbol, case.other), clock=case.clock())
    clock = market.clock if isinstance(market.clock, Shifted) else case.clock()
    with (
        serving(venue or case.venue(market)) as served,
        recording(data, clock, **settings_for(case, served) | values) as house,
    ):
        served.connected(1)
        house.live()
        yield Scene(case, served, house, clock)
