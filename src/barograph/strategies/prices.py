"""A symbol's bars as columns: what strategies look at and trade on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from barograph.errors import DataError
from barograph.rows import Floats, Ints


@dataclass(frozen=True, slots=True)
class Prices:
    """Bars of one symbol, oldest first, one row an index.

    Attributes:
        symbol: canonical name.
        interval_us: length of a bar in microseconds.
        ts_us: starts of the bars, strictly increasing (UTC).
        open, high, low, close: NaN in all four where a bar is unknown.
        volume: NaN where unknown.
        exec_price: first price at which a decision on the bar *before* could have been
            filled (tables.md); NaN where there was none. None for imported candles, which have no
            such column: then the bar's open stands in, and results are labelled idealised.
        spread: last ask minus last bid at the end of each bar; NaN where unknown. None where the data has
            no quotes.
    """

    symbol: str
    interval_us: int
    ts_us: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    exec_price: Floats | None = None
    spread: Floats | None = None

    def __len__(self) -> int:
        return len(self.ts_us)

    @property
    def idealised(self) -> bool:
        """Whether fills are at the next bar's open for want of a price that could be had."""
        return self.exec_price is None

    @property
    def fill_price(self) -> Floats:
        """Where an order decided on the bar before is filled; NaN where it has to wait."""
        return self.open if self.exec_price is None else self.exec_price

    def take(self, rows: slice) -> Self:
        """The bars that ``rows`` names; nothing is copied."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        cut = {name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)}
        return replace(self, **cut)  # type: ignore[arg-type]

    def checked(self) -> Self:
        """Itself, once it is known to be sound.

        Raises:
            DataError: lengths differ, times do not increase, a price is not above 0 or outside low and high.
        """
        wrong = _lengths(self) or _times(self) or _levels(self)
        if wrong:
            raise DataError(f"{self.symbol}: {wrong}; clean the data first, such as with barograph etl run")
        return self


def _lengths(prices: Prices) -> str:
    lengths = {
        f.name: len(column)
        for f in fields(prices)
        if isinstance(column := getattr(prices, f.name), np.ndarray)
    }
    return "" if len(set(lengths.values())) == 1 else f"columns differ in length: {lengths}"


def _times(prices: Prices) -> str:
    back = np.flatnonzero(np.diff(prices.ts_us) <= 0)
    return f"bar {int(back[0]) + 1} does not come after the one before" if len(back) else ""


def _levels(prices: Prices) -> str:
    low, high = prices.low, prices.high
    for name in ("open", "high", "low", "close"):
        column: Floats = getattr(prices, name)
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((column <= 0) | np.isinf(column) | (column > high) | (column < low))
        if len(bad):
            row = int(bad[0])
            return (
                f"bar {row} has {name} {column[row]}, with low {low[row]} and high {high[row]}: "
                "prices must be above 0, and within the bar's low and high"
            )
    return ""
