"""``barograph query``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_batches
from barograph.cli.tables import SHOWN_ROWS, sql_of, tell_left_out
from barograph.errors import UsageError


def query(
    sql: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    file: Path | None = None,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """Run SQL over the tables: one statement that reads, in the words of DuckDB, or of PostgreSQL.

    Tables: ticks, quotes, market_microstructure, anomalies, candles, rejects, and the views
    ticks_simple and last_prices. Times are UTC.

    Parameters
    ----------
    sql
        The statement; - reads it from standard input.
    file
        Read the statement from this file.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    statement = _statement(sql, file)
    with sql_of(common.settings()) as connection:
        left = write_batches(connection.query(statement), common.form(csv), rows=rows)
    tell_left_out(left, common)


def _statement(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        raise UsageError("say one of: the SQL, - for standard input, or --file")
    if file is not None:
        if not file.is_file():
            raise UsageError(f"there is no file {file}")
        return file.read_text(encoding="utf-8-sig")
    assert sql is not None
    return sys.stdin.read() if sql == "-" else sql
