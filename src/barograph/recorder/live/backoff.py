"""How long to wait before trying again, and how often one may try at all.

Pure: time and chance are handed in.
"""

from __future__ import annotations

from collections import deque
from random import Random

_MOST_DOUBLINGS = 40


class Backoff:
    """Waits that double up to a bound, drawn evenly from nothing to there ("full jitter").

    Of the ways to spread out clients that come back together, this one needs the fewest
    calls: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    A connection that opens and breaks at once is a failure like any other, so opening proves
    nothing: the waits begin anew only when data has come for ``sustained_s``.

    Args:
        min_s: upper bound of the first wait.
        max_s: upper bound of every wait of ours; a venue may ask for a longer one.
        sustained_s: data for so long since the last failure counts as success.
        random: chance.
    """

    def __init__(self, min_s: float, max_s: float, sustained_s: float, random: Random) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._sustained_s = sustained_s
        self._random = random
        self._failures = 0
        self._since_s: float | None = None

    def failed(self, asked_s: float = 0.0) -> float:
        """Note a failure; return the seconds to wait.

        ``asked_s`` is what the venue asked for. It is kept to, and spread by a first wait, since
        it was said to all.
        """
        bound = min(self._max_s, self._min_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        self._since_s = None
        drawn = self._random.random()
        if asked_s > 0:
            return max(asked_s + drawn * self._min_s, drawn * bound)
        return drawn * bound

    def data(self, now_s: float) -> None:
        """Data came."""
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._sustained_s:
            self._failures = 0


class Allowance:
    """At most ``most`` in any stretch of ``per_s`` seconds.

    Stricter than a bucket that is refilled evenly, which lets up to twice as many through in the first
    stretch; venues count in windows, and their answer to one too many is a ban.
    """

    def __init__(self, most: int, per_s: float) -> None:
        self._most = most
        self._per_s = per_s
        self._taken: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._blocked_until_s = float("-inf")

    def take(self, now_s: float, weight: int = 1) -> float:
        """Take ``weight`` now and return 0, or take nothing and return the seconds to wait.

        A weight beyond the bound is let through when nothing else was taken.
        """
        self._forget(now_s)
        if now_s < self._blocked_until_s:
            return self._blocked_until_s - now_s
        over = self._sum + min(weight, self._most) - self._most
        if over <= 0:
            self._taken.append((now_s, min(weight, self._most)))
            self._sum += min(weight, self._most)
            return 0.0
        for moment, taken in self._taken:
            over -= taken
            if over <= 0:
                return max(moment + self._per_s - now_s, 1e-6)
        return self._per_s

    def block(self, until_s: float) -> None:
        """Let nothing through before ``until_s``: the venue said so."""
        self._blocked_until_s = max(self._blocked_until_s, until_s)

    def _forget(self, now_s: float) -> None:
        while self._taken and self._taken[0][0] + self._per_s <= now_s:
            self._sum -= self._taken.popleft()[1]
