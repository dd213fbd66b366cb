"""Completed trades, wherever the store keeps them: they are no commit's rows, and backed up whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.store.store import Reader, Scan
from barograph.tables import COMPLETED_TRADES

if TYPE_CHECKING:
    import pyarrow as pa


def completed_trades(reader: Reader, data: Path) -> Iterator[pa.RecordBatch]:
    """Every completed trade once, in the table's order.

    A database has them as a table; with a lake they lie beside its commits, in the data directory.
    """
    from barograph.store.lake import Lake
    from barograph.store.snapshots import LakeSnapshot

    if isinstance(reader, Lake | LakeSnapshot):
        return _of_lake(data / "lake")
    return iter(reader.scan(Scan(COMPLETED_TRADES.name)))


def _of_lake(lake: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from barograph.store.parquet import conformed, opened, reading
    from barograph.store.traded import trade_files

    tables = []
    for path in trade_files(lake):
        with reading(path), opened(path) as file:
            tables.append(conformed(file.read(), COMPLETED_TRADES, COMPLETED_TRADES.names))
    if not tables:
        return
    rows = pa.concat_tables(tables)
    places = {key: place for place, key in enumerate(rows.column("trade_key").to_pylist())}
    once = rows.take(pa.array(places.values(), pa.int64()))
    yield from once.sort_by([(name, "ascending") for name in COMPLETED_TRADES.sort]).to_batches()
