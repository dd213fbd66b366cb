"""One batch from its rows to its files: clean, resample, write. The same batch again changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from barograph.bars.resample import parse_interval
from barograph.bars.settings import KERNEL_VERSION
from barograph.clock import DAY_US, US_PER_S
from barograph.errors import DataError, UsageError
from barograph.etl.batches import Batch, parse_batch, span, wanted
from barograph.etl.cleaning import LOOKS_BACK, Cleaning, clean, counts
from barograph.etl.resampling import bars
from barograph.etl.sources import Source, open_source
from barograph.etl.written import Record, Written, is_there, keep_record, record_of, write
from barograph.store.opening import Location
from barograph.tables import TABLES

if TYPE_CHECKING:
    import polars as pl

VERSION = 1
"""Raised whenever the same rows would give other files."""

EVERY = ("5m", "1h")
"""Intervals of bars when nothing else is said."""

State = Literal["done", "nothing to do", "failed"]

_HOUR_US = 3_600 * US_PER_S


@dataclass(frozen=True)
class Job:
    """What is done with every batch; it can be pickled.

    Attributes:
        folder: of the source's files, ``derived/<source>``.
        every: intervals of bars.
    """

    source: Source
    folder: Path
    every: tuple[str, ...]
    how: Cleaning


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    Attributes:
        tables: what it has made, now or before, by table; empty when it failed.
        error: why it failed.
    """

    batch: str
    state: State
    tables: Mapping[str, Written] = field(default_factory=dict)
    error: str = ""

    @property
    def flagged(self) -> dict[str, int]:
        """Rows by flag over all its tables, and lines that could not be rows by kind."""
        found: dict[str, int] = {}
        for table in self.tables.values():
            for name, count in table.flagged.items():
                found[name] = found.get(name, 0) + count
        return found


def process_batch(
    batch_id: str,
    *,
    data_dir: Path | str | Location = "data",
    source: Path | str | None = None,
    symbols: Collection[str] | None = None,
    every: Sequence[str] = EVERY,
    out: Path | str | None = None,
    how: Cleaning | None = None,
) -> tuple[Outcome, ...]:
    """Clean, resample and write a batch: a symbol's day, or all symbols of a day, one after the other.

    The same batch with the same input gives the same bytes; a second run finds them and does nothing.

    Args:
        batch_id: ``2024-08-08/BTC-USD`` or ``2024-08-08``.
        data_dir: its ``derived`` folder takes the files unless ``out`` does; a location where recorded
            data is in a database.
        source: a data directory, Parquet files or a CSV of candles, see ``sources.open_source``.
        symbols: only these.
        every: intervals of the bars, from 1 s to 1 d.
        how: bounds of the cleaning and settings of the bars.

    Raises:
        UsageError: no such batch id, interval or source.
        DataError: the source holds nothing of it, or is not what it must be.
        StorageError: the disk said no.
    """
    asked = [parse_batch(batch_id)]
    job = job_of(data_dir, source, symbols, every, out, how)
    return tuple(process(job, batch) for batch in batches_of(job, asked, symbols))


def job_of(
    data_dir: Path | str | Location,
    source: Path | str | None,
    symbols: Collection[str] | None,
    every: Sequence[str],
    out: Path | str | None,
    how: Cleaning | None,
) -> Job:
    """The arguments of :func:`process_batch` as what is done with every batch, checked."""
    if not every:
        raise UsageError("no interval is given; say at least one, such as 5m")
    for interval in every:
        parse_interval(interval)
    tables = Location.at(data_dir)
    derived = (tables.data or Path()) / "derived" if out is None else Path(out)
    found = open_source(source, tables, derived, symbols)
    return Job(found, derived / found.name, tuple(every), how or Cleaning())


def batches_of(job: Job, asked: Sequence[object], symbols: Collection[str] | None) -> list[Batch]:
    """The batches of the job's source that are asked for, in order.

    Raises:
        DataError: there are none.
    """
    days = [each for each in asked if isinstance(each, tuple)]
    known = job.source.batches(*span(days))  # type: ignore[arg-type]
    found = wanted(known, days, symbols)  # type: ignore[arg-type]
    if not found:
        held = f"; it holds {_told(known or job.source.batches(None, None))}"
        raise DataError(f"{job.source.name} holds nothing of what is asked for{held}")
    return found


def process(job: Job, batch: Batch) -> Outcome:
    """Clean, resample and write one symbol's day, unless that has been done."""
    standing = made_before(job, batch)
    if standing is not None:
        return standing
    stamps = _stamps(job, batch)
    record = record_of(job.folder, batch, job.source.name)
    made = dict(_made(job, batch, stamps))
    if not any(each.rows for each in made.values()):
        raise DataError(f"{job.source.name} holds nothing of {batch.id}")
    keep_record(
        job.folder, batch, Record(batch=batch.id, source=job.source.name, tables=record.tables | made)
    )
    return Outcome(batch.id, "done", made)


def made_before(job: Job, batch: Batch) -> Outcome | None:
    """What the batch has made, if it was made of just what there is now and nothing is missing."""
    stamps = _stamps(job, batch)
    known = record_of(job.folder, batch, job.source.name).tables
    if all(is_there(job.folder, table, batch, known.get(table), stamp) for table, stamp in stamps.items()):
        return Outcome(batch.id, "nothing to do", {table: known[table] for table in stamps})
    return None


def _stamps(job: Job, batch: Batch) -> dict[str, str]:
    """By table that the batch makes, what names all that it is made from."""
    settings = msgspec.json.encode((VERSION, KERNEL_VERSION, job.how), order="deterministic")
    told = {table: job.source.stamp(table, batch) for table in job.source.tables}
    kept = {table: told[table] for table in told if table != "market_microstructure"}
    made = kept | {f"bars_{every}": ";".join(told.values()) for every in job.every}
    return {
        table: hashlib.sha256(settings + b"|" + table.encode() + b"|" + stamp.encode()).hexdigest()[:32]
        for table, stamp in made.items()
    }


def _made(job: Job, batch: Batch, stamps: Mapping[str, str]) -> Iterable[tuple[str, Written]]:
    """Write the tables of the batch, one after the other."""
    day: dict[str, pl.DataFrame] = {}
    for table in job.source.tables:
        rows = job.source.read(table, batch)
        if table == "rejects":
            kinds = {
                str(kind): int(count) for kind, count in rows["kind"].value_counts().sort("kind").iter_rows()
            }
            yield table, write(job.folder, table, batch, rows, stamps[table], kinds)
            continue
        if table != "market_microstructure":
            rows = clean(table, rows, _before(job, batch, table, rows), job.how).sort(
                TABLES[table].sort, maintain_order=True
            )
            yield table, write(job.folder, table, batch, rows, stamps[table], counts(rows["flags"]))
        if not rows.is_empty():
            day[table] = rows
    for every in job.every:
        name = f"bars_{every}"
        yield name, write(job.folder, name, batch, bars(day, every, job.how), stamps[name], {})


def _before(job: Job, batch: Batch, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The last rows of each series before the batch, as many as flags may depend on."""
    length_us = _HOUR_US
    if table == "candles" and not rows.is_empty():
        length_us = min(3 * LOOKS_BACK * int(rows["interval_s"].max()) * US_PER_S, 366 * DAY_US)  # type: ignore[arg-type]
    before = job.source.before(table, batch, batch.start_us - length_us)
    last = before.sort("tape_pos").group_by("venue", "symbol", maintain_order=True).tail(LOOKS_BACK)
    return last.select(before.columns)


def _told(known: Sequence[Batch]) -> str:
    if not known:
        return "nothing at all"
    days = sorted({batch.day for batch in known})
    symbols = sorted({batch.symbol for batch in known})
    shown = ", ".join(symbols[:5]) + (f" and {len(symbols) - 5} more symbols" if len(symbols) > 5 else "")
    return f"{shown} from {days[0]} to {days[-1]}"
