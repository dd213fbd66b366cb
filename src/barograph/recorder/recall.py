"""Rows that the line has let go of, read back from the store.

A trade that comes hours late (a refill after an outage) revises a minute whose rows are
no longer in memory. What has been committed stands in the store; this reads it back in
the order of the tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from barograph.recorder.instruments import Instruments
from barograph.rows import ABSENT, Quotes, Ticks, columns
from barograph.store import Scan
from barograph.store.arrays import numbers, one, values
from barograph.store.selection import Selection
from barograph.store.store import Reader
from barograph.tables import TABLES


class StoreRecall:
    """Reads back an instrument's ticks and quotes from a store.

    Attributes:
        instruments: set by the replay once the line, which owns it, exists.
        upto: tape position where the run in hand begins. A line that resumes from an older
            checkpoint finds rows in the store that it has yet to make: those are left out.
        uncommitted: rows of the run from ``upto`` on that the store does not hold yet.
    """

    def __init__(self, store: Reader) -> None:
        self._store = store
        self.instruments = Instruments()
        self.upto = 0
        self.uncommitted: Mapping[str, pa.Table] = {}

    def rows(self, instrument: int, start_us: int, end_us: int) -> tuple[Ticks, Quotes]:
        """Rows with ``start_us <= ts < end_us`` that earlier runs brought, in tape order.

        ``record`` holds tape positions here, not indices into a run.
        """
        ticks = self._read("ticks", instrument, start_us, end_us)
        quotes = self._read("quotes", instrument, start_us, end_us)
        return (
            columns(
                Ticks,
                record=_numbers(ticks, "tape_pos"),
                ts_us=_numbers(ticks, "ts"),
                instrument=np.full(len(ticks), instrument),
                **{
                    name: _numbers(ticks, name)
                    for name in ("price", "size", "side", "trade_id", "seq", "flags")
                },
            ),
            columns(
                Quotes,
                record=_numbers(quotes, "tape_pos"),
                ts_us=_numbers(quotes, "ts"),
                estimated=_numbers(quotes, "ts_estimated"),
                instrument=np.full(len(quotes), instrument),
                **{
                    name: _numbers(quotes, name)
                    for name in ("bid_price", "bid_size", "ask_price", "ask_size", "seq", "flags")
                },
            ),
        )

    def _read(self, name: str, instrument: int, start_us: int, end_us: int) -> pa.Table:
        wanted = Scan(
            name,
            symbols=[self.instruments.symbols[instrument]],
            venues=[self.instruments.venues[instrument]],
            start_us=start_us,
            end_us=end_us,
        )
        rows = pa.Table.from_batches(self._store.scan(wanted), TABLES[name].schema())
        rows = rows.filter(pc.less(rows["tape_pos"], one(self.upto, pa.int64())))
        if name in self.uncommitted:
            rows = pa.concat_tables([rows, _only(self.uncommitted[name], wanted)])
        return rows.take(numbers(np.argsort(_numbers(rows, "tape_pos"), kind="stable"), pa.int64()))


def _only(rows: pa.Table, wanted: Scan) -> pa.Table:
    """The rows of one instrument and time out of ``rows``."""
    return Selection.of(wanted).filtered(rows)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return values(table[name], ABSENT if name in ("trade_id", "seq") else np.nan)
