"""``barograph export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.cli.tables import reader_of, store_of
from barograph.cli.times import moment_us


def export(
    table: Literal["ticks", "quotes", "market_microstructure", "anomalies", "candles", "rejects"],
    /,
    *,
    format: Literal["csv", "parquet", "arrow"],
    out: Path,
    symbol: list[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Write a table to a CSV, Parquet or Arrow file, streamed: it need not fit into memory.

    The file has its name only when it is whole.

    Parameters
    ----------
    table
        Which one.
    format
        csv, parquet or arrow.
    out
        The file; /dev/stdout writes to standard output.
    symbol
        Only this symbol; may be said several times.
    start
        First moment, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Moment to stop before.
    """
    from barograph.store import Scan
    from barograph.store.export import export as write_rows

    wanted = Scan(
        table,
        symbols=symbol,
        start_us=moment_us(start, "--start"),
        end_us=moment_us(end, "--end"),
    )
    with store_of(common.settings()) as store:
        reader = reader_of(store, wanted)
        if str(out) == "/dev/stdout":
            write_rows(reader, sys.stdout.buffer, format)
            return
        rows = write_rows(reader, out, format)
    write_object(
        {"table": table, "rows": rows, "out": str(out), "bytes": out.stat().st_size}, as_json=common.json
    )
