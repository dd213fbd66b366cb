"""Batches: one symbol's UTC day, named ``DATE/SYMBOL``; ``DATE`` names all symbols of a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import quote

from barograph.clock import DAY_US, day_start_us
from barograph.errors import UsageError

READ = ("ticks", "quotes", "market_microstructure", "candles")
"""The tables that batches are made of."""

LOOK_BACK_DAYS = 60
"""Candles further back than this do not say whether one is an outlier."""


class Batch(NamedTuple):
    """One symbol's UTC day, the smallest piece of work."""

    day: date
    symbol: str

    @property
    def id(self) -> str:
        """``2024-08-08/BTC-USD``."""
        return f"{self.day.isoformat()}/{self.symbol}"

    @property
    def start_us(self) -> int:
        """Its first microsecond."""
        return day_start_us(self.day)

    @property
    def end_us(self) -> int:
        """The first microsecond after it."""
        return self.start_us + DAY_US

    def file_in(self, folder: str, ending: str) -> str:
        """Where its file of a table is, below the source's folder; the symbol is one name on every system.

        >>> Batch(date(2024, 8, 8), "NSE:INFY").file_in("ticks", "parquet")
        'ticks/date=2024-08-08/NSE%3AINFY.parquet'
        """
        return f"{folder}/date={self.day.isoformat()}/{quote(self.symbol, safe='')}.{ending}"


class Days(NamedTuple):
    """Days from ``first`` to ``last``, both included, of one symbol or of all."""

    first: date
    last: date
    symbol: str | None = None


def parse_batch(text: str) -> Days:
    """What a batch id names: ``DATE``, ``DATE/SYMBOL``, or ``DATE..DATE`` for all days between.

    Raises:
        UsageError: it is no such id.

    >>> parse_batch("2024-08-08/BTC-USD")
    Days(first=datetime.date(2024, 8, 8), last=datetime.date(2024, 8, 8), symbol='BTC-USD')
    """
    days, slash, symbol = text.strip().partition("/")
    first, dots, last = days.partition("..")
    try:
        found = Days(date.fromisoformat(first), date.fromisoformat(last if dots else first), symbol or None)
    except ValueError:
        found = None
    if found is None or found.last < found.first or (slash and not symbol):
        raise UsageError(
            f"{text!r} is not a batch; write a day 2024-08-08, a day's symbol 2024-08-08/BTC-USD, "
            "or days 2024-08-01..2024-08-31"
        )
    return found


def wanted(known: Iterable[Batch], asked: Collection[Days], symbols: Collection[str] | None) -> list[Batch]:
    """The known batches that are asked for (all when nothing is), in order of day and symbol."""
    chosen = {
        batch
        for batch in known
        if (not asked or any(_names(days, batch) for days in asked))
        and (symbols is None or batch.symbol in symbols)
    }
    return sorted(chosen)


def span(asked: Collection[Days]) -> tuple[int | None, int | None]:
    """First microsecond of all that is asked for, and the first after it; None is no bound."""
    if not asked:
        return None, None
    last = max(days.last for days in asked)
    return day_start_us(min(days.first for days in asked)), day_start_us(last + timedelta(days=1))


def _names(days: Days, batch: Batch) -> bool:
    return days.first <= batch.day <= days.last and days.symbol in (None, batch.symbol)
