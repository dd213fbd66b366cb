"""Recorded minutes, whose fills could have happened, or imported candles, of a data directory or database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from barograph.bars.resample import resample
from barograph.clock import MINUTE_US, US_PER_S, from_us
from barograph.market import Market, connect
from barograph.research.data.choosing import Series, chosen_interval, chosen_series
from barograph.research.data.resampling import finished
from barograph.research.data.source import Rows, Wanted, floats, ints
from barograph.research.spans import span
from barograph.rows import Ints
from barograph.store import Scan
from barograph.store.opening import Location
from barograph.tables import CANDLES, MARKET_MICROSTRUCTURE

if TYPE_CHECKING:
    import polars as pl

_AT_ONCE = 100_000
"""Minutes held while longer bars are made of them: about ten weeks."""

_ALL = "SELECT symbol, venue FROM market_microstructure UNION SELECT symbol, venue FROM candles"
_RECORDED = "SELECT 1 FROM market_microstructure WHERE symbol = $1 AND venue = $2 LIMIT 1"
_INTERVALS = "SELECT DISTINCT interval_s FROM candles WHERE symbol = $1 AND venue = $2"
_INCOMPLETE = """
    SELECT count(*) AS minutes FROM market_minutes WHERE symbol = $1 AND venue = $2 AND complete = false
    AND timestamp >= coalesce($3::TIMESTAMPTZ, timestamp)
    AND timestamp < coalesce($4::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
"""


def read_lake(where: Location, wanted: Wanted) -> Rows:
    """Recorded bars of a symbol, or else its candles, in the wanted time; as they stand now.

    Minutes are read in pieces and made longer piece by piece, so that no more than some weeks of
    them are held; bars below a minute are made from all ticks of the wanted time at once.

    Raises:
        UsageError: no such symbol, or several venues or intervals, and none named.
        DataError: nothing is recorded.
    """
    with connect(where) as market:
        series = chosen_series(str(where), (Series(*row) for row in market.sql(_ALL).rows()), wanted.symbol)
        if market.sql(_RECORDED, series).is_empty():
            return _candles(market, series, wanted)
        rows = (
            _from_ticks(market, series, wanted) if _short(wanted) else _from_minutes(market, series, wanted)
        )
        return rows.with_(*_incomplete(market, series, wanted))


def _short(wanted: Wanted) -> bool:
    return wanted.interval_us is not None and wanted.interval_us < MINUTE_US


def _from_minutes(market: Market, series: Series, wanted: Wanted) -> Rows:
    """Minutes as they were recorded, or longer bars of them."""
    import polars as pl

    interval_us = wanted.interval_us or MINUTE_US
    pieces, minutes = [], []
    for piece in _whole_days(market, series, wanted):
        minutes.append(_starts(piece))
        pieces.append(_columns(piece if interval_us == MINUTE_US else resample(piece, span(interval_us))))
    made = _rows(series, pl.concat(pieces), interval_us)
    if interval_us == MINUTE_US:
        return made
    told = made.with_(f"made from recorded minutes into {span(interval_us)}")
    return finished(told, np.concatenate(minutes), MINUTE_US, interval_us)


def _whole_days(market: Market, series: Series, wanted: Wanted) -> Iterator[pl.DataFrame]:
    """The recorded minutes in order, in pieces that no day is in two of; at least one, perhaps empty."""
    import polars as pl

    start_us, end_us = wanted.whole
    table = MARKET_MICROSTRUCTURE
    scan = Scan(table.name, None, [series.symbol], [series.venue], start_us, end_us)
    held = pl.DataFrame(schema=pl.Schema(table.schema()))
    for batch in market.store.scan(scan):
        held = held.vstack(pl.DataFrame(batch))
        if len(held) >= _AT_ONCE:
            last_day = held["timestamp"].dt.truncate("1d").last()
            yield held.filter(pl.col("timestamp") < last_day)
            held = held.filter(pl.col("timestamp") >= last_day)
    yield held


def _from_ticks(market: Market, series: Series, wanted: Wanted) -> Rows:
    assert wanted.interval_us is not None
    start, end = (None if us is None else from_us(us) for us in (wanted.start_us, wanted.end_us))
    made = market.bars(series.symbol, span(wanted.interval_us), start, end, series.venue)
    return _rows(series, _columns(made), wanted.interval_us).with_("made from ticks")


def _incomplete(market: Market, series: Series, wanted: Wanted) -> list[str]:
    """What the completeness ledger says against the minutes."""
    bounds = [None if us is None else from_us(us) for us in wanted.whole]
    n = int(market.sql(_INCOMPLETE, (*series, *bounds)).item())
    if not n:
        return []
    return [
        f"{n:,} of the minutes lack trades or quotes (barograph coverage says why); they are used as recorded"
    ]


def _candles(market: Market, series: Series, wanted: Wanted) -> Rows:
    import polars as pl

    seconds = market.sql(_INTERVALS, series)["interval_s"]
    interval_us = chosen_interval(str(series), seconds, wanted.interval_us)
    start_us, end_us = wanted.whole
    columns = ["timestamp", "open", "high", "low", "price", "volume", "interval_s"]
    scan = Scan(CANDLES.name, columns, [series.symbol], [series.venue], start_us, end_us)
    pieces = [pl.DataFrame(schema=pl.Schema(CANDLES.schema())).select(columns)]
    pieces += [
        pl.DataFrame(batch).filter(pl.col("interval_s") == interval_us // US_PER_S)
        for batch in market.store.scan(scan)
    ]
    return _rows(series, pl.concat(pieces), interval_us)


def _columns(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.select("timestamp", "open", "high", "low", "price", "volume", "exec_price", "bid_ask_spread")


def _rows(series: Series, bars: pl.DataFrame, interval_us: int) -> Rows:
    known = {name: floats(bars[name].fill_null(math.nan)) for name in bars.columns if name != "timestamp"}
    return Rows(
        name=f"lake:{series.venue}",
        symbol=series.symbol,
        ts_us=_starts(bars),
        open=known["open"],
        high=known["high"],
        low=known["low"],
        close=known["price"],
        volume=known["volume"],
        exec_price=known.get("exec_price"),
        spread=known.get("bid_ask_spread"),
        interval_us=interval_us,
    )


def _starts(bars: pl.DataFrame) -> Ints:
    return ints(bars["timestamp"].dt.epoch("us"))
