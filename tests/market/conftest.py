"""A small data directory: three symbols recorded over two days, a fourth imported as candles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from barograph.bars.resample import resample_ticks
from barograph.market import Market, connect
from barograph.store import Commit, Lake
from barograph.tables import TABLES

START_US = 1_723_075_200_000_000
"""2024-08-08 00:00 UTC."""
MINUTES = 2 * 1_440
PER_SYMBOL = 6_000


def table(name: str, **columns: Any) -> pa.Table:
    """Rows of a table from arrays; nullable columns may be left out."""
    schema = TABLES[name].schema()
    count = len(next(value for value in columns.values() if not isinstance(value, (str, int, float))))
    made = []
    for field in schema:
        value = columns.get(field.name)
        if value is None and field.nullable:
            made.append(pa.nulls(count, field.type))
        elif value is None or isinstance(value, (str, int, float)):
            made.append(pa.array([value or 0] * count, field.type))
        else:
            made.append(pa.array(value).cast(field.type))
    return pa.table(made, schema=schema)


def ticks_of(symbol: str, venue: str, seed: int, first_pos: int) -> pa.Table:
    random = np.random.default_rng(seed)
    times = START_US + np.sort(random.integers(0, MINUTES * 60_000, PER_SYMBOL)) * 1_000
    return table(
        "ticks",
        ts=times,
        recv_ts=times + 900,
        symbol=symbol,
        venue=venue,
        price=np.round(100 * np.exp(np.cumsum(random.normal(0, 1e-3, PER_SYMBOL))), 2),
        size=np.round(random.lognormal(0, 1, PER_SYMBOL), 3) + 0.001,
        side=random.choice([-1, 1], PER_SYMBOL),
        trade_id=np.arange(PER_SYMBOL),
        tape_pos=first_pos + np.arange(PER_SYMBOL),
    )


def candles_of(symbol: str, interval_s: int, count: int, first_pos: int) -> pa.Table:
    number = np.arange(count)
    return table(
        "candles",
        timestamp=START_US + number * interval_s * 1_000_000,
        venue="file",
        symbol=symbol,
        interval_s=interval_s,
        open=100.0 + number,
        high=110.0 + number,
        low=90.0 + number,
        price=105.0 + number,
        volume=np.full(count, 2.0),
        recv_ts=np.full(count, START_US),
        tape_pos=first_pos + number,
    )


def minutes_of(ticks: pa.Table) -> pa.Table:
    frame = pl.from_arrow(ticks)
    assert isinstance(frame, pl.DataFrame)
    made = resample_ticks(frame, None, "1m").to_arrow()
    return made.cast(TABLES["market_microstructure"].schema())


SERIES = (("BTC-USD", "coinbase"), ("BTC-USD", "kraken"), ("ETH-USD", "kraken"))


@pytest.fixture(scope="session")
def recorded() -> pa.Table:
    """The ticks of the data directory, in the order of the tape."""
    return pa.concat_tables(
        [ticks_of(*series, seed, seed * PER_SYMBOL) for seed, series in enumerate(SERIES)]
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, recorded: pa.Table) -> Path:
    """The first day sealed, the second hot."""
    folder = tmp_path_factory.mktemp("data")
    lake = Lake(folder / "lake")
    end = recorded.num_rows
    minutes = minutes_of(recorded)
    lake.commit(Commit(0, end, {"ticks": recorded, "market_microstructure": minutes}))
    lake.seal(day=date(2024, 8, 8), grace_s=-1e9)
    candles = pa.concat_tables([candles_of("SPY", 60, 60, end), candles_of("SPY", 300, 12, end + 60)])
    lake.commit(Commit(end, end + 72, {"candles": candles}))
    lake.close()
    return folder


@pytest.fixture
def market(data: Path) -> Iterator[Market]:
    with connect(data) as opened:
        yield opened
