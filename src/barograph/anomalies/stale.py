"""``stale``: nothing came of an instrument for ``stale_minutes`` or longer.

A minute is silent for an instrument that has been seen before when it has no bar. A
silence ends with the instrument's next bar, or with the last minute before its *venue*
falls silent for longer than ``stale_longest_gap``: that is a closed market, and the
minutes of it do not count; after it a new silence begins. A shorter silence of the whole
venue is an outage: its minutes count, and are known once the venue has a bar again.

A row stands at the silence's first minute. Its score is the silence's length in minutes
when a bar has ended it (within ``LOOKBACK``), else ``stale_minutes``: a row is written
when the threshold is crossed and once more when the instrument is back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from barograph.anomalies.history import Market, Series
from barograph.anomalies.rule import Crossing, as_json
from barograph.anomalies.settings import LOOKBACK, RuleSettings


class Silence(NamedTuple):
    """Minutes ``[start, stop)`` without a bar; ``over`` when a bar has ended them."""

    start: int
    stop: int
    over: bool


def _split(market: Market, last: int, stop: int, over: bool, longest: int) -> Iterator[Silence]:
    """The silences between a bar at ``last`` and one at ``stop``, cut where the market was closed."""
    alive = market.minutes[market.minutes.searchsorted(last) : market.minutes.searchsorted(stop, "right")]
    start = last + 1
    for k in (alive[1:] - alive[:-1] - 1 > longest).nonzero()[0].tolist():
        yield Silence(start, int(alive[k]) + 1, over=False)
        start = int(alive[k + 1])
    yield Silence(start, stop, over)


@dataclass(frozen=True, slots=True)
class Stale:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "stale"
    wide: ClassVar[bool] = True

    @property
    def threshold(self) -> float:
        return float(self.settings.stale_minutes)

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        """From the silence that ``low`` lies in to the end of the one that ``high`` lies in."""
        at = int(series.minute.searchsorted(low))
        if at == 0:
            # An instrument is silent from its first bar on: an earlier one opens all after it.
            return low, series.market.newest + 1
        start = int(series.minute[at - 1]) + 1
        alive = series.market.minutes
        after = int(alive.searchsorted(high, side="right"))
        stop = int(alive[after]) if after < len(alive) else high + 1
        return max(start, low - LOOKBACK), stop + 1

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        found = {}
        for silence in self._silences(series, start, stop):
            length = silence.stop - silence.start
            if start <= silence.start < stop and length >= self.settings.stale_minutes:
                over = silence.over and length <= LOOKBACK
                score = float(length) if over else self.threshold
                found[silence.start] = Crossing(score, as_json(minutes=score, over=float(over)))
        return found

    def _silences(self, series: Series, start: int, stop: int) -> Iterator[Silence]:
        """Every silence that is long enough to matter and begins between ``start`` and ``stop``."""
        minute, market, longest = series.minute, series.market, self.settings.stale_longest_gap
        first = max(int(minute.searchsorted(start)) - 1, 0)
        last = int(minute.searchsorted(stop))
        near = minute[first : last + 1]
        for k in (near[1:] - near[:-1] > self.settings.stale_minutes).nonzero()[0].tolist():
            yield from _split(market, int(near[k]), int(near[k + 1]), True, longest)
        if last == len(minute) and market.newest - minute[-1] >= self.settings.stale_minutes:
            yield from _split(market, int(minute[-1]), market.newest + 1, False, longest)
