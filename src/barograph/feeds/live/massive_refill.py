"""Asking Massive for old trades: ``GET /v3/trades/{ticker}``, page after page.

Source: massive.com/docs/rest. The key goes in a header, never in an address, and only to
the host of the settings: an answer names the address of the next page, and that is not
believed blindly.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec

from barograph.clock import NS_PER_US
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.venue import Refilled, Refilling, Refused, Request
from barograph.gaps import Channel, Gap

TRADES_A_PAGE = 10_000
"""The venue gives up to 50,000; smaller pages make smaller records on the tape,
and shorter pauses while one is read."""
_US_PER_MS = 1_000
_OWN_HOSTS = frozenset(("api.massive.com", "api.polygon.io"))
"""Two names of one venue: a page asked of one may name the other."""


class _Page(msgspec.Struct):
    """What leads on; the trades are the decoder's. ``results`` may be absent when there are none."""

    results: msgspec.Raw = msgspec.Raw()
    status: str = ""
    next_url: str | None = None

    @property
    def is_one(self) -> bool:
        """Whether this is a list of trades at all."""
        begins = bytes(memoryview(self.results)[:1])
        return begins == b"[" or (not begins and self.status in ("OK", "DELAYED"))


class _Refusal(msgspec.Struct):
    message: str = ""
    error: str = ""


_page = msgspec.json.Decoder(_Page)
_refusal = msgspec.json.Decoder(_Refusal)


def refill(gap: Gap, ticker: str, rest_url: str, key: str, tier: str) -> Refilling:
    """Ask for the trades of ``gap``, from its first to its last moment, both with it.

    Wire times are cut to the millisecond, so the window ends a millisecond later. What is known
    already comes again; it is told by its trade id.

    Args:
        ticker: the symbol's name over REST, ``X:BTCUSD``.
        tier: the setting to name when the plan does not include old trades.
    """
    if gap.channel is not Channel.TRADES:
        return Refilled("old quotes are not asked for: only trades are refilled", final=True)
    headers = (("Authorization", f"Bearer {key}"),)
    url: str | None = _first(gap, ticker, rest_url)
    while url is not None:
        asked = url
        try:
            response = yield Request(asked, headers)
        except Refused as no:
            return Refilled(_why(no, tier), final=True)
        try:
            page = _page.decode(response.body)
        except UNREADABLE as error:
            return Refilled(f"the venue's answer cannot be read: {error}", final=True)
        if not page.is_one:
            return Refilled("the venue's answer is no list of trades", final=True)
        following = page.next_url
        url = _on_our_host(following, rest_url) if following else None
        if following and (url is None or url == asked):
            return Refilled(
                "the answer leads to another host for the next page; the key is not sent there", final=True
            )
    return Refilled()


def _first(gap: Gap, ticker: str, rest_url: str) -> str:
    window = {
        "timestamp.gte": gap.first_us * NS_PER_US,
        "timestamp.lt": (gap.last_us + _US_PER_MS) * NS_PER_US,
        "order": "asc",
        "limit": TRADES_A_PAGE,
    }
    return f"{rest_url.rstrip('/')}/v3/trades/{ticker}?{urlencode(window)}"


def _on_our_host(following: str, rest_url: str) -> str | None:
    """The next page's address at our host; None when it is somewhere else."""
    try:
        page, ours = urlsplit(following), urlsplit(rest_url)
    except ValueError:
        return None
    same = (page.scheme, page.netloc) == (ours.scheme, ours.netloc)
    if not same and not {page.netloc, ours.netloc} <= _OWN_HOSTS:
        return None
    return page._replace(scheme=ours.scheme, netloc=ours.netloc).geturl()


def _why(no: Refused, tier: str) -> str:
    try:
        said = _refusal.decode(no.body)
        message = said.message or said.error
    except UNREADABLE:
        message = ""
    told = f"HTTP {no.status}: {message[:300]}" if message else f"HTTP {no.status}"
    remedy = f"; check {tier}" if no.status in (401, 403) else ""
    return f"the venue refuses old trades ({told}){remedy}"
