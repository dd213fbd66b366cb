"""One call for bars of any source."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from barograph.bars.resample import parse_interval
from barograph.errors import DataError, UsageError
from barograph.market.times import Moment, moment_us
from barograph.research.data.checking import moment, sound
from barograph.research.data.hashing import data_hash
from barograph.research.data.resampling import finished, longer
from barograph.research.data.source import Rows, Source, Wanted
from barograph.research.data.spacing import commonest_step, irregularities
from barograph.store.opening import Location
from barograph.strategies.prices import Prices

LAKE = "lake"
"""The source that is the data directory of the settings."""


def load(
    source: str | Path,
    symbol: str | None = None,
    interval: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    data_dir: str | Path | Location | None = None,
) -> Source:
    """Bars of one symbol, with what should be known about them.

    Args:
        source: ``arch:sp500`` or ``arch:nasdaq`` (daily, in the package arch); a CSV of candles, also
            .gz; Parquet, a file or a folder; a data directory, or ``lake`` for ``data_dir``.
        symbol: which one, where there are several; ``SYMBOL@VENUE`` where several venues have it.
            Of a source that names none, what to call it.
        interval: 1s to 1d, a multiple of the source's own, which is the default.
        start, end: the bars that begin in ``[start, end)``, each made whole; UTC where no zone is named.
        data_dir: for the source ``lake``, which also stands for recorded data in a database.

    Raises:
        UsageError: there is no such source, symbol or interval.
        DataError: the source cannot be read, or has no bars there.

    >>> load("arch:sp500", end="2000-01-01").prices.close[:2].round(2).tolist()
    [1228.1, 1244.78]
    """
    wanted = Wanted(
        symbol, None if interval is None else parse_interval(interval), moment_us(start), moment_us(end)
    )
    return _bars(_read(str(source), wanted, data_dir), wanted)


def _read(source: str, wanted: Wanted, data_dir: str | Path | Location | None) -> Rows:
    if source.startswith("arch:"):
        from barograph.research.data.bundled import read_bundled

        return read_bundled(source, wanted)
    if source == LAKE:
        if data_dir is None:
            raise UsageError("the source lake needs a data directory; give one, or its path as the source")
        if isinstance(data_dir, Location) and data_dir.address is not None:
            return _read_recorded(data_dir, wanted)
        source = str(data_dir)
    if "://" in source:
        # It would be kept in the study's files, with the password that may be in it.
        raise UsageError(
            'a source is no URL; say store = "postgresql" and its address in barograph.toml or the '
            "environment, and give the source lake"
        )
    path = Path(source)
    if not path.exists():
        raise UsageError(
            f"there is no source {source!r}; give arch:sp500, arch:nasdaq, a CSV or Parquet file, "
            "or a data directory"
        )
    return _read_path(path, wanted)


def _read_recorded(where: Location, wanted: Wanted) -> Rows:
    from barograph.research.data.lake import read_lake

    return read_lake(where, wanted)


def _read_path(path: Path, wanted: Wanted) -> Rows:
    if (path / LAKE).is_dir():
        return _read_recorded(Location(path), wanted)
    if path.is_dir() or _is_parquet(path):
        from barograph.research.data.parquet import read_parquet

        return read_parquet(path, wanted)
    from barograph.research.data.candle_csv import read_candles

    return read_candles(path, wanted)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _bars(rows: Rows, wanted: Wanted) -> Source:
    """Bars of the wanted interval and time, hashed."""
    if not len(rows) and not rows.dropped:
        raise DataError(f"{rows.name} has no bars in the time asked for: {_asked(wanted)}")
    rows = sound(rows)
    base_us = rows.interval_us or (wanted.interval_us if len(rows) < 2 else None) or commonest_step(rows)
    interval_us = wanted.interval_us or base_us
    if interval_us != base_us:
        rows = finished(longer(rows, base_us, interval_us), rows.ts_us, base_us, interval_us)
    bars = _cut(rows, wanted)
    prices = Prices(
        symbol=bars.symbol,
        interval_us=interval_us,
        ts_us=bars.ts_us,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        exec_price=bars.exec_price,
        spread=bars.spread,
    ).checked()
    remarks = (*bars.remarks, *irregularities(prices.ts_us, interval_us), *_fills(prices))
    return Source(prices, bars.name, data_hash(prices, bars.split), bars.split, bars.dropped, remarks)


def _cut(rows: Rows, wanted: Wanted) -> Rows:
    first = 0 if wanted.start_us is None else int(np.searchsorted(rows.ts_us, wanted.start_us))
    stop = len(rows) if wanted.end_us is None else int(np.searchsorted(rows.ts_us, wanted.end_us))
    if first < stop:
        return rows.take(slice(first, stop))
    reach = f"{moment(rows.ts_us[0])} to {moment(rows.ts_us[-1])}" if len(rows) else "nothing at all"
    raise DataError(f"{rows.name} has no bars in the time asked for: {_asked(wanted)}; it has {reach}")


def _asked(wanted: Wanted) -> str:
    since = "the beginning" if wanted.start_us is None else moment(wanted.start_us)
    until = "the end" if wanted.end_us is None else moment(wanted.end_us)
    return f"{since} to {until}"


def _fills(prices: Prices) -> list[str]:
    if prices.idealised:
        return ["no exec_price: orders are filled at the next bar's open, which is idealised"]
    never = int(np.count_nonzero(np.isnan(prices.fill_price)))
    return [f"{never:,} of {len(prices):,} bars have no exec_price: orders wait over them"] if never else []
