"""How many requests one caller may make: a token bucket each, and a bounded number of buckets."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from barograph.clock import NS_PER_S, Clock

BURST_S = 10.0
"""A caller who was quiet may make the requests of so many seconds at once."""
CALLERS = 10_000
"""Buckets that are remembered; the one unused for longest goes first, and begins anew full."""


class Buckets:
    """Answers of callers by key, so many a minute.

    >>> from barograph.clock import ManualClock
    >>> buckets = Buckets(per_minute=6, clock=ManualClock())
    >>> buckets.wait_s("one"), buckets.wait_s("one"), buckets.wait_s("other")
    (0.0, 10.0, 0.0)
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_s = per_minute / 60
        self.size = max(1.0, self.per_s * BURST_S)
        self._clock = clock
        self._filled: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Take one request from the bucket of ``key``; if it is empty, in how many seconds it is not."""
        now_ns = self._clock.now_ns()
        level, since_ns = self._filled.get(key, (self.size, now_ns))
        # A clock set back fills nothing, and forgets nothing.
        passed_s = max(0, now_ns - since_ns) / NS_PER_S
        level = min(self.size, level + passed_s * self.per_s)
        allowed = level >= 1
        self._filled[key] = (level - 1 if allowed else level, now_ns)
        self._filled.move_to_end(key)
        if len(self._filled) > CALLERS:
            self._filled.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self.per_s


def address_key(host: str) -> str:
    """What an address is counted by: one machine of IPv4, one network of IPv6, which has many to choose from.

    >>> address_key("2001:db8::1") == address_key("2001:db8::2")
    True
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False))
