"""What the end of a connection means where no account is at stake: sooner or later, again."""

from __future__ import annotations

from collections.abc import Mapping

from barograph.feeds.live.venue import Again, Stop

POLICY = 1008
"""The close code for breaking a rule: too many messages, too slow a reader."""
TRY_LATER = 1013
"""The close code of a server that is overloaded."""

RATE_LIMITED = (418, 429)
"""HTTP statuses of asking too often; 418 is Binance's, for an address that it has banned."""
UNAVAILABLE_FOR_LEGAL_REASONS = 451


def closed(code: int | None, reason: str, waits: Mapping[int, float]) -> Again:
    """Connect again, after as many seconds as ``waits`` has for the close code."""
    if code is None:
        return Again("the connection broke")
    told = f"closed with {code} {reason}".strip()
    return Again(told, waits.get(code, 0.0))


def refused(status: int, setting: str, limited_s: float) -> Again | Stop:
    """What an HTTP answer in place of a websocket means.

    Args:
        status: of the answer.
        setting: the setting that has the address, ``"feeds.kraken.url"``.
        limited_s: how long the venue wants to be left alone after too many attempts.
    """
    told = f"HTTP {status} instead of a websocket"
    if status == UNAVAILABLE_FOR_LEGAL_REASONS:
        return Stop(
            f"{told}: the venue does not serve this place; set {setting} to an address that it allows"
        )
    if status in RATE_LIMITED or status == 403:
        return Again(f"{told}: too many attempts from this address", limited_s)
    if status >= 500:
        return Again(told, 1.0)
    return Again(f"{told}: is {setting} right?", 60.0)
