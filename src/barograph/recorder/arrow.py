"""Columns of NumPy into Arrow tables, in the schemas of :mod:`barograph.tables`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from barograph.clock import NS_PER_US
from barograph.coverage import CoverageRows
from barograph.recorder.instruments import Instruments
from barograph.rows import ABSENT, Anomaly, Bars, Candles, Quotes, Reject, Ticks
from barograph.store.arrays import dtype_of, numbers, texts
from barograph.tables import (
    ANOMALIES,
    CANDLES,
    COVERAGE,
    MARKET_MICROSTRUCTURE,
    QUOTES,
    REJECTS,
    TICKS,
    Table,
)

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
        self._instruments = instruments

    @cached_property
    def _venues(self) -> pa.Array:
        return texts(self._instruments.venues)

    @cached_property
    def _symbols(self) -> pa.Array:
        return texts(self._instruments.symbols)

    def ticks(self, rows: Ticks) -> pa.Table:
        """``ticks`` rows."""
        if not len(rows):
            return no_rows(TICKS)
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
        if not len(rows):
            return no_rows(QUOTES)
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
        if not len(rows):
            return no_rows(MARKET_MICROSTRUCTURE)
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
        if not len(rows):
            return no_rows(CANDLES)
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
        if not len(rows):
            return no_rows(REJECTS)
        record = np.array([reject.record for _, reject in rows], dtype=np.int64)
        return _table(
            REJECTS,
            {"tape_pos": self._first_pos + record},
            recv_ts=self._recv_us[record],
            venue=[venue for venue, _ in rows],
            reason=[reject.reason for _, reject in rows],
            excerpt=[reject.excerpt for _, reject in rows],
        )

    def anomalies(self, rows: Sequence[Anomaly], rules_version: str) -> pa.Table:
        """``anomalies`` rows."""
        if not len(rows):
            return no_rows(ANOMALIES)
        record = np.array([row.record for row in rows], dtype=np.int64)
        instrument = np.array([row.instrument for row in rows], dtype=np.int32)
        return _table(
            ANOMALIES,
            self._placed(record, instrument),
            ts=np.array([row.ts_us for row in rows], dtype=np.int64),
            kind=[row.kind for row in rows],
            score=np.array([np.nan if row.score is None else row.score for row in rows]),
            threshold=np.array([row.threshold for row in rows], dtype=np.float64),
            model_version=[row.model_version or rules_version for row in rows],
            detail=[row.detail for row in rows],
            revision=np.array([row.revision for row in rows], dtype=np.int32),
        )

    def coverage(self, rows: CoverageRows) -> pa.Table:
        """``coverage`` rows."""
        if not len(rows):
            return no_rows(COVERAGE)
        return _table(
            COVERAGE,
            {"tape_pos": self._first_pos + rows.record},
            minute=rows.minute_us,
            venue=rows.venue,
            symbol=rows.symbol,
            channel=rows.channel,
            state=rows.state,
            messages=rows.messages,
            reason=rows.reason,
            updated_at=rows.updated_us,
            revision=rows.revision,
        )

    def _placed(self, record: npt.NDArray[np.int64], instrument: npt.NDArray[np.int32]) -> dict[str, Any]:
        codes = numbers(instrument, pa.int32())
        return {
            "venue": self._venues.take(codes),
            "symbol": self._symbols.take(codes),
            "tape_pos": self._first_pos + record,
        }


@cache
def no_rows(table: Table) -> pa.Table:
    """``table`` without rows."""
    columns = [texts([]) if pa.types.is_string(f.type) else _none(f.type) for f in table.schema()]
    return pa.Table.from_arrays(columns, schema=table.schema())


def _none(kind: pa.DataType) -> pa.Array:
    return numbers(np.empty(0, dtype_of(kind)), kind)


def _table(table: Table, placed: Mapping[str, Any], **columns: Any) -> pa.Table:
    values = {**placed, **columns}
    schema = table.schema()
    return pa.Table.from_arrays([_array(values[field.name], field) for field in schema], schema=schema)


def _array(values: Any, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if pa.types.is_string(field.type):
        return texts(values)
    values = np.asarray(values)
    if not field.nullable:
        return numbers(values, field.type)
    valid = ~np.isnan(values) if values.dtype.kind == "f" else values != ABSENT
    return numbers(values, field.type, valid)
