"""Bars of long stretches of time, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from barograph.clock import DAY_US

if TYPE_CHECKING:
    import polars as pl

    from barograph.store.store import Reader, Scan

CHUNK_US = 60 * DAY_US
"""Minutes of so long are held at once."""
_WARM_UP = 100
"""Bars before the stretch that are read for its RSI and spike score: by then they differ in no pixel."""


def bars_of(store: Reader, wanted: Scan, every: str) -> pl.DataFrame:
    """Bars of the recorded minutes in a bounded stretch, in the columns of ``market_microstructure``.

    They are those of :meth:`barograph.market.Market.bars`, but for columns that look back, which begin
    :data:`_WARM_UP` bars before the stretch. Short stretches, candles and seconds are left to it altogether.
    """
    import polars as pl

    from barograph.bars.resample import parse_interval, resample
    from barograph.clock import from_us
    from barograph.market.intervals import bars, frame

    interval_us = parse_interval(every)
    start_us, end_us = wanted.start_us, wanted.end_us
    if start_us is None or end_us is None or end_us - start_us <= CHUNK_US or interval_us < 60_000_000:
        return bars(store, wanted, every)
    begin_us = start_us // interval_us * interval_us
    scans = _chunks(wanted, begin_us - _WARM_UP * interval_us, end_us)
    made = [resample(minutes, every) for scan in scans if len(minutes := frame(store, scan))]
    if not made:
        return bars(store, wanted, every)
    # Made again from themselves, what adds up stays and what looks back sees across the seams.
    whole = resample(pl.concat(made), every)
    return whole.filter(pl.col("timestamp") >= from_us(begin_us))


def _chunks(wanted: Scan, start_us: int, end_us: int) -> Iterator[Scan]:
    """The stretch cut where days begin."""
    low = start_us
    while low < end_us:
        high = min((low // DAY_US + CHUNK_US // DAY_US) * DAY_US, end_us)
        yield replace(wanted, start_us=low, end_us=high)
        low = high
