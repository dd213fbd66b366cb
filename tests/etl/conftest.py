"""Sources that batches are made of: a CSV of candles with what real files have wrong, and a small lake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from barograph.store import Commit, Lake
from barograph.tables import TABLES

START = datetime(2024, 8, 8, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
SECOND_US = 1_000_000

Files = Callable[[Path], dict[Path, bytes]]


def candle_lines(days: int = 3, step: timedelta = timedelta(minutes=5), seed: int = 1) -> list[str]:
    """``dt;Open;High;Low;Close;Volume`` of ``days`` days from 2024-08-08 on."""
    count = int(timedelta(days=days) / step)
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.001, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    lines = ["dt;Open;High;Low;Close;Volume\n"]
    for k in range(count):
        high, low = max(open_[k], close[k]) * 1.001, min(open_[k], close[k]) * 0.999
        moment = START + k * step
        lines.append(f"{moment:%d.%m.%Y %H:%M:%S};{open_[k]};{high};{low};{close[k]};{k % 7}\n")
    return lines


@pytest.fixture
def make() -> SimpleNamespace:
    """The builders of this file, for tests that need rows of their own."""
    return SimpleNamespace(
        start_us=START_US,
        candle_lines=candle_lines,
        arrow_rows=arrow_rows,
        tick=tick,
        quote=quote,
        minute=minute,
    )


@pytest.fixture
def candle_csv(tmp_path: Path) -> Path:
    """Three days of five-minute candles."""
    path = tmp_path / "raw" / "btc_price_data.csv"
    path.parent.mkdir()
    path.write_text("".join(candle_lines()))
    return path


@pytest.fixture
def files_of() -> Files:
    """All files below a folder with their bytes."""

    def found(folder: Path) -> dict[Path, bytes]:
        return {
            file.relative_to(folder): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    return found


def arrow_rows(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of a table; what a row does not say is null, or a plain value where null may not stand."""
    schema = TABLES[table].schema()
    blank = {"string": "sim", "timestamp[us, tz=UTC]": START_US, "bool": False}
    filled = [
        {f.name: row.get(f.name, None if f.nullable else blank.get(str(f.type), 0)) for f in schema}
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=schema)


def tick(k: int, symbol: str = "BTC-USD", **given: Any) -> dict[str, Any]:
    """The k-th trade: one every ten seconds from 2024-08-08 on."""
    ts = START_US + k * 10 * SECOND_US
    plain = {"ts": ts, "recv_ts": ts, "symbol": symbol, "price": 100.0 + k % 5, "size": 1.0}
    return plain | {"trade_id": k, "seq": k, "tape_pos": k} | given


def quote(k: int, symbol: str = "BTC-USD", **given: Any) -> dict[str, Any]:
    """The k-th quote, a second before the k-th trade."""
    ts = START_US + (k * 10 - 1) * SECOND_US
    plain = {"ts": ts, "recv_ts": ts, "symbol": symbol, "bid_price": 99.0, "ask_price": 101.0}
    return plain | {"bid_size": 1.0, "ask_size": 1.0, "seq": k, "tape_pos": k} | given


def minute(k: int, symbol: str = "BTC-USD", **given: Any) -> dict[str, Any]:
    """The k-th minute."""
    price = 100.0 + k % 7
    plain = {"timestamp": START_US + k * 60 * SECOND_US, "symbol": symbol, "tape_pos": k, "trade_count": 3}
    prices = {"open": price, "high": price + 1, "low": price - 1, "price": price, "exec_price": price}
    return plain | prices | {"volume": 2.0, "notional": 2 * price, "kernel_version": 1} | given


@pytest.fixture
def lake_dir(tmp_path: Path) -> Path:
    """A data directory with two symbols' ticks, quotes and minutes of two days."""
    data = tmp_path / "data"
    days = (range(600), range(8_640, 9_240))
    ticks = [tick(k, symbol) for symbol in ("BTC-USD", "ETH-USD") for day in days for k in day]
    quotes = [quote(k) for day in days for k in day if k]
    minutes = [
        minute(k, symbol) for symbol in ("BTC-USD", "ETH-USD") for k in (*range(100), *range(1_440, 1_540))
    ]
    for row in ticks:
        if row["trade_id"] in (50, 8_700):
            row.update(price=-1.0, flags=1)
    lake = Lake(data / "lake")
    lake.commit(
        Commit(
            0,
            10_000,
            {
                "ticks": arrow_rows("ticks", ticks),
                "quotes": arrow_rows("quotes", quotes),
                "market_microstructure": arrow_rows("market_microstructure", minutes),
            },
        )
    )
    lake.close()
    return data
