"""Many strategies over the same bars: the kernel's fleet, in tiles of time, on several threads.

The table of indicators is made for a tile of time and shared by all strategies, so that memory is bounded
whatever the length of the data. Threads share out the columns first, then the strategies; none looks at
another's numbers, so any number of them gives the same bytes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from barograph.errors import UsageError
from barograph.research import metrics
from barograph.research.annualising import periods_per_year
from barograph.research.outcome import Sweep
from barograph.rows import Codes, Floats, Ints
from barograph.strategies.fills import MARKS, new_accounts
from barograph.strategies.indicators import Indicators
from barograph.strategies.kernel import Chunk, Fleet, RuleArrays, advance_fleet
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Rulebook, Signals, cost_array, rulebooks
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import stretch
from barograph.strategies.tally import TALLIES
from barograph.strategies.trading import Costs

Progress = Callable[[int, int], object]
"""Called with what is done and what there is to do, in bars times strategies."""

MAX_COLUMNS = 2048
"""Columns of one table; strategies that need more are swept in several goes."""
MAX_STRATEGIES = 16_384
"""Strategies that are written down at once; the next ones are, while these are traded."""
TABLE_BYTES = 24 << 20
LONGEST_TILE = 4096
SHORTEST_TILE = 256
MAX_RETURNS = 32 << 20
"""Returns kept at most, over all strategies: 256 MB."""


@dataclass(frozen=True, slots=True)
class Periods:
    """``count`` periods of ``bars`` bars each, from ``start`` on; bars left over at the end are in none."""

    start: int
    bars: int
    count: int

    @property
    def ends(self) -> Ints:
        """(count,) last bars of the periods."""
        return self.start + self.bars * np.arange(1, self.count + 1, dtype=np.int64)


def periods_of(start: int, stop: int, n_strategies: int, max_periods: int) -> Periods:
    """As short as can be with ``max_periods``, and with ``MAX_RETURNS`` returns in all."""
    n = stop - start - 1
    limit = max(min(max_periods, MAX_RETURNS // max(n_strategies, 1)), 1)
    bars = max(-(-n // limit), 1)
    return Periods(start, bars, n // bars)


def sweep(
    prices: Prices,
    strategies: Sequence[Strategy],
    costs: Costs,
    *,
    start: int = 0,
    stop: int | None = None,
    workers: int | None = None,
    max_periods: int = 5000,
    progress: Progress | None = None,
) -> Sweep:
    """Trade every one of ``strategies`` alone on ``prices``.

    Args:
        prices: one symbol's bars.
        strategies: N of them.
        costs: fees, slippage, lots, and the cash that each begins with.
        start: the first bar at whose close something may be decided; those before warm the indicators up.
        stop: the bar after the last one.
        workers: threads; None: one a processor. The result does not depend on it.
        max_periods: of ``Sweep.returns``; with more bars, a period is several of them.
        progress: see :data:`Progress`.

    Raises:
        UsageError: fewer than two bars to trade on, a cost or a strategy out of its bounds.
    """
    stop = checked_range(prices, start, stop)
    prices = prices.take(slice(0, stop))
    n, threads = len(strategies), workers or os.cpu_count() or 1
    periods = periods_of(start, stop, n, max_periods)
    accounts = new_accounts(n, costs.cash, [prices.idealised])
    returns, bases = np.empty((n, periods.count)), np.full(n, costs.cash)
    done = 0
    with _pool(threads) as pool:
        for begin, book in _ahead(rulebooks(strategies, MAX_COLUMNS, MAX_STRATEGIES), threads):
            rows = slice(begin, begin + len(book))
            fleet = Fleet(accounts[rows], returns[rows], bases[rows], periods.bars)
            for bars in _tiles(prices, book, fleet, costs, start, (pool, threads)):
                done += bars * len(book)
                if progress is not None:
                    progress(done, stop * n)
    return _outcome(prices, strategies, costs, periods, (accounts, returns))


def checked_range(prices: Prices, start: int, stop: int | None) -> int:
    """``stop`` as a bar.

    Raises:
        UsageError: fewer than two bars from ``start`` on, or more than there are.
    """
    end = len(prices) if stop is None else stop
    if not 0 <= start <= end - 2 or end > len(prices):
        raise UsageError(
            f"{prices.symbol}: bars {start} to {end} were asked for, there are {len(prices)}; "
            "a backtest needs at least two bars"
        )
    return end


def _ahead(books: Iterator[tuple[int, Rulebook]], threads: int) -> Iterator[tuple[int, Rulebook]]:
    """``books``, each made while the one before is in use."""
    if threads == 1:
        yield from books
        return
    with ThreadPoolExecutor(1, thread_name_prefix="rulebook") as clerk:
        coming = clerk.submit(next, books, None)
        while (book := coming.result()) is not None:
            coming = clerk.submit(next, books, None)
            yield book


@contextmanager
def _pool(threads: int) -> Iterator[Executor | None]:
    if threads == 1:
        yield None
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="sweep") as pool:
        yield pool


def _tiles(
    prices: Prices,
    book: Rulebook,
    fleet: Fleet,
    costs: Costs,
    start: int,
    threads: tuple[Executor | None, int],
) -> Iterator[int]:
    """Trade tile after tile; how many bars each had."""
    pool, n_threads = threads
    table = _Table(book, prices, n_threads)
    last, arrays, cost_row = np.zeros(1), table.arrays(book.arrays), cost_array(costs)
    half_spreads = np.zeros(1) if costs.spread else None
    for first in range(0, len(prices), table.tile):
        tile = prices.take(slice(first, first + table.tile))
        rows = table.advance(tile, first, pool)
        chunk = Chunk(stretch([tile], last, half_spreads), first, start, cost_row)
        trade = partial(_trade, fleet, arrays, rows, chunk)
        _all(pool, trade, _shares(len(book), n_threads))
        yield len(tile)


def _trade(fleet: Fleet, arrays: RuleArrays, rows: Floats, chunk: Chunk, which: tuple[int, int]) -> None:
    advance_fleet(fleet, which, arrays, rows, chunk)


class _Table:
    """A rulebook's indicators, tile by tile, their columns dealt out to threads like cards."""

    def __init__(self, book: Rulebook, prices: Prices, threads: int) -> None:
        columns = book.columns
        parts = max(min(threads, len(columns)), 1)
        self._parts = [Indicators(columns[p::parts], prices.interval_us) for p in range(parts)]
        self._signals = Signals(book, prices)
        heights = [len(columns[p::parts]) + 1 for p in range(parts)]
        self._begins = np.cumsum([0, *heights])
        self._places = np.array(
            [0, *(self._begins[k % parts] + 1 + k // parts for k in range(len(columns)))], dtype=np.int32
        )
        cells = TABLE_BYTES // 8 // int(self._begins[-1])
        self.tile = min(max(cells, SHORTEST_TILE), LONGEST_TILE)
        self._cells = np.empty(int(self._begins[-1]) * self.tile)

    def arrays(self, arrays: RuleArrays) -> RuleArrays:
        """With the rows of this table."""
        conditions = arrays.conditions
        rows: Codes = conditions.rows.copy()
        rows[:, :2] = self._places[rows[:, :2]]
        return arrays._replace(conditions=conditions._replace(rows=rows))

    def advance(self, tile: Prices, first: int, pool: Executor | None) -> Floats:
        """The whole table for the bars of ``tile``; good until the next call."""
        n = len(tile)
        table = self._cells[: int(self._begins[-1]) * n].reshape(-1, n)
        signals = self._signals.of(tile, first)

        def make(p: int) -> None:
            out = table[self._begins[p] : self._begins[p + 1]]
            self._parts[p].advance(tile, signals, out)

        _all(pool, make, range(len(self._parts)))
        return table


def _shares(n: int, threads: int) -> list[tuple[int, int]]:
    """0..n in pieces, some for each thread, since some strategies trade more than others."""
    pieces = min(4 * threads, n) if threads > 1 else 1
    edges = [n * k // pieces for k in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def _all(pool: Executor | None, do: Callable[..., None], tasks: Sequence[object]) -> None:
    """Do all of it, and wait."""
    if pool is None:
        for task in tasks:
            do(task)
        return
    for future in [pool.submit(do, task) for task in tasks]:
        future.result()


def _outcome(
    prices: Prices,
    strategies: Sequence[Strategy],
    costs: Costs,
    periods: Periods,
    traded: tuple[Floats, Floats],
) -> Sweep:
    accounts, returns = traded
    marks = stretch([prices], np.zeros(1))[MARKS, 0]
    per_year = periods_per_year(prices)
    closes = np.where(marks > 0.0, marks, np.nan)[periods.start :]
    found = metrics.from_tallies(accounts[:, :TALLIES], closes, per_year, cash=costs.cash)
    return Sweep(
        strategies=tuple(strategies),
        metrics=found,
        returns=returns.T,
        exposure=found["net_exposure"],
        period_ends_us=prices.ts_us[periods.ends] + prices.interval_us,
        period_bars=periods.bars,
        market=_returns(marks[np.concatenate([[periods.start], periods.ends])]),
    )


def _returns(levels: Floats) -> Floats:
    """From one level to the next; 0 from a level of 0, which is unknown."""
    before = levels[:-1]
    return np.divide(levels[1:] - before, before, out=np.zeros(len(before)), where=before > 0.0)
