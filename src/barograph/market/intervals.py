"""Bars of any interval out of what a store has: minutes, ticks, or imported candles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from barograph.clock import MINUTE_US, US_PER_S
from barograph.market.frames import frame_of
from barograph.store import Scan, read
from barograph.store.store import Reader
from barograph.tables import CANDLES, MARKET_MICROSTRUCTURE

if TYPE_CHECKING:
    import polars as pl

WARM_UP = 500
"""Intervals read before the start, for the columns that look back.

The window of ``volume_spike_score`` is 60 bars, and after 500 an RSI has forgotten where
it began (13/14 to the power of 500 is below the precision of a double).
"""

_NOT_IN_CANDLES = (
    "exec_price",
    "notional",
    "vwap",
    "trade_count",
    "buy_volume",
    "sell_volume",
    "bid_price",
    "ask_price",
    "bid_ask_spread",
    "order_imbalance",
    "volatility_1min",
)


def frame(store: Reader, wanted: Scan) -> pl.DataFrame:
    """The rows of a scan as a DataFrame, with the table's columns even when there are none."""
    return frame_of(read(store, wanted))


def bars(store: Reader, wanted: Scan, every: str) -> pl.DataFrame:
    """Bars of the interval ``every`` in the time of ``wanted``, a scan of ``market_microstructure``.

    Series without recorded bars are filled from candles whose interval divides ``every``.
    Bars that begin within the time are given whole, those of an hour at its start too.
    """
    import polars as pl

    from barograph.bars.resample import parse_interval

    interval_us = parse_interval(every)
    if interval_us < MINUTE_US:
        return _within(_from_ticks(store, _widened(wanted, interval_us), every), wanted)
    if interval_us == MINUTE_US:
        recorded = frame(store, wanted)
    else:
        recorded = _within(_from_minutes(store, _widened(wanted, interval_us), every), wanted)
    imported = _within(_from_candles(store, _widened(wanted, interval_us), every, interval_us), wanted)
    imported = imported.join(recorded, on=["symbol", "venue"], how="anti")
    if imported.is_empty():
        return recorded
    return pl.concat([recorded, imported]).sort(MARKET_MICROSTRUCTURE.sort)


def _from_minutes(store: Reader, wanted: Scan, every: str) -> pl.DataFrame:
    from barograph.bars.resample import resample

    return resample(frame(store, wanted), every).sort(MARKET_MICROSTRUCTURE.sort)


def _from_ticks(store: Reader, wanted: Scan, every: str) -> pl.DataFrame:
    from barograph.bars.resample import resample_ticks

    ticks = frame(store, replace(wanted, table="ticks"))
    quotes = frame(store, replace(wanted, table="quotes"))
    if ticks.is_empty() and quotes.is_empty():
        return _empty()
    return resample_ticks(ticks, quotes, every).sort(MARKET_MICROSTRUCTURE.sort)


def _from_candles(store: Reader, wanted: Scan, every: str, interval_us: int) -> pl.DataFrame:
    """Bars of the longest candles that ``every`` is a multiple of; what candles lack is null."""
    import polars as pl

    from barograph.bars.resample import resample

    candles = frame(store, replace(wanted, table=CANDLES.name))
    candles = candles.filter((interval_us // US_PER_S) % pl.col("interval_s") == 0)
    candles = candles.filter(pl.col("interval_s") == pl.col("interval_s").max().over("symbol", "venue"))
    if candles.is_empty():
        return _empty()
    made = resample(_as_bars(candles), every)
    absent = [pl.lit(None, made.schema[name]).alias(name) for name in _NOT_IN_CANDLES]
    return made.with_columns(absent)


def _as_bars(candles: pl.DataFrame) -> pl.DataFrame:
    """Candles in the columns of bars. Each counts as a trade, so that its prices are taken."""
    import polars as pl

    zero = pl.lit(0, pl.Int32)
    known = candles.with_columns(
        pl.lit(1, pl.Int64).alias("trade_count"),
        zero.alias("revision"),
        zero.alias("kernel_version"),
        pl.col("recv_ts").alias("as_of"),
    )
    absent = {name: dtype for name, dtype in _empty().schema.items() if name not in known.columns}
    nulls = [pl.lit(None, dtype).alias(name) for name, dtype in absent.items()]
    return known.with_columns(nulls).select(MARKET_MICROSTRUCTURE.names)


def _widened(wanted: Scan, interval_us: int) -> Scan:
    """``wanted`` with the bars before it that columns look back on, and its last bar whole."""
    start, end = wanted.start_us, wanted.end_us
    return replace(
        wanted,
        start_us=None if start is None else start - start % interval_us - WARM_UP * interval_us,
        end_us=None if end is None else -(-end // interval_us) * interval_us,
    )


def _within(made: pl.DataFrame, wanted: Scan) -> pl.DataFrame:
    """The bars that begin within the wanted time."""
    import polars as pl

    start = pl.col("timestamp").dt.epoch("us")
    if wanted.start_us is not None:
        made = made.filter(start >= wanted.start_us)
    if wanted.end_us is not None:
        made = made.filter(start < wanted.end_us)
    return made


def _empty() -> pl.DataFrame:
    return frame_of(MARKET_MICROSTRUCTURE.schema().empty_table())


def names(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """One name, several or none, as a scan takes them."""
    return (value,) if isinstance(value, str) else None if value is None else tuple(value)
