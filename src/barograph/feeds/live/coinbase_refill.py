"""Asking Coinbase Exchange for trades that we missed, over REST.

Source: docs.cdp.coinbase.com/exchange, product trades and pagination: ``/products/{id}/trades?after=N``
gives at most 1,000 trades from before the id N, newest first; without ``after`` the newest of all.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.holes import Holes, unaskable
from barograph.feeds.live.venue import Refilled, Refilling, Refused, Request
from barograph.gaps import Gap

PAGE = 1000


class _Trade(msgspec.Struct, gc=False):
    trade_id: int


_page = msgspec.json.Decoder(list[_Trade]).decode


def refill(rest_url: str, gap: Gap) -> Refilling:
    """Ask for the trades of ``gap``, page after page towards older ones."""
    reason = unaskable(gap)
    if reason or gap.first_id is None:
        return Refilled(reason, final=True)
    holes = Holes(gap.first_id, gap.last_id)
    url = f"{rest_url}/products/{quote(gap.symbol, safe='')}/trades"
    after = None if gap.last_id is None else gap.last_id + 1
    try:
        while True:
            limit = PAGE if after is None else min(PAGE, after - gap.first_id)
            cursor = {} if after is None else {"after": after}
            response = yield Request(f"{url}?{urlencode(cursor | {'limit': limit})}")
            ids = [trade.trade_id for trade in _page(response.body)]
            holes.fill(ids)
            oldest = min(ids, default=gap.first_id)
            if oldest <= gap.first_id or (after is not None and oldest >= after):
                return Refilled(holes.told())
            after = oldest
    except Refused as no:
        return Refilled(
            f"Coinbase said no: HTTP {no.status} {no.body[:200].decode(errors='replace')}".strip(), final=True
        )
    except UNREADABLE as error:
        return Refilled(f"Coinbase's answer is unreadable: {error}", final=True)
