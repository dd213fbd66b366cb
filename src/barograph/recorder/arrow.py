"""Columns of NumPy into Arrow tables, in the schemas of :mod:`barograph.tables`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from barograph.clock import NS_PER_US
from barograph.recorder.instruments import Instruments
from barograph.rows import ABSENT, Anomaly, Bars, Candles, Quotes, Reject, Ticks
from barograph.tables import ANOMALIES, CANDLES, MARKET_MICROSTRUCTURE, QUOTES, REJECTS, TICKS, Table

KERNEL_COLUMNS = tuple(
    name
    for name in MARKET_MICROSTRUCTURE.names
    if name not in ("timestamp", "symbol", "venue", "kernel_version", "as_of", "tape_pos")
)


class RunTables:
    """What the rows of one run need to become tables: its place on the tape and its names."""

    def __init__(self, first_pos: int, recv_ns: npt.NDArray[np.int64], instruments: Instruments) -> None:
        self._first_pos = first_pos
        self._recv_us = recv_ns // NS_PER_US
        self._venues = pa.array(instruments.venues, pa.string())
        self._symbols = pa.array(instruments.symbols, pa.string())

    def ticks(self, rows: Ticks) -> pa.Table:
        """``ticks`` rows."""
        return _table(
            TICKS,
            self._placed(rows.record, rows.instrument),
            ts=rows.ts_us,
            recv_ts=self._recv_us[rows.record],
            price=rows.price,
            size=rows.size,
            side=rows.side,
            trade_id=rows.trade_id,
            seq=rows.seq,
            flags=rows.flags,
        )

    def quotes(self, rows: Quotes) -> pa.Table:
        """``quotes`` rows."""
        return _table(
            QUOTES,
            self._placed(rows.record, rows.instrument),
            ts=rows.ts_us,
            recv_ts=self._recv_us[rows.record],
            ts_estimated=rows.estimated,
            bid_price=rows.bid_price,
            bid_size=rows.bid_size,
            ask_price=rows.ask_price,
            ask_size=rows.ask_size,
            seq=rows.seq,
            flags=rows.flags,
        )

    def bars(self, rows: Bars, kernel_version: int) -> pa.Table:
        """``market_microstructure`` rows."""
        return _table(
            MARKET_MICROSTRUCTURE,
            self._placed(rows.record, rows.instrument),
            timestamp=rows.timestamp_us,
            kernel_version=np.full(len(rows), kernel_version, dtype=np.int32),
            as_of=rows.as_of_us,
            **{name: getattr(rows, name) for name in KERNEL_COLUMNS},
        )

    def candles(self, rows: Candles) -> pa.Table:
        """``candles`` rows."""
        return _table(
            CANDLES,
            self._placed(rows.record, rows.instrument),
            timestamp=rows.timestamp_us,
            recv_ts=self._recv_us[rows.record],
            interval_s=rows.interval_s,
            open=rows.open,
            high=rows.high,
            low=rows.low,
            price=rows.price,
            volume=rows.volume,
        )

    def rejects(self, rows: Sequence[tuple[str, Reject]]) -> pa.Table:
        """``rejects`` rows from pairs of venue and reject."""
        record = np.array([reject.record for _, reject in rows], dtype=np.int64)
        return _table(
            REJECTS,
            {"tape_pos": self._first_pos + record},
            recv_ts=self._recv_us[record],
            venue=[venue for venue, _ in rows],
            reason=[reject.reason for _, reject in rows],
            excerpt=[reject.excerpt for _, reject in rows],
        )

    def anomalies(self, rows: Sequence[Anomaly], model_version: str) -> pa.Table:
        """``anomalies`` rows."""
        record = np.array([row.record for row in rows], dtype=np.int64)
        instrument = np.array([row.instrument for row in rows], dtype=np.int32)
        return _table(
            ANOMALIES,
            self._placed(record, instrument),
            ts=np.array([row.ts_us for row in rows], dtype=np.int64),
            kind=[row.kind for row in rows],
            score=[row.score for row in rows],
            threshold=[row.threshold for row in rows],
            model_version=[model_version] * len(rows),
            detail=[row.detail for row in rows],
            revision=np.array([row.revision for row in rows], dtype=np.int32),
        )

    def _placed(self, record: npt.NDArray[np.int64], instrument: npt.NDArray[np.int32]) -> dict[str, Any]:
        codes = pa.array(instrument)
        return {
            "venue": self._venues.take(codes),
            "symbol": self._symbols.take(codes),
            "tape_pos": self._first_pos + record,
        }


def _table(table: Table, placed: Mapping[str, Any], **columns: Any) -> pa.Table:
    values = {**placed, **columns}
    return pa.Table.from_arrays(
        [_array(values[field.name], field) for field in table.schema()], schema=table.schema()
    )


def _array(values: Any, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if not isinstance(values, np.ndarray):
        return pa.array(values, field.type)
    if field.nullable and values.dtype.kind == "f":
        return pa.array(values, field.type, from_pandas=True)  # NaN becomes null
    if field.name in ("trade_id", "seq"):
        absent = values == ABSENT
        return pa.array(values, field.type, mask=absent if absent.any() else None)
    if pa.types.is_timestamp(field.type):
        return pa.array(values, pa.int64()).cast(field.type)
    return pa.array(values, field.type)
