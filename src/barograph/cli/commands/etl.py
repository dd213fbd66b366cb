"""``barograph etl run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_records
from barograph.cli.progress import progress
from barograph.cli.tables import SHOWN_ROWS
from barograph.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from barograph.etl import Cleaning, Outcome
    from barograph.settings import Settings

_NAMES = ["batch", "state", "rows", "bars", "flagged", "bytes", "error"]


def run(
    *,
    batch: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    source: str | None = None,
    symbols: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    every: str = "5m,1h",
    workers: int | None = None,
    cluster: str | None = None,
    out: Path | None = None,
    common: Options = DEFAULTS,
) -> int:
    """Clean days, make bars of them and write both as Parquet below derived/ of the data directory.

    Doubtful rows are flagged and counted, none is dropped. A batch is one symbol's day; what was
    made of the same rows before is left as it is. A batch that fails is named, the others go on,
    and the exit code is 4.

    Parameters
    ----------
    batch
        Days: 2024-08-08, a symbol's day 2024-08-08/BTC-USD, or 2024-08-01..2024-08-31; several may be
        said. All days when absent.
    source
        A data directory, a Parquet file or a folder of them, or a CSV of candles. When absent: the tables
        of the data directory, else raw/btc_price_data.csv there or in the current directory.
    symbols
        Only these. One symbol names what a file is of that does not say it.
    every
        Intervals of the bars: 1s to 1d, separated by commas.
    workers
        Processes on this machine; as many as it has processors when absent.
    cluster
        Address of a Dask scheduler instead: tcp://host:8786.
    out
        Where the files go instead.
    """
    from barograph.etl.batches import parse_batch
    from barograph.etl.processing import batches_of, job_of
    from barograph.etl.running import run as run_batches
    from barograph.store.opening import Location

    settings = common.settings()
    asked = [parse_batch(text) for text in batch or ()]
    intervals = [each.strip() for each in every.split(",") if each.strip()]
    job = job_of(Location.of(settings), source, symbols, intervals, out, _cleaning(settings))
    found = batches_of(job, asked, symbols)
    with progress("cleaning", quiet=common.quiet) as report:
        outcomes = run_batches(job, found, workers=workers, cluster=cluster, progress=report)
    _show(outcomes, common)
    common.remark(f"{_summary(outcomes)}; in {job.folder}")
    return DataError.exit_code if any(outcome.state == "failed" for outcome in outcomes) else 0


def _cleaning(settings: Settings) -> Cleaning:
    """The settings of ``[bars]``, as batches take them."""
    from barograph.etl import Cleaning
    from barograph.recorder.shaping import line_settings

    return Cleaning(outlier_pct=settings.bars.outlier_pct, bars=line_settings(settings).bars)


def _show(outcomes: Sequence[Outcome], common: Everywhere) -> None:
    """A row a batch; on a terminal only the first of many, and every failure on standard error."""
    form = common.form()
    rows = [_row(outcome) for outcome in outcomes]
    if form != "json":
        rows = [row | {"flagged": _words(row["flagged"])} for row in rows]
    shown = rows[:SHOWN_ROWS] if form == "table" else rows
    write_records(shown, _NAMES, form)
    if len(shown) < len(rows):
        common.remark(f"{len(rows) - len(shown)} more batches; --json prints all")
    for outcome in outcomes:
        if outcome.state == "failed":
            common.remark(f"{outcome.batch} failed: {outcome.error}")


def _summary(outcomes: Sequence[Outcome]) -> str:
    """All batches in a line."""
    states = [outcome.state for outcome in outcomes]
    if set(states) == {"nothing to do"}:
        return f"nothing to do: all {len(states)} batches were made from the same rows before"
    flagged: dict[str, int] = {}
    for outcome in outcomes:
        for name, count in outcome.flagged.items():
            flagged[name] = flagged.get(name, 0) + count
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{len(states)} batches: {counted}; flagged: {_words(flagged)}"


def _row(outcome: Outcome) -> dict[str, Any]:
    tables = outcome.tables
    made = {name: table.rows for name, table in tables.items() if name.startswith("bars_")}
    return {
        "batch": outcome.batch,
        "state": outcome.state,
        "rows": sum(table.rows for name, table in tables.items() if name not in (*made, "rejects")),
        "bars": sum(made.values()),
        "flagged": outcome.flagged,
        "bytes": sum(table.bytes for table in tables.values()),
        "error": outcome.error,
    }


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"
