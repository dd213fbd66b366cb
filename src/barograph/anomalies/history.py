"""What the rules look at: the last day of each instrument and of each venue.

Minutes are counted from 1970 (``timestamp_us // MINUTE_US``). A history keeps what lies
within ``KEPT`` minutes of the newest, and the one bar before, so that the length of a
silence is always known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.anomalies.settings import LOOKBACK
from barograph.clock import MINUTE_US
from barograph.rows import Bars, Floats, Ints, Mask

KEPT = 2 * LOOKBACK
"""Minutes: a bar may come ``LOOKBACK`` late and still finds ``LOOKBACK`` minutes before it."""

_SPARE = 96
RETURN, SPREAD, VOLUME, IMBALANCE, TRADES, SPIKE, VOLATILITY = range(7)
"""Rows of a history's values: what the rules and the model need of a bar."""
COLUMNS = 7

Table = npt.NDArray[np.float64]
"""float64, shape (COLUMNS, n)."""


class Market(msgspec.Struct):
    """A venue, minute by minute: where any of its instruments has a bar.

    Attributes:
        minutes: int64, ascending.
        total: the sum of the log returns of all instruments, rounded once (``math.fsum``).
        counted: how many instruments have a return.
        newest: the newest minute ever seen, -1 before the first.
        members: the venue's instruments, ascending.
    """

    minutes: Ints = msgspec.field(default_factory=lambda: np.empty(0, dtype=np.int64))
    total: Floats = msgspec.field(default_factory=lambda: np.empty(0))
    counted: Ints = msgspec.field(default_factory=lambda: np.empty(0, dtype=np.int64))
    newest: int = -1
    members: list[int] = msgspec.field(default_factory=list)


class Series(NamedTuple):
    """One instrument's bars, in order of time, and its venue. Values as float64, null as NaN.

    ``change`` is the log return from the bar before, ``spread`` is relative to the
    midpoint, ``trades`` the number of trades, ``spike`` the ``volume_spike_score``,
    ``volatility`` the ``volatility_1min``.
    """

    minute: Ints
    change: Floats
    spread: Floats
    volume: Floats
    imbalance: Floats
    trades: Floats
    spike: Floats
    volatility: Floats
    market: Market

    def rows(self, start: int, stop: int) -> tuple[int, int]:
        """Indices of the bars with ``start <= minute < stop``."""
        # Nearly always it is the newest bar that is asked for, of all instruments each minute.
        last = len(self.minute) if stop > self.minute[-1] else int(self.minute.searchsorted(stop))
        first = last - 1 if start == self.minute[last - 1] else int(self.minute.searchsorted(start))
        return first, last


class History(msgspec.Struct):
    """Bars of one instrument: ``minutes`` (n,) and ``values`` (COLUMNS, n), the first ``used`` of them."""

    minutes: Ints = msgspec.field(default_factory=lambda: np.zeros(_SPARE, dtype=np.int64))
    values: Table = msgspec.field(default_factory=lambda: np.zeros((COLUMNS, _SPARE)))
    used: int = 0

    def __post_init__(self) -> None:
        """A state that another version has saved is not taken for one of ours."""
        if len(self.values) != COLUMNS:
            raise ValueError(f"a history of {len(self.values)} columns; this version keeps {COLUMNS}")

    @property
    def last(self) -> int:
        """The newest bar's minute, -1 without bars."""
        return int(self.minutes[self.used - 1]) if self.used else -1

    def series(self, market: Market) -> Series:
        """The bars as columns, without copying."""
        n = self.used
        change, spread, volume, imbalance, trades, spike, volatility = self.values[:, :n]
        return Series(self.minutes[:n], change, spread, volume, imbalance, trades, spike, volatility, market)

    def put(self, minutes: Ints, values: Table, newest: int) -> tuple[Ints, Ints]:
        """Take bars in, in the order in which they came; ``newest`` of the venue before them.

        Returns the minutes that are new or have changed, and those of them whose return
        is new or has changed, both ascending.
        """
        if minutes[0] > self.last and (len(minutes) == 1 or bool(np.all(minutes[1:] > minutes[:-1]))):
            self._append(minutes, values, newest)
            return minutes, minutes
        return self._merge(minutes, values)

    def _append(self, minutes: Ints, values: Table, newest: int) -> None:
        n, more = self.used, len(minutes)
        if n + more > len(self.minutes):
            first = max(int(self.minutes[:n].searchsorted(newest - KEPT)) - 1, 0)
            n -= first
            room = n + more + max(_SPARE, min(n, KEPT) // 8)
            kept = self.minutes, self.values
            self.minutes, self.values = np.zeros(room, dtype=np.int64), np.zeros((COLUMNS, room))
            self.minutes[:n] = kept[0][first : first + n]
            self.values[:, :n] = kept[1][:, first : first + n]
        self.minutes[n : n + more] = minutes
        self.values[:, n : n + more] = values
        self.used = n + more

    def _merge(self, minutes: Ints, values: Table) -> tuple[Ints, Ints]:
        n = self.used
        before, old = self.minutes[:n].copy(), self.values[:, :n].copy()
        every = np.concatenate([before, minutes])
        order = np.argsort(every, kind="stable")
        # Of several versions of a minute the one that came last stands.
        newest_version = np.append(every[order][1:] != every[order][:-1], True)
        kept = order[newest_version]
        self.minutes = every[kept]
        # Columns must lie in one piece: the compiled functions know no other layout.
        self.values = np.ascontiguousarray(np.concatenate([old, values], axis=1)[:, kept])
        self.used = len(kept)
        came = np.unique(minutes)
        new = self.values[:, self.minutes.searchsorted(came)]
        place = before.searchsorted(came)
        known = np.append(before, -1)[place] == came
        differs = np.ones((COLUMNS, len(came)), dtype=np.bool_)
        differs[:, known] = ~_same(old[:, place[known]], new[:, known])
        return came[differs.any(axis=0)], came[differs[RETURN]]

    def change_at(self, minutes: Ints) -> Floats:
        """The log returns at ``minutes``, NaN where there is none."""
        found = np.full(len(minutes), np.nan)
        if self.used:
            place = np.minimum(self.minutes[: self.used].searchsorted(minutes), self.used - 1)
            there = self.minutes[place] == minutes
            found[there] = self.values[RETURN, place[there]]
        return found


def _same(a: Table, b: Table) -> Mask:
    same: Mask = (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def refresh(market: Market, histories: dict[int, History], minutes: Ints) -> None:
    """Compute ``minutes`` of the market anew from the histories of its members."""
    table = np.array([histories[code].change_at(minutes) for code in market.members])
    there = ~np.isnan(table)
    total = np.array([math.fsum(table[there[:, k], k]) for k in range(len(minutes))])
    counted = there.sum(axis=0)
    kept = ~np.isin(market.minutes, minutes, assume_unique=True)
    kept[: max(int(market.minutes.searchsorted(market.newest - KEPT)) - 1, 0)] = False
    every = np.concatenate([market.minutes[kept], minutes])
    order = np.argsort(every, kind="stable")
    market.minutes = every[order]
    market.total = np.concatenate([market.total[kept], total])[order]
    market.counted = np.concatenate([market.counted[kept], counted])[order]
    market.newest = max(market.newest, int(minutes[-1]))


def minutes_of(bars: Bars) -> Ints:
    """The bars' minutes."""
    return bars.timestamp_us // MINUTE_US


def values_of(bars: Bars) -> Table:
    """What the rules and the model need of ``bars``: shape (COLUMNS, n)."""
    change = [math.log1p(pct / 100.0) if pct > -100.0 else math.nan for pct in bars.price_change_pct.tolist()]
    middle = 0.5 * (bars.bid_price + bars.ask_price)
    spread = np.divide(bars.bid_ask_spread, middle, out=np.full(len(bars), np.nan), where=middle > 0)
    trades = bars.trade_count.astype(np.float64)
    return np.array(
        [
            change,
            spread,
            bars.volume,
            bars.order_imbalance,
            trades,
            bars.volume_spike_score,
            bars.volatility_1min,
        ]
    )
