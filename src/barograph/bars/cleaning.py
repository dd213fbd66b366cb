"""Flags for rows that should not be trusted; no row is ever dropped.

==============  ============================================================================
flag            set on
==============  ============================================================================
NONPOSITIVE     a trade whose price or size is not above zero or not finite; a quote with
                such a price, or with a negative or infinite size (a size not given is NaN)
OUTLIER         a trade whose price is further than ``outlier_pct`` percent from the median
                of the last 51 trades of its instrument before it; needs at least 11
CROSSED         a quote whose bid is above its ask
FUTURE          a row stamped later than its receipt plus ``max_ahead_us``
==============  ============================================================================

The median sees only trades that came before (it is causal), in the order of the tape, and
takes in every trade that is not NONPOSITIVE, flagged ones too: when the market has truly
moved to a new level, the median follows after 26 trades and the flags stop.

Bits that a decoder has set (``REPAIRED``) stay.
"""

from __future__ import annotations

import msgspec
import numpy as np

from barograph.bars.settings import OUTLIER_PCT
from barograph.clock import NS_PER_US
from barograph.compiled import compiled
from barograph.errors import SettingsError
from barograph.rows import Bits, Codes, Floats, Ints, Mask, Quotes, Ticks
from barograph.tables import Flag

WINDOW = 51
LEAST = 11
MAX_AHEAD_US = 5_000_000

_TICK_FLAGS = {"nonpositive": Flag.NONPOSITIVE, "outlier": Flag.OUTLIER, "future": Flag.FUTURE}
_QUOTE_FLAGS = {"nonpositive": Flag.NONPOSITIVE, "crossed": Flag.CROSSED, "future": Flag.FUTURE}


class Recent(msgspec.Struct):
    """What a :class:`Cleaner` remembers.

    Attributes:
        prices: float64, (instruments, 51): the last prices of each, a ring.
        ordered: float64, (instruments, 51): the same prices, ascending.
        trades: int64, (instruments,): trades taken in so far.
        ticks: how many trades were flagged, by flag.
        quotes: how many quotes were flagged, by flag.
    """

    prices: Floats = msgspec.field(default_factory=lambda: np.empty((0, WINDOW)))
    ordered: Floats = msgspec.field(default_factory=lambda: np.empty((0, WINDOW)))
    trades: Ints = msgspec.field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ticks: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_TICK_FLAGS, 0))
    quotes: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_QUOTE_FLAGS, 0))


@compiled
def _exchange(ordered: Floats, count: int, gone: float, come: float) -> None:
    """Take ``gone`` out of the ascending ``ordered[:count]`` and put ``come`` in."""
    at = 0
    while ordered[at] != gone:
        at += 1
    while at + 1 < count and ordered[at + 1] < come:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > come:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = come


@compiled
def _insert(ordered: Floats, count: int, come: float) -> None:
    """Put ``come`` into the ascending ``ordered[:count]``, which grows by one."""
    at = count
    while at > 0 and ordered[at - 1] > come:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = come


@compiled
def _mark_outliers(
    instrument: Codes, price: Floats, bad: Mask, prices: Floats, ordered: Floats, trades: Ints, share: float
) -> Mask:
    """Which trades are too far from the median before them; the windows take all but ``bad`` in."""
    outlier = np.zeros(len(price), dtype=np.bool_)
    window = prices.shape[1]
    for k in range(len(price)):
        if bad[k]:
            continue
        code = instrument[k]
        count = min(trades[code], window)
        if count >= LEAST:
            median = 0.5 * (ordered[code, (count - 1) // 2] + ordered[code, count // 2])
            outlier[k] = abs(price[k] - median) > share * median
        at = trades[code] % window
        if count == window:
            _exchange(ordered[code], count, prices[code, at], price[k])
        else:
            _insert(ordered[code], count, price[k])
        prices[code, at] = price[k]
        trades[code] += 1
    return outlier


def _positive(values: Floats) -> Mask:
    """Above zero and finite (NaN is neither)."""
    return (values > 0) & (values < np.inf)


def _ahead(ts_us: Ints, record: Ints, recv_ns: Ints, max_ahead_us: int) -> Mask:
    return ts_us > recv_ns[record] // NS_PER_US + max_ahead_us


def _tally(flags: Bits, names: dict[str, int], counts: dict[str, int]) -> None:
    if not flags.any():
        return
    for name, bit in names.items():
        counts[name] += int(np.count_nonzero(flags & bit))


class Cleaner:
    """Sets the flags; ``state`` is all that it remembers, the counts by flag among it.

    Args:
        outlier_pct: how far a price may be from the median, in percent.
        max_ahead_us: how far a venue's clock may be ahead of ours, in microseconds.
        state: where to go on from; None is a new start.

    Raises:
        SettingsError: a bound is not above zero.

    >>> from barograph.rows import none_of, columns
    >>> ticks = columns(Ticks, record=[0, 1], ts_us=[5, 9], instrument=[0, 0],
    ...                 price=[10.0, 0.0], size=[1.0, 1.0])
    >>> cleaner = Cleaner()
    >>> ticks, _ = cleaner.advance(ticks, none_of(Quotes), np.array([6_000, 9_000]))
    >>> ticks.flags.tolist(), cleaner.state.ticks["nonpositive"]
    ([0, 1], 1)
    """

    def __init__(
        self,
        outlier_pct: float = OUTLIER_PCT,
        max_ahead_us: int = MAX_AHEAD_US,
        state: Recent | None = None,
    ) -> None:
        if not outlier_pct > 0:
            raise SettingsError(f"bars.outlier_pct is {outlier_pct}; it must be above 0 (the default is 20)")
        if not max_ahead_us > 0:
            raise SettingsError(f"bars.max_ahead_s is {max_ahead_us / 1e6}; it must be above 0 seconds")
        self.state = Recent() if state is None else state
        self._share = outlier_pct / 100.0
        self._max_ahead_us = max_ahead_us

    def advance(self, ticks: Ticks, quotes: Quotes, recv_ns: Ints) -> tuple[Ticks, Quotes]:
        """The same rows with their flags set; ``recv_ns`` is the receipt time of each record of the run."""
        if len(ticks):
            ticks = ticks.with_(flags=self._tick_flags(ticks, recv_ns))
        if len(quotes):
            quotes = quotes.with_(flags=self._quote_flags(quotes, recv_ns))
        return ticks, quotes

    def _tick_flags(self, ticks: Ticks, recv_ns: Ints) -> Bits:
        self._make_room(int(ticks.instrument.max()) + 1)
        state = self.state
        bad = ~(_positive(ticks.price) & _positive(ticks.size))
        outlier = _mark_outliers(
            ticks.instrument, ticks.price, bad, state.prices, state.ordered, state.trades, self._share
        )
        flags = ticks.flags.copy()
        flags[bad] |= Flag.NONPOSITIVE
        flags[outlier] |= Flag.OUTLIER
        flags[_ahead(ticks.ts_us, ticks.record, recv_ns, self._max_ahead_us)] |= Flag.FUTURE
        _tally(flags, _TICK_FLAGS, state.ticks)
        return flags

    def _quote_flags(self, quotes: Quotes, recv_ns: Ints) -> Bits:
        sizes_bad = (quotes.bid_size < 0) | np.isinf(quotes.bid_size)
        sizes_bad |= (quotes.ask_size < 0) | np.isinf(quotes.ask_size)
        bad = sizes_bad | ~(_positive(quotes.bid_price) & _positive(quotes.ask_price))
        flags = quotes.flags.copy()
        flags[bad] |= Flag.NONPOSITIVE
        flags[quotes.bid_price > quotes.ask_price] |= Flag.CROSSED
        flags[_ahead(quotes.ts_us, quotes.record, recv_ns, self._max_ahead_us)] |= Flag.FUTURE
        _tally(flags, _QUOTE_FLAGS, self.state.quotes)
        return flags

    def _make_room(self, instruments: int) -> None:
        state = self.state
        missing = instruments - len(state.trades)
        if missing > 0:
            state.prices = np.concatenate([state.prices, np.zeros((missing, WINDOW))])
            state.ordered = np.concatenate([state.ordered, np.zeros((missing, WINDOW))])
            state.trades = np.concatenate([state.trades, np.zeros(missing, dtype=np.int64)])
