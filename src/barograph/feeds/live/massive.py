"""Massive (formerly Polygon.io) live: one connection for crypto, one for stocks.

Source: massive.com/docs, websocket and REST. **Plans** decide the address: *basic* has no websocket, and
*starter* stocks are 15 minutes late. With those, the times of rows, and so minutes, gaps and
staleness, are 15 minutes behind ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from barograph.errors import SettingsError
from barograph.feeds.live import ending
from barograph.feeds.live.massive_refill import refill
from barograph.feeds.live.massive_talk import CRYPTO, KEY, STOCKS, Cluster, Talk, evicted
from barograph.feeds.live.venue import Again, Limits, Plan, Preparing, Refilling, Stop
from barograph.gaps import Channel, Gap
from barograph.settings import Settings

_WAITS = {ending.POLICY: 30.0, ending.TRY_LATER: 10.0}
"""Code 1008 without a status before it is a reader that was too slow."""
_LIMITED_WAIT_S = 60.0
DELAY_S = 900.0
"""How far behind the delayed address is."""


def crypto(settings: Settings) -> Massive:
    """The feed ``polygon-crypto``.

    Raises:
        SettingsError: no key, a plan without websocket, no symbol, or one that cannot be.
    """
    section = settings.feeds.polygon
    return _made(settings, CRYPTO, section.tier_crypto, section.url, section.crypto)


def stocks(settings: Settings) -> Massive:
    """The feed ``polygon-stocks``; a *starter* plan connects to the delayed address.

    Raises:
        SettingsError: as :func:`crypto`.
    """
    section = settings.feeds.polygon
    delayed = section.tier_stocks == "starter"
    url = section.delayed_url if delayed else section.url
    delay_s = DELAY_S if delayed else 0.0
    return _made(settings, STOCKS, section.tier_stocks, url, section.stocks, delay_s)


def _made(
    settings: Settings,
    cluster: Cluster,
    tier: str,
    url: str,
    symbols: Sequence[str],
    delay_s: float = 0.0,
) -> Massive:
    section = settings.feeds.polygon
    key = section.api_key.get_secret_value() if section.api_key else ""
    if not key:
        raise SettingsError(f"{cluster.feed} needs a key: set {KEY} to the one that the account's page shows")
    if tier == "basic":
        raise SettingsError(
            f"{cluster.tier} = 'basic': that plan has REST only, no websocket, so {cluster.feed} cannot be "
            "recorded; set the plan that the account really has: starter, developer or advanced"
        )
    if not symbols:
        raise SettingsError(
            f"{cluster.feed} has no symbols: set feeds.polygon.{cluster.name} = ['{cluster.example}']"
        )
    for symbol in symbols:
        if not cluster.symbol.fullmatch(symbol):
            raise SettingsError(
                f"feeds.polygon.{cluster.name}: {symbol!r} is no symbol of {cluster.feed}; "
                f"write it as {cluster.example}"
            )
    channels = tuple(Channel(name) for name in dict.fromkeys(section.channels))
    wanted = dict.fromkeys(symbols, channels)
    plan = Plan(cluster.name, f"{url.rstrip('/')}/{cluster.name}", wanted)
    return Massive(cluster, plan, key, section.rest_url, delay_s)


class Massive:
    """The description of one of the two feeds; see :class:`~barograph.feeds.live.venue.Live`."""

    def __init__(self, cluster: Cluster, plan: Plan, key: str, rest_url: str, delay_s: float = 0.0) -> None:
        self.name = cluster.feed
        self.limits = Limits(connects=(10, 60.0), delay_s=delay_s)
        self.evicted = False
        """Whether the venue has said ``max_connections``: then what close code 1008 means is known."""
        self._cluster = cluster
        self._plan = plan
        self._key = key
        self._rest_url = rest_url

    def prepare(self) -> Preparing:
        yield from ()

    def plans(self) -> list[Plan]:
        return [self._plan]

    def conversation(self, plan: Plan) -> Talk:
        self.evicted = False
        return Talk(self._cluster, self._key, plan.wanted, self._is_evicted)

    def _is_evicted(self) -> None:
        self.evicted = True

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        if code == ending.POLICY and self.evicted:
            return Stop(evicted(self.name))
        return ending.closed(code, reason, _WAITS)

    def refused(self, status: int, body: bytes) -> Again | Stop:  # noqa: ARG002 - the status says it all
        if status in (401, 403):
            return Stop(f"{self.name}: the venue refuses the connection (HTTP {status}); check {KEY}")
        return ending.refused(status, "feeds.polygon.url", _LIMITED_WAIT_S)

    def refill(self, gap: Gap) -> Refilling:
        ticker = self._cluster.ticker + gap.symbol.replace("-", "" if self._cluster.ticker else "-")
        return refill(gap, ticker, self._rest_url, self._key, self._cluster.tier)

    def calendar(self, symbol: str) -> str:  # noqa: ARG002 - all symbols of a cluster share one
        return self._cluster.calendar
