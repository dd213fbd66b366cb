"""Bars of a day out of its clean rows: each a function of that day's rows alone.

Columns are those of ``market_microstructure`` but for the three that look back over bars
(volume_spike_score, price_change_pct, rsi_14): with them a day's file would depend on hundreds
of bars before it. What a source does not tell is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from barograph.bars.resample import parse_interval, resample, resample_ticks
from barograph.clock import MINUTE_US, US_PER_S
from barograph.etl.cleaning import Cleaning, usable
from barograph.tables import MARKET_MICROSTRUCTURE, Flag

if TYPE_CHECKING:
    import polars as pl

_LOOKING_BACK = ("volume_spike_score", "price_change_pct", "rsi_14")
COLUMNS = tuple(name for name in MARKET_MICROSTRUCTURE.names if name not in _LOOKING_BACK)
"""Of every derived table of bars."""

SORT = MARKET_MICROSTRUCTURE.sort
_SERIES = ["symbol", "venue"]


def bars(day: dict[str, pl.DataFrame], every: str, how: Cleaning) -> pl.DataFrame:
    """A day's bars of the interval ``every``.

    Of each venue's symbol the best that there is: recorded minutes, or trades and quotes for
    intervals below a minute and where no minutes are; else the longest candles that divide the interval.

    Args:
        day: ticks, quotes and candles with flags, and market_microstructure, as far as there are any.
    """
    import polars as pl

    interval_us = parse_interval(every)
    found: list[pl.DataFrame] = []
    for made in (_of_minutes, _of_ticks, _of_candles):
        each = made(day, every, interval_us, how).select(COLUMNS)
        for better in found:
            each = each.join(better, on=_SERIES, how="anti")
        found.append(each)
    return pl.concat(found).sort(SORT)


def _of_minutes(day: dict[str, pl.DataFrame], every: str, interval_us: int, how: Cleaning) -> pl.DataFrame:
    minutes = day.get("market_microstructure")
    if minutes is None or minutes.is_empty() or interval_us % MINUTE_US:
        return _none()
    return minutes if interval_us == MINUTE_US else resample(minutes, every, how.bars)


def _of_ticks(day: dict[str, pl.DataFrame], every: str, interval_us: int, how: Cleaning) -> pl.DataFrame:
    import polars as pl

    series = [day[table].select(_SERIES) for table in ("ticks", "quotes") if table in day]
    if interval_us % MINUTE_US == 0 and "market_microstructure" in day:
        # Recorded minutes are the better bars, and a day of ticks is large: leave those series out at once.
        series = [each.join(day["market_microstructure"], on=_SERIES, how="anti") for each in series]
    if not series or pl.concat(series).is_empty():
        return _none()
    rows = {
        # The kernel leaves out what it must not use by the other flags itself.
        table: day[table]
        .filter((pl.col("flags") & Flag.DUPLICATE) == 0)
        .join(pl.concat(series).unique(), on=_SERIES, how="semi")
        for table in ("ticks", "quotes")
        if table in day
    }
    ticks = rows.get("ticks", _empty("ticks"))
    return resample_ticks(ticks, rows.get("quotes"), every, how.bars)


def _of_candles(day: dict[str, pl.DataFrame], _: str, interval_us: int, how: Cleaning) -> pl.DataFrame:
    import polars as pl

    col = pl.col
    if "candles" not in day:
        return _none()
    candles = usable(day["candles"], how).filter((interval_us // US_PER_S) % col("interval_s") == 0)
    candles = candles.filter(col("interval_s") == col("interval_s").max().over(_SERIES))
    start = col("timestamp").dt.epoch("us")
    made = (
        candles.with_columns((start - start % interval_us).cast(pl.Datetime("us", "UTC")).alias("start"))
        .sort(*_SERIES, "timestamp")
        .group_by(*_SERIES, "start", maintain_order=True)
        .agg(
            col("open").first(),
            col("high").max(),
            col("low").min(),
            col("price").last(),
            pl.when(col("volume").is_not_null().any()).then(col("volume").sum()).alias("volume"),
            col("recv_ts").max().alias("as_of"),
            col("tape_pos").max(),
        )
        .rename({"start": "timestamp"})
    )
    absent = [
        pl.lit(None, dtype).alias(name) for name, dtype in _none().schema.items() if name not in made.columns
    ]
    return made.with_columns(absent)


def _none() -> pl.DataFrame:
    return _empty("market_microstructure").select(COLUMNS)


def _empty(table: str) -> pl.DataFrame:
    from barograph.etl.sources import empty

    return empty(table)
