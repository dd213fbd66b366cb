"""What a reader hands over, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats, Ints, Mask
from barograph.strategies.prices import Prices

TRAINING, VALIDATION = 0, 1
"""Values of :attr:`Source.split`."""


@dataclass(frozen=True)
class Source:
    """Bars to do research on.

    Attributes:
        prices: the bars, checked.
        name: what they are from, without folders: ``arch:sp500``, ``btc.csv``, ``lake:binance``.
        data_hash: sha256 over the bars, see ``hashing``: the same whatever the file's format.
        split: (T,) :data:`TRAINING` or :data:`VALIDATION` of each bar, training first; None where the
            source does not say.
        rows_dropped: rows that could not be bars.
        remarks: what should be known before results are believed, a sentence each.
    """

    prices: Prices
    name: str
    data_hash: str
    split: Ints | None
    rows_dropped: int
    remarks: tuple[str, ...]


class Wanted(NamedTuple):
    """What was asked for. Times are half-open; None is no bound, and for the interval the source's own."""

    symbol: str | None = None
    interval_us: int | None = None
    start_us: int | None = None
    end_us: int | None = None

    @property
    def whole(self) -> tuple[int | None, int | None]:
        """The time to read: bars that begin in the wanted time are made whole."""
        start, end, step = self.start_us, self.end_us, self.interval_us or 1
        return (
            None if start is None else start - start % step,
            None if end is None else -(-end // step) * step,
        )


@dataclass(frozen=True)
class Rows:
    """Columns as a reader found them, before they are bars of the wanted interval.

    Attributes:
        interval_us: where the source itself says.
        exec_price, spread, split: see :class:`Prices` and :class:`Source`.
        dropped: rows left out so far; ``remarks`` tell why.
    """

    name: str
    symbol: str
    ts_us: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    exec_price: Floats | None = None
    spread: Floats | None = None
    split: Ints | None = None
    interval_us: int | None = None
    dropped: int = 0
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts_us)

    def take(self, index: Ints | Mask | slice) -> Self:
        """The rows that ``index`` names."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
        cut: dict[str, Any] = {name: column[index] for name, column in arrays.items()}
        return replace(self, **cut)

    def with_(self, *remarks: str, dropped: int = 0) -> Self:
        """The same with more to say of them."""
        return replace(self, remarks=self.remarks + remarks, dropped=self.dropped + dropped)


def floats(column: npt.ArrayLike) -> Floats:
    """A column as the kernels take it: float64, in one piece, writeable."""
    return np.array(column, dtype=np.float64)


def ints(column: npt.ArrayLike) -> Ints:
    """A column of whole numbers as the kernels take it."""
    return np.array(column, dtype=np.int64)
