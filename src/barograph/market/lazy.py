"""A table of the lake as a Polars LazyFrame over explicit files, under the reading rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from barograph.store.reading import Day, footer_at
from barograph.tables import Column, Table


def lazy(table: Table, days: Sequence[Day]) -> pl.LazyFrame:
    """All rows of ``table`` in ``days``, newest versions only, in no promised order."""
    settled = [day.sealed for day in days if day.sealed is not None and not day.parts]
    unsettled = [_unsettled(table, day) for day in days if day.parts]
    frames = [_present(table, _files(table, settled))] if settled else []
    if table.versioned and unsettled:
        frames.append(_newest(table, pl.concat(unsettled)))
    else:
        frames += unsettled
    return pl.concat(frames) if frames else pl.LazyFrame(schema=_schema(table))


def lazy_once(table: Table, paths: Sequence[Path]) -> pl.LazyFrame:
    """All rows of ``table`` in files named by what they hold, each key once, in no promised order."""
    if not paths:
        return pl.LazyFrame(schema=_schema(table))
    return _files(table, paths).unique(subset=table.key, keep="any")


def _schema(table: Table) -> pl.Schema:
    return pl.Schema(table.schema())


def _unsettled(table: Table, day: Day) -> pl.LazyFrame:
    parts = _files(table, [part.path for part in day.parts])
    if day.sealed is None:
        return parts
    sealed = _files(table, [day.sealed])
    if not table.versioned:
        # Should the day be sealed again before it is read, the parts' rows must not count twice.
        sealed = sealed.filter(pl.col("tape_pos") < day.upto_pos)
    return pl.concat([sealed, parts])


def _newest(table: Table, rows: pl.LazyFrame) -> pl.LazyFrame:
    newest = rows.sort(table.version).unique(subset=table.key, keep="last", maintain_order=True)
    return _present(table, newest)


def _present(table: Table, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col(table.withdrawn).is_not_null()) if table.withdrawn else rows


def _files(table: Table, paths: Sequence[Path]) -> pl.LazyFrame:
    """The rows of files; what an older one lacks is null, or zero, false or empty."""
    current = [path for path in paths if footer_at(path, table).current]
    older = [path for path in paths if not footer_at(path, table).current]
    frames = [_scan(table, current)] if current else []
    if older:
        filled = [_filled(column) for column in table.columns if not column.nullable]
        frames.append(_scan(table, older).with_columns(filled))
    return pl.concat(frames)


def _scan(table: Table, paths: Sequence[Path]) -> pl.LazyFrame:
    return pl.scan_parquet(
        list(paths),
        schema=_schema(table),
        hive_partitioning=False,
        glob=False,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
    )


def _filled(column: Column) -> pl.Expr:
    if column.type == "time":
        return pl.col(column.name).fill_null(datetime(1970, 1, 1, tzinfo=UTC))
    if column.type == "string":
        return pl.col(column.name).fill_null("")
    return pl.col(column.name).fill_null(False if column.type == "bool" else 0)
