"""Bars of any interval: above a minute from minutes, below a minute from ticks.

Intervals divide the day and are aligned to UTC. What can be added up is added up, what
looks back is computed anew on the longer bars, so that ``resample(minutes, "1h")`` gives
what the kernel's own batch pass over the ticks gives for an hour: prices, counts and
quotes exactly, sums of sizes and the volatility but for the last bits (they are added up
in another order).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barograph.bars.settings import KERNEL_VERSION, BarSettings
from barograph.clock import DAY_US, MINUTE_US, US_PER_S
from barograph.errors import UsageError
from barograph.rows import ABSENT, Quotes, Ticks, columns, none_of
from barograph.tables import MARKET_MICROSTRUCTURE

if TYPE_CHECKING:
    import polars as pl

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SERIES = ("venue", "symbol")
_KEY = (*_SERIES, "timestamp")
_SUMS = ("volume", "notional", "buy_volume", "sell_volume", "trade_count")
_NEWEST = ("revision", "kernel_version", "as_of", "tape_pos")
_ROLLED = ("volume_spike_score", "price_change_pct", "rsi_14")


def parse_interval(every: str | timedelta) -> int:
    """Microseconds of an interval: ``"1s"`` to ``"1d"`` (s, m, h, d), a whole part of a day.

    Raises:
        UsageError: not an interval, out of bounds, or it does not divide the day.

    >>> parse_interval("5m"), parse_interval(timedelta(hours=1))
    (300000000, 3600000000)
    """
    if isinstance(every, timedelta):
        interval_us = every // timedelta(microseconds=1)
    else:
        match = re.fullmatch(r"\s*(\d{1,9})\s*([smhd])\s*", every)
        if match is None:
            raise UsageError(f"{every!r} is not an interval; write a number and s, m, h or d, such as 5m")
        interval_us = int(match[1]) * _SECONDS[match[2]] * US_PER_S
    if not US_PER_S <= interval_us <= DAY_US or DAY_US % interval_us:
        raise UsageError(
            f"an interval of {every} does not divide the day; take one of 1 s to 1 d that does, "
            "such as 1s, 30s, 5m, 15m, 1h, 4h or 1d"
        )
    return interval_us


def resample(bars: pl.DataFrame, every: str | timedelta, settings: BarSettings | None = None) -> pl.DataFrame:
    """Longer bars out of minutes, for each venue and symbol.

    Args:
        bars: rows of ``market_microstructure``, one version of each minute, in any order.
        every: a multiple of a minute up to a day, see :func:`parse_interval`.
        settings: for the window of ``volume_spike_score``; those that look back begin
            with the first bar that is given.

    ``exec_price`` is the first minute's, else the open of the first minute after it that
    has trades: the first trade at or after the interval's start + ``allowed_lateness``. An
    interval that has quotes only keeps the close before it as its prices. ``revision``,
    ``kernel_version``, ``as_of`` and ``tape_pos`` are the highest of the minutes.

    Raises:
        UsageError: the interval is not a whole number of minutes.
    """
    interval_us = parse_interval(every)
    if interval_us % MINUTE_US:
        raise UsageError(
            f"{every} is not a whole number of minutes; bars below a minute are made from ticks: "
            "call resample_ticks, or barograph.connect(...).bars with this interval"
        )
    longer = _longer(bars, interval_us)
    return _rolled(longer, settings or BarSettings()).select(MARKET_MICROSTRUCTURE.names)


def _start(column: str, interval_us: int) -> pl.Expr:
    """The start of the interval that a time lies in."""
    import polars as pl

    us = pl.col(column).dt.epoch("us")
    return (us - us % interval_us).cast(pl.Datetime("us", "UTC"))


def _longer(bars: pl.DataFrame, interval_us: int) -> pl.DataFrame:
    """The columns that do not look back, sorted by series and time."""
    import polars as pl

    col = pl.col
    traded = col("trade_count") > 0
    first_minute = col("timestamp") == col("start")
    exec_prices = pl.when(first_minute).then(col("exec_price")).otherwise(col("open"))
    squares = (col("volatility_1min") * col("volatility_1min")).filter(traded)
    frame = bars.sort(_KEY).with_columns(_start("timestamp", interval_us).alias("start"))
    made = frame.group_by(*_SERIES, "start", maintain_order=True).agg(
        _among(traded, col("open")).first(),
        _among(traded, col("high")).max(),
        _among(traded, col("low")).min(),
        col("price").last(),
        exec_prices.filter(traded).drop_nulls().first().alias("exec_price"),
        *(col(name).sum() for name in _SUMS),
        *(col(name).last() for name in ("bid_price", "ask_price")),
        pl.when(traded.any()).then(squares.sum().sqrt()).alias("volatility_1min"),
        *(col(name).max() for name in _NEWEST),
    )
    bought, sold = col("buy_volume"), col("sell_volume")
    return made.rename({"start": "timestamp"}).with_columns(
        _quotient(col("notional"), col("volume")).alias("vwap"),
        (col("ask_price") - col("bid_price")).alias("bid_ask_spread"),
        _quotient(bought - sold, bought + sold).alias("order_imbalance"),
    )


def _among(traded: pl.Expr, values: pl.Expr) -> pl.Expr:
    """The values of minutes with trades; where there are none all, which are the close before."""
    return values.filter(traded | ~traded.any())


def _quotient(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(below != 0).then(above / below)


def _rolled(bars: pl.DataFrame, settings: BarSettings) -> pl.DataFrame:
    """``bars``, sorted by series and time, with the columns that look back."""
    import polars as pl

    from barograph.bars.roll import roll

    price = bars["price"].fill_null(float("nan")).to_numpy()
    volume = bars["volume"].to_numpy()
    made = np.empty((3, len(bars)))
    lengths = bars.select(pl.struct(_SERIES).rle().struct.field("len")).to_series().to_list()
    first = 0
    for length in lengths:
        rows = slice(first, first + length)
        rolled, _ = roll(
            price[rows],
            volume[rows],
            spike_window=settings.spike_window,
            spike_min_bars=settings.spike_min_bars,
        )
        made[:, rows] = rolled
        first += length
    looking_back = [pl.Series(name, column) for name, column in zip(_ROLLED, made, strict=True)]
    return bars.with_columns(series.fill_nan(None) for series in looking_back)


def resample_ticks(
    ticks: pl.DataFrame,
    quotes: pl.DataFrame | None,
    every: str | timedelta,
    settings: BarSettings | None = None,
) -> pl.DataFrame:
    """Bars of any interval, such as seconds, straight from ticks and quotes.

    Args:
        ticks, quotes: rows of the tables of these names, in any order.
        every: see :func:`parse_interval`.
        settings: those of the kernel.

    ``revision`` is 0; ``as_of`` and ``tape_pos`` are the highest of the rows of a bar.
    """
    import polars as pl

    interval_us = parse_interval(every)
    tables = [ticks] if quotes is None else [ticks, quotes]
    series = pl.concat([table.select(_SERIES) for table in tables]).unique().sort(_SERIES)
    series = series.with_row_index("instrument")
    made = _batch(_as_ticks(ticks, series), _as_quotes(quotes, series), settings, interval_us)
    start = _start("ts", interval_us).alias("timestamp")
    seen = pl.concat([table.select(*_SERIES, start, "recv_ts", "tape_pos") for table in tables])
    newest = seen.group_by(_KEY).agg(pl.col("recv_ts").max().alias("as_of"), pl.col("tape_pos").max())
    named = made.join(series, on="instrument").join(newest, on=_KEY)
    return named.sort(_KEY).select(MARKET_MICROSTRUCTURE.names)


def _batch(ticks: Ticks, quotes: Quotes, settings: BarSettings | None, interval_us: int) -> pl.DataFrame:
    """The kernel's batch pass as a frame."""
    import polars as pl

    from barograph.bars.batch import batch

    made = batch(ticks, quotes, settings, interval_us)
    given = {*_KEY, "kernel_version", "as_of", "tape_pos"}
    names = [name for name in MARKET_MICROSTRUCTURE.names if name not in given]
    frame = pl.DataFrame({name: getattr(made, name) for name in names})
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    return frame.with_columns(
        pl.col(floats).fill_nan(None),
        pl.Series("timestamp", made.timestamp_us).cast(pl.Datetime("us", "UTC")),
        pl.Series("instrument", made.instrument).cast(pl.UInt32),
        pl.lit(KERNEL_VERSION, dtype=pl.Int32).alias("kernel_version"),
    )


def _in_tape_order(frame: pl.DataFrame, series: pl.DataFrame) -> Callable[[str], npt.NDArray[Any]]:
    """The columns of ``frame`` with instruments numbered, as arrays that kernels can take."""
    coded = frame.join(series, on=_SERIES, how="left", maintain_order="left")
    coded = coded.sort("tape_pos", maintain_order=True)
    coded = coded.with_columns(coded["ts"].dt.epoch("us"), coded["seq"].fill_null(ABSENT))
    return lambda name: coded[name].to_numpy(writable=True)


def _as_ticks(frame: pl.DataFrame, series: pl.DataFrame) -> Ticks:
    column = _in_tape_order(frame, series)
    return columns(
        Ticks,
        record=column("tape_pos"),
        ts_us=column("ts"),
        instrument=column("instrument"),
        price=column("price"),
        size=column("size"),
        side=column("side"),
        seq=column("seq"),
        flags=column("flags"),
    )


def _as_quotes(frame: pl.DataFrame | None, series: pl.DataFrame) -> Quotes:
    if frame is None:
        return none_of(Quotes)
    column = _in_tape_order(frame, series)
    return columns(
        Quotes,
        record=column("tape_pos"),
        ts_us=column("ts"),
        instrument=column("instrument"),
        bid_price=column("bid_price"),
        ask_price=column("ask_price"),
        seq=column("seq"),
        flags=column("flags"),
    )
