"""One account that trades bar by bar: backtests in full, and paper trading.

It runs the kernel that sweeps run, on one account of S symbols that share its cash, and writes every trade
down.
"""

from __future__ import annotations

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
    FIELDS,
    HIGHEST,
    LOWEST,
    MARK,
    OPEN,
    QUANTITY,
    SLOT,
    TARGET,
    WRITTEN,
    new_accounts,
)
from barograph.strategies.indicators import Indicators, IndicatorState
from barograph.strategies.kernel import Chunk, advance_account, fill_masks
from barograph.strategies.marking import EQUITIES, WEIGHTS
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Signals, cost_array, rulebook
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import stretch
from barograph.strategies.tally import TALLIES
from barograph.strategies.trading import TRADE, Costs

Trades = npt.NDArray[np.void]
"""Rows of ``trading.TRADE``."""

_PIECE = 8192
"""Bars that the kernel is given at a time, so that its journal need not be large."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What came of some bars.

    Attributes:
        trades: those that were closed, in the order in which they were.
        equity: (n,) at the close of each bar; NaN before ``start``.
        position: (n,) signed notional of all positions over equity; NaN before ``start``.
    """

    trades: Trades
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


class Trader:
    """One account of S symbols with shared cash.

    Within a bar, symbols come in order: first all that is left is left, then entries are made while there is
    cash. Any chunking of the bars gives the same bits, and with one symbol they are those of a sweep.

    Args:
        strategies: one a symbol.
        costs: fees, slippage, lots, and the cash that it begins with.
        interval_us: length of a bar.
        symbols: S of them.
        start: the bar, counted from the first that it sees, at whose close the first decision is made.

    Raises:
        UsageError: a strategy or a cost is out of its bounds.

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
    ) -> None:
        if len(strategies) != len(symbols) or not symbols:
            raise UsageError(f"{len(strategies)} strategies for {len(symbols)} symbols; give one for each")
        self.strategies, self.costs = tuple(strategies), costs
        self.interval_us, self.symbols, self.start = interval_us, tuple(symbols), start
        self.seen = 0
        self._books = [rulebook([strategy]) for strategy in strategies]
        self._terms = np.vstack([book.arrays.terms for book in self._books])
        self._indicators = [Indicators(book.columns, interval_us) for book in self._books]
        self._cost_row = cost_array(costs)
        self._account = new_accounts(1, costs.cash, [False] * len(symbols))[0]

    @classmethod
    def from_state(cls, state: TraderState) -> Self:
        """One that goes on where :meth:`state` was taken."""
        new = cls(state.strategies, state.costs, state.interval_us, state.symbols, state.start)
        new.seen, new._account = state.seen, state.account.copy()
        new._indicators = [Indicators.from_state(one) for one in state.indicators]
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
        n = len(bars[0])
        curve, closed = np.full((2, n), np.nan), [np.zeros(0, TRADE)]
        self._slots[:, AT_OPEN] = [prices.idealised for prices in bars]
        for begin in range(0, n, _PIECE):
            rows = slice(begin, begin + _PIECE)
            given = None if signals is None else [array[:, rows] for array in signals]
            closed.append(self._piece([prices.take(rows) for prices in bars], given, curve[:, rows]))
        return Advanced(np.concatenate(closed), curve[EQUITIES], curve[WEIGHTS])

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

    def _piece(self, bars: Sequence[Prices], signals: Sequence[Floats] | None, out: Floats) -> Trades:
        n, last = len(bars[0]), self._slots[:, MARK].copy()
        chunk = Chunk(stretch(bars, last), self.seen, self.start, self._cost_row)
        masks = np.empty((len(bars), n), dtype=np.uint8)
        for s, prices in enumerate(bars):
            self._mask(s, prices, None if signals is None else signals[s], masks[s])
        curve, journal = np.full((2, n), np.nan), np.empty((2 * len(bars) * n, FIELDS))
        advance_account(self._account, self._terms, masks, chunk, curve, journal)
        self.seen += n
        out[:] = curve
        return _trades(journal[: int(self._account[TALLIES + WRITTEN])])

    def _mask(self, s: int, prices: Prices, signals: Floats | None, mask: Masks) -> None:
        book = self._books[s]
        given = Signals(book).of(prices, self.seen) if signals is None else signals
        table = self._indicators[s].advance(prices, given)
        fill_masks(book.arrays.conditions, 0, table, mask)


def _trades(journal: Floats) -> Trades:
    trades = np.zeros(len(journal), TRADE)
    for k, name in enumerate(TRADE.names or ()):
        trades[name] = journal[:, k]
    return trades
