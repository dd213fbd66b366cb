"""Every symbol at a glance: the newest price, and the day before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from barograph.clock import to_us
from barograph.dashboard.data import Data

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from barograph.market import Market

DAY = timedelta(days=1)
SPARK_POINTS = 48

_RECORDED = """
    SELECT symbol, venue, min(timestamp) AS first, max(timestamp) AS last, 60 AS interval_s
    FROM market_microstructure GROUP BY symbol, venue
"""
_IMPORTED = """
    SELECT symbol, venue, min(timestamp) AS first, max(timestamp) AS last, min(interval_s) AS interval_s
    FROM candles GROUP BY symbol, venue
"""


class Series(NamedTuple):
    """One symbol at one venue, and from when to when there are bars of it, each ``interval_s`` long.

    Imported candles may be longer than a minute; what is recorded has minutes, and ticks for less.
    """

    symbol: str
    venue: str
    first: datetime
    last: datetime
    interval_s: int
    is_recorded: bool = True

    @property
    def end(self) -> datetime:
        """The end of its last bar."""
        return self.last + timedelta(seconds=self.interval_s)


@dataclass(frozen=True, slots=True)
class Glance:
    """A series' newest figures.

    Attributes:
        price: the last one; change_pct: since the bar a day before.
        volume, turnover, trades: of that day; trades is None for imported candles.
        spread_bps: ask - bid over their middle, in basis points; None where there are no quotes.
        spark: prices over that day, about :data:`SPARK_POINTS` of them.
    """

    series: Series
    price: float | None
    change_pct: float | None
    volume: float
    turnover: float
    trades: int | None
    spread_bps: float | None
    rsi: float | None
    spark: tuple[float, ...]


def series(data: Data) -> list[Series]:
    """Every series, by name; recorded ones go before imported ones of the same name."""
    return data.ask("series", (), _series)


def glances(data: Data) -> list[Glance]:
    """Every series' newest figures, by turnover, the largest first."""
    return data.ask("glances", (), _glances)


def _series(market: Market) -> list[Series]:
    found: dict[tuple[str, str], Series] = {}
    for query, is_recorded in ((_IMPORTED, False), (_RECORDED, True)):
        for row in market.sql(query).iter_rows(named=True):
            found[row["symbol"], row["venue"]] = Series(**row, is_recorded=is_recorded)
    return sorted(found.values())


def _glances(market: Market) -> list[Glance]:
    found = []
    for alike in _of_one_time(_series(market)):
        frame = _minutes(market, alike) if alike[0].is_recorded else _candles(market, alike)
        by_name = frame.partition_by("symbol", "venue", as_dict=True)
        found += [
            _glance(each, by_name[each.symbol, each.venue])
            for each in alike
            if (each.symbol, each.venue) in by_name
        ]
    return sorted(found, key=lambda each: (-each.turnover, each.series))


def _of_one_time(known: list[Series]) -> Iterator[list[Series]]:
    """Series that end on about the same day and are of one kind: one scan reads them all."""
    groups: dict[tuple[bool, int, int], list[Series]] = {}
    for each in known:
        groups.setdefault((each.is_recorded, each.interval_s, each.last.toordinal()), []).append(each)
    yield from groups.values()


def _minutes(market: Market, alike: list[Series]) -> pl.DataFrame:
    from barograph.market.intervals import frame
    from barograph.store import Scan

    columns = ["timestamp", "symbol", "venue", "open", "price", "volume", "notional", "trade_count"]
    start = min(each.last for each in alike) - DAY
    wanted = Scan(
        "market_microstructure",
        [*columns, "bid_price", "ask_price", "rsi_14"],
        sorted({each.symbol for each in alike}),
        sorted({each.venue for each in alike}),
        to_us(start),
    )
    return frame(market.store, wanted)


def _candles(market: Market, alike: list[Series]) -> pl.DataFrame:
    """Candles in the columns of minutes; of long ones more than a day, to see anything."""
    import polars as pl

    interval_s = alike[0].interval_s
    span = max(DAY, timedelta(seconds=SPARK_POINTS * interval_s))
    start = min(each.last for each in alike) - span
    rows = market.candles([each.symbol for each in alike], start, venue=[each.venue for each in alike])
    nothing = [pl.lit(None, pl.Float64).alias(name) for name in ("bid_price", "ask_price", "rsi_14")]
    return rows.filter(pl.col("interval_s") == interval_s).with_columns(
        pl.col("volume").fill_null(0.0),
        (pl.col("volume").fill_null(0.0) * pl.col("price")).alias("notional"),
        pl.lit(None, pl.Int64).alias("trade_count"),
        *nothing,
    )


def _glance(of: Series, rows: pl.DataFrame) -> Glance:
    import polars as pl

    span = max(DAY, timedelta(seconds=SPARK_POINTS * of.interval_s))
    rows = rows.filter(pl.col("timestamp") > of.last - span)
    prices = rows["price"].drop_nulls()
    opened = rows["open"].drop_nulls()
    last, before = (prices[-1], opened[0]) if len(prices) and len(opened) else (None, None)
    bid, ask = rows["bid_price"][-1], rows["ask_price"][-1]
    quoted = bid is not None and ask is not None and bid + ask > 0
    step = max(1, len(prices) // SPARK_POINTS)
    return Glance(
        of,
        last,
        100 * (last / before - 1) if before else None,
        float(rows["volume"].sum()),
        float(rows["notional"].sum()),
        None if rows["trade_count"].null_count() == len(rows) else int(rows["trade_count"].sum()),
        20_000 * (ask - bid) / (ask + bid) if quoted else None,
        rows["rsi_14"][-1],
        tuple(prices.reverse().gather_every(step).reverse().to_list()),
    )
