"""One account that trades bar by bar: backtests in full, and paper trading.

It runs the kernel that sweeps run, on one account of S slots that share its cash, and writes every fill
and every trade down. A guard may hold it to its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.decisions import Masks
from barograph.strategies.fills import (
    AT_OPEN,
    ENTRY_BAR,
    ENTRY_FEE,
    ENTRY_PRICE,
    HALF_SPREAD,
    HIGHEST,
    LOWEST,
    MARK,
    OPEN,
    QUANTITY,
    SLOT,
    TARGET,
    WIDTH,
    WRITTEN,
    new_accounts,
)
from barograph.strategies.guard import NO_BOUNDS, Bounds, Close, Guard, GuardState
from barograph.strategies.indicators import Indicators, IndicatorState
from barograph.strategies.kernel import Chunk, advance_account, fill_masks
from barograph.strategies.marking import EQUITIES, WEIGHTS
from barograph.strategies.orders import Fills, Order, fills_of, waiting_orders
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Signals, cost_array, rulebook
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import stretch
from barograph.strategies.tally import EQUITY, TALLIES
from barograph.strategies.trading import TRADE, Costs

Trades = npt.NDArray[np.void]
"""Rows of ``trading.TRADE``."""

_NOTHING = np.empty((0, WIDTH))
_PIECE = 8192
"""Bars that the kernel is given at a time, so that its journal need not be large."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What came of some bars.

    Attributes:
        trades: those that were closed, in the order in which they were.
        fills: rows of ``trading.FILL``, in the order in which they were made; an entry and its exit within
            one bar are both there.
        equity: (n,) at the close of each bar; NaN before ``start``.
        position: (n,) signed notional of all positions over equity; NaN before ``start``.
    """

    trades: Trades
    fills: Fills
    equity: Floats
    position: Floats


class TraderState(msgspec.Struct, frozen=True):
    """All that a :class:`Trader` is; see :mod:`barograph.snapshot`."""

    strategies: tuple[Strategy, ...]
    costs: Costs
    interval_us: int
    symbols: tuple[str, ...]
    start: int
    seen: int
    account: Floats
    indicators: tuple[IndicatorState, ...]
    bounds: Bounds
    guard: GuardState


class Trader:
    """One account of S slots with shared cash: each trades a symbol, and two may trade the same one.

    Within a bar, slots come in order: first all that is left is left, then entries are made while there is
    cash. Any chunking of the bars gives the same bits, and with one slot they are those of a sweep.

    Args:
        strategies: one a slot.
        costs: fees, slippage, lots, and the cash that it begins with.
        interval_us: length of a bar.
        symbols: S of them, one a slot.
        start: the bar, counted from the first that it sees, at whose close the first decision is made;
            those before it warm the indicators up.
        bounds: what the account allows itself. Where somebody has to look after each close it goes bar by
            bar, which takes longer.

    Raises:
        UsageError: a strategy, a cost or a bound cannot be.

    >>> close = np.array([10.0, 9.0, 8.0, 9.0, 10.0, 11.0, 12.0])
    >>> bars = Prices("X", 60, np.arange(7) * 60, close, close, close, close, close)
    >>> cross = Strategy(family="sma_cross", params={"fast": 1, "slow": 2})
    >>> trader = Trader([cross], Costs(fee_bps=0.0, cash=100.0), 60, ["X"])
    >>> trader.advance([bars]).equity.tolist()
    [100.0, 100.0, 100.0, 100.0, 100.0, 110.0, 120.0]
    >>> trader.open_trades()["entry_bar"].tolist()
    [4]
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        costs: Costs,
        interval_us: int,
        symbols: Sequence[str],
        start: int = 0,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        if len(strategies) != len(symbols) or not symbols:
            raise UsageError(f"{len(strategies)} strategies for {len(symbols)} symbols; give one for each")
        self.strategies, self.costs = tuple(strategies), costs
        self.interval_us, self.symbols, self.start = interval_us, tuple(symbols), start
        self.seen = 0
        self._books = [rulebook([strategy]) for strategy in strategies]
        self._terms = np.vstack([book.arrays.terms for book in self._books])
        self._indicators = [Indicators(book.columns, interval_us) for book in self._books]
        most = bounds.checked(interval_us).max_exposure
        self._cost_row = cost_array(costs, math.inf if most is None else most)
        self._account = new_accounts(1, costs.cash, [False] * len(symbols))[0]
        self._guard = Guard(bounds, self._terms[:, 0].tolist())
        self._guard.begin(self._slots)

    @classmethod
    def from_state(cls, state: TraderState) -> Self:
        """One that goes on where :meth:`state` was taken."""
        new = cls(state.strategies, state.costs, state.interval_us, state.symbols, state.start, state.bounds)
        new.seen, new._account = state.seen, state.account.copy()
        new._indicators = [Indicators.from_state(one) for one in state.indicators]
        new._guard = Guard.from_state(state.bounds, new._terms[:, 0].tolist(), state.guard)
        return new

    def state(self) -> TraderState:
        """A copy of all that it remembers."""
        return TraderState(
            self.strategies,
            self.costs,
            self.interval_us,
            self.symbols,
            self.start,
            self.seen,
            self._account.copy(),
            tuple(one.state() for one in self._indicators),
            self._guard.bounds,
            self._guard.state(),
        )

    @property
    def book(self) -> Floats:
        """(TALLIES,) what was counted so far; see ``tally``."""
        return np.array(self._account[:TALLIES])

    @property
    def quantities(self) -> Floats:
        """(S,) held now; negative when short."""
        return np.array(self._slots[:, QUANTITY])

    @property
    def targets(self) -> Floats:
        """(S,) +1, 0, -1: what was decided last; where a position has another side, an order waits."""
        return np.array(self._slots[:, TARGET])

    @property
    def waiting(self) -> tuple[Order, ...]:
        """Orders that wait for their fill, in the order of the slots."""
        return waiting_orders(self._slots)

    @property
    def halted(self) -> bool:
        """Whether a person has stopped it."""
        return self._guard.halted

    @property
    def day_lost(self) -> bool:
        """Whether ``max_daily_loss`` keeps it from entering until midnight UTC."""
        return self._guard.day_lost

    def halt(self, *, flatten: bool) -> None:
        """Stop: no more entries, and those that wait are dropped. What is held is left as its strategy wants.

        Args:
            flatten: every position is left at its next fill price instead (reason ``flatten``).
        """
        self._guard.halt(self._slots, self.seen - 1, flatten=flatten)

    def resume(self) -> None:
        """Entries again. A position that :meth:`halt` has ordered out is left all the same."""
        self._guard.resume()

    @property
    def _slots(self) -> Floats:
        slots: Floats = self._account[TALLIES:].reshape(-1, SLOT)
        return slots

    def advance(self, bars: Sequence[Prices], signals: Sequence[Floats] | None = None) -> Advanced:
        """Trade n more bars.

        Args:
            bars: of each symbol, in the order of ``symbols``, on one timeline (``stretches.one_timeline``).
            signals: of each symbol its array from outside, (1, n), or (0, n) where its family has none. None:
            the
                families make them (those that need all bars at once cannot).

        Raises:
            UsageError: other symbols, bars that do not follow those before, or are not on one timeline.
        """
        if [prices.symbol for prices in bars] != list(self.symbols):
            raise UsageError(
                f"bars of {[prices.symbol for prices in bars]} were given to a trader of {self.symbols}"
            )
        n, first = len(bars[0]), self.seen
        curve, closed = np.full((2, n), np.nan), [_NOTHING]
        self._slots[:, AT_OPEN] = [prices.idealised for prices in bars]
        for begin in range(0, n, _PIECE):
            rows = slice(begin, begin + _PIECE)
            piece = bars if n <= _PIECE else [prices.take(rows) for prices in bars]
            given = None if signals is None else [array[:, rows] for array in signals]
            closed.append(self._piece(piece, given, curve[:, rows]))
        journal = closed[-1] if len(closed) == 2 else np.concatenate(closed)
        fills = fills_of(journal, self._slots, first)
        return Advanced(_trades(journal), fills, curve[EQUITIES], curve[WEIGHTS])

    def open_trades(self) -> Trades:
        """What is held now, as trades that are not over: at the last close, the exit's fee not charged."""
        held = np.flatnonzero(self._slots[:, QUANTITY])
        trades, slots = np.zeros(len(held), TRADE), self._slots[held]
        quantity, entry, mark = slots[:, QUANTITY], slots[:, ENTRY_PRICE], slots[:, MARK]
        trades["symbol"], trades["side"], trades["reason"] = held, np.sign(quantity), OPEN
        trades["entry_bar"], trades["exit_bar"] = slots[:, ENTRY_BAR], self.seen - 1
        trades["entry_price"], trades["exit_price"], trades["quantity"] = entry, mark, np.abs(quantity)
        trades["fees"] = slots[:, ENTRY_FEE]
        trades["profit"] = quantity * mark - quantity * entry - slots[:, ENTRY_FEE]
        trades["lowest"], trades["highest"] = slots[:, LOWEST], slots[:, HIGHEST]
        return trades

    def _piece(self, bars: Sequence[Prices], signals: Sequence[Floats] | None, out: Floats) -> Floats:
        """Trade some bars: their curve into ``out``; rows of the journal."""
        n, slots = len(bars[0]), self._slots
        last, half_spreads = slots[:, MARK].copy(), slots[:, HALF_SPREAD].copy()
        columns = stretch(bars, last, half_spreads if self.costs.spread else None)
        masks = np.empty((len(bars), n), dtype=np.uint8)
        for s, prices in enumerate(bars):
            self._mask(s, prices, None if signals is None else signals[s], masks[s])
        journal = np.empty((2 * len(bars) * n, WIDTH))
        if self._guard.watching:
            rows = self._bar_by_bar(bars, columns, masks, journal, out)
        else:
            rows = self._whole(columns, masks, journal, out)
        slots[:, HALF_SPREAD] = half_spreads
        return journal[:rows]

    def _whole(self, columns: Floats, masks: Masks, journal: Floats, out: Floats) -> int:
        """Trade in one call; rows written to the journal."""
        curve = np.full((2, masks.shape[1]), np.nan)
        chunk = Chunk(columns, self.seen, self.start, self._cost_row)
        advance_account(self._account, self._terms, masks, chunk, curve, journal)
        self.seen += masks.shape[1]
        out[:] = curve
        return int(self._account[TALLIES + WRITTEN])

    def _bar_by_bar(
        self, bars: Sequence[Prices], columns: Floats, masks: Masks, journal: Floats, out: Floats
    ) -> int:
        """The same, and the guard looks after each close."""
        rows = 0
        for i in range(masks.shape[1]):
            before, one = float(self._account[EQUITY]), slice(i, i + 1)
            # Copies are contiguous: the kernel is compiled for such arrays only.
            rows += self._whole(columns[:, :, one].copy(), masks[:, one].copy(), journal[rows:], out[:, one])
            self._guard.notice([float(prices.close[i]) for prices in bars])
            if self.seen > self.start:
                end_us = int(bars[0].ts_us[i]) + self.interval_us
                close = Close(self.seen - 1, end_us, float(self._account[EQUITY]), before)
                self._guard.look(self._slots, close)
        return rows

    def _mask(self, s: int, prices: Prices, signals: Floats | None, mask: Masks) -> None:
        book = self._books[s]
        given = Signals(book).of(prices, self.seen) if signals is None else signals
        table = self._indicators[s].advance(prices, given)
        fill_masks(book.arrays.conditions, 0, table, mask)


def _trades(journal: Floats) -> Trades:
    trades = np.zeros(len(journal), TRADE)
    if len(journal):
        for k, name in enumerate(TRADE.names or ()):
            trades[name] = journal[:, k]
    return trades
