"""Asking Binance over REST: whether it knows our symbols, and for trades that we missed.

Source: binance/binance-spot-api-docs ``rest-api.md`` and the USD-M documents. The two markets
have the same questions under other addresses, weights and rules:

====================  =======================================  =====================================
question              spot                                     USD-M futures
====================  =======================================  =====================================
``exchangeInfo``      weight 20, by symbols                    weight 1, always everything
``historicalTrades``  weight 25, 1,000 at most, without a key  weight 20, 500 at most, a key is sent
====================  =======================================  =====================================

``historicalTrades`` gives trades from an id on, in ascending order. USD-M leaves out the trades of the
insurance fund and of auto-deleveraging, and what is older than some months.
"""

from __future__ import annotations

import difflib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import msgspec

from barograph.errors import SettingsError
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.ending import UNAVAILABLE_FOR_LEGAL_REASONS
from barograph.feeds.live.holes import Holes, unaskable
from barograph.feeds.live.subscribing import parts
from barograph.feeds.live.venue import Refilled, Refilling, Refused, Request, Response
from barograph.feeds.symbols import USDM, binance_symbol
from barograph.gaps import Gap
from barograph.settings.venues import BinanceSection

_SYMBOLS_A_QUESTION = 100

NO_KEY = (
    "Binance gives old trades of USD-M futures only to those who send a key; "
    "set feeds.binance.api_key (a key without any rights will do)"
)


@dataclass(frozen=True, slots=True)
class Market:
    """What differs between spot and futures."""

    prefix: str
    path: str
    by_symbols: bool
    info_weight: int
    trades_weight: int
    page: int
    needs_key: bool

    def word(self, name: str) -> str | None:
        """The market's own word for ``name``, or None if it is of the other market."""
        return name.removeprefix(USDM) if name.startswith(USDM) == bool(self.prefix) else None

    def rest_url(self, section: BinanceSection) -> str:
        """The address of its REST."""
        return (section.futures_rest_url if self.prefix else section.rest_url).rstrip("/")


SPOT = Market("", "/api/v3", by_symbols=True, info_weight=20, trades_weight=25, page=1000, needs_key=False)
FUTURES = Market(
    USDM, "/fapi/v1", by_symbols=False, info_weight=1, trades_weight=20, page=500, needs_key=True
)
MARKETS = (SPOT, FUTURES)


class _Listed(msgspec.Struct):
    symbol: str


class _Info(msgspec.Struct):
    symbols: list[_Listed]


class _Trade(msgspec.Struct, gc=False):
    id: int


class _Error(msgspec.Struct):
    code: int | None = None
    msg: str = ""


_info = msgspec.json.Decoder(_Info).decode
_page = msgspec.json.Decoder(list[_Trade]).decode
_error = msgspec.json.Decoder(_Error).decode


def check(
    market: Market, rest_url: str, words: Sequence[str], setting: str
) -> Generator[Request, Response, list[str]]:
    """Ask whether ``market`` knows all ``words``. Returns what to tell if the question got no answer.

    Raises (from the generator):
        SettingsError: it does not know one; near matches are named. Or it serves no one here.
    """
    try:
        known = yield from _known(market, rest_url, words)
        unknown = [word for word in words if word not in known]
        if unknown and market.by_symbols:
            # An answer about some symbols names none of the wrong ones: only the list of all tells.
            known = yield from _ask_info(
                market, f"{rest_url}{market.path}/exchangeInfo?showPermissionSets=false"
            )
            unknown = [word for word in words if word not in known]
    except Refused as no:
        if no.status == UNAVAILABLE_FOR_LEGAL_REASONS:
            raise SettingsError(
                f"Binance does not serve this place (HTTP {no.status}); "
                "set feeds.binance.url and feeds.binance.rest_url to addresses that it allows"
            ) from no
        return [f"could not ask Binance whether it knows the symbols: {_said(no)}"]
    except UNREADABLE as error:
        return [f"could not ask Binance whether it knows the symbols: its answer is unreadable: {error}"]
    if unknown:
        raise SettingsError(_advice(market, unknown, known, setting))
    return []


def _known(market: Market, rest_url: str, words: Sequence[str]) -> Generator[Request, Response, set[str]]:
    """The words among ``words`` that the market has, and maybe others."""
    url = f"{rest_url}{market.path}/exchangeInfo"
    if not market.by_symbols:
        return (yield from _ask_info(market, url))
    known: set[str] = set()
    for part in parts(words, _SYMBOLS_A_QUESTION):
        listed = quote(msgspec.json.encode(part).decode(), safe="")
        try:
            known |= yield from _ask_info(market, f"{url}?symbols={listed}&showPermissionSets=false")
        except Refused as no:
            if no.status != 400:
                raise
    return known


def _ask_info(market: Market, url: str) -> Generator[Request, Response, set[str]]:
    response = yield Request(url, weight=market.info_weight)
    return {listed.symbol for listed in _info(response.body).symbols}


def _advice(market: Market, unknown: Sequence[str], known: set[str], setting: str) -> str:
    told = []
    for word in unknown:
        near = difflib.get_close_matches(word, known, n=3)
        hint = f" (near: {', '.join(binance_symbol(market.prefix + one) for one in near)})" if near else ""
        told.append(binance_symbol(market.prefix + word) + hint)
    return f"{setting}: Binance {'USD-M' if market.prefix else 'spot'} does not have {', '.join(told)}"


def refill(section: BinanceSection, name: str, gap: Gap) -> Refilling:
    """Ask for the trades of ``gap`` by their ids, page after page."""
    market = FUTURES if name.startswith(USDM) else SPOT
    reason = unaskable(gap)
    if reason or gap.first_id is None:
        return Refilled(reason, final=True)
    if market.needs_key and section.api_key is None:
        return Refilled(NO_KEY, final=True)
    key = section.api_key.get_secret_value() if section.api_key else ""
    headers = (("X-MBX-APIKEY", key),) if key else ()
    url = f"{market.rest_url(section)}{market.path}/historicalTrades"
    holes, start = Holes(gap.first_id, gap.last_id), gap.first_id
    try:
        while True:
            limit = market.page if gap.last_id is None else min(market.page, gap.last_id - start + 1)
            query = urlencode({"symbol": name.removeprefix(USDM), "fromId": start, "limit": limit})
            response = yield Request(f"{url}?{query}", headers, market.trades_weight)
            ids = [trade.id for trade in _page(response.body)]
            holes.fill(ids)
            newest = max(ids, default=-1)
            done = len(ids) < limit if gap.last_id is None else newest >= gap.last_id
            if done or newest < start:
                return Refilled(holes.told())
            start = newest + 1
    except Refused as no:
        return Refilled(f"Binance said no: {_said(no)}", final=True)
    except UNREADABLE as error:
        return Refilled(f"Binance's answer is unreadable: {error}", final=True)


def _said(no: Refused) -> str:
    """The status and the venue's own words."""
    try:
        error = _error(no.body)
    except UNREADABLE:
        return f"HTTP {no.status}"
    key = (
        "; feeds.binance.api_key is not accepted" if no.status == 401 or error.code in (-2014, -2015) else ""
    )
    return f"HTTP {no.status}, {error.msg[:200]} (code {error.code}){key}"
