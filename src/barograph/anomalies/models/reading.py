"""Stored minutes as the features of a model: the same rows that the live line makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from barograph.anomalies.history import COLUMNS, History, Market, Table, minutes_of, values_of
from barograph.anomalies.models.features import features
from barograph.anomalies.settings import LOOKBACK
from barograph.clock import MINUTE_US
from barograph.errors import DataError
from barograph.rows import Bars, Floats, Ints, columns
from barograph.store.arrays import values
from barograph.store.store import Scan

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.store.store import Reader

_STORED = (
    "timestamp",
    "volume",
    "trade_count",
    "bid_price",
    "ask_price",
    "bid_ask_spread",
    "order_imbalance",
    "volatility_1min",
    "volume_spike_score",
    "price_change_pct",
)


class Wanted(NamedTuple):
    """Which minutes: of these symbols (None: all), ``start_us <= timestamp < end_us`` (None: no bound)."""

    symbols: Sequence[str] | None = None
    start_us: int | None = None
    end_us: int | None = None


class Rows(NamedTuple):
    """The bars that are ready to be scored, by venue and symbol, each in the order of time.

    Attributes:
        venue, symbol: of each of the n rows.
        ts_us: int64, shape (n,): starts of the minutes.
        features: shape (n, features), NaN where a bar lacks one.
        data_hash: sha256, in hex, of all bars that went in, those of the windows before ``start_us`` too.
    """

    venue: list[str]
    symbol: list[str]
    ts_us: Ints
    features: Floats
    data_hash: str

    def __len__(self) -> int:
        return len(self.ts_us)


def read_rows(store: Reader, wanted: Wanted) -> Rows:
    """The features of stored minutes, the newest revision of each.

    ``LOOKBACK`` minutes before ``start_us`` are read too, so that the first rows are compared
    with what was before them, as they were when they came.

    Raises:
        DataError: no bar is ready; the message tells how many minutes there are.
    """
    venues: list[str] = []
    symbols: list[str] = []
    starts: list[Ints] = []
    rows: list[Floats] = []
    digest = hashlib.sha256(b"features 1\n")
    bars = 0
    for name, minutes, table in _histories(store, wanted):
        digest.update(f"{name[0]}|{name[1]}|{len(minutes)}\n".encode())
        digest.update(minutes.astype("<i8").tobytes() + _canonical(table))
        first = 0 if wanted.start_us is None else int(minutes.searchsorted(-(-wanted.start_us // MINUTE_US)))
        series = History(minutes, table, len(minutes)).series(Market())
        made = features(series, first, len(minutes))
        ready = ~np.isnan(made[:, -1])
        bars += len(minutes) - first
        venues += [name[0]] * int(np.count_nonzero(ready))
        symbols += [name[1]] * int(np.count_nonzero(ready))
        starts.append(minutes[first:][ready] * MINUTE_US)
        rows.append(made[ready])
    if not venues:
        raise DataError(
            f"{bars:,} minutes are stored of what was asked for, and none has enough of a past to be "
            "compared with; `barograph symbols` lists what there is"
        )
    return Rows(venues, symbols, np.concatenate(starts), np.concatenate(rows), digest.hexdigest())


def _histories(store: Reader, wanted: Wanted) -> list[tuple[tuple[str, str], Ints, Table]]:
    """Minutes and values of each venue's symbol, in the order of names."""
    import pyarrow as pa

    early_us = None if wanted.start_us is None else wanted.start_us - LOOKBACK * MINUTE_US
    scan = Scan(
        "market_microstructure",
        ["venue", "symbol", *_STORED],
        wanted.symbols,
        start_us=early_us,
        end_us=wanted.end_us,
    )
    parts: dict[tuple[str, str], list[tuple[Ints, Table]]] = {}
    for batch in store.scan(scan):
        table = pa.Table.from_batches([batch])
        names = table.select(["venue", "symbol"]).to_pylist()
        keys = [(row["venue"], row["symbol"]) for row in names]
        bars = _bars(table)
        minutes, made = minutes_of(bars), values_of(bars)
        for key in dict.fromkeys(keys):
            own = np.array([each == key for each in keys])
            parts.setdefault(key, []).append((minutes[own], made[:, own]))
    return [(key, *_joined(parts[key])) for key in sorted(parts)]


def _joined(parts: list[tuple[Ints, Table]]) -> tuple[Ints, Table]:
    minutes = np.concatenate([part[0] for part in parts])
    order = np.argsort(minutes, kind="stable")
    table = np.concatenate([part[1] for part in parts], axis=1)[:, order]
    assert table.shape[0] == COLUMNS
    return minutes[order], np.ascontiguousarray(table)


def _bars(table: pa.Table) -> Bars:
    stored = {name: values(table[name], np.nan) for name in _STORED if name != "timestamp"}
    return columns(Bars, record=np.zeros(len(table)), timestamp_us=values(table["timestamp"]), **stored)


def _canonical(table: Table) -> bytes:
    """A NaN is one NaN and a zero has no sign."""
    return np.where(np.isnan(table), np.nan, table + 0.0).astype("<f8").tobytes()
