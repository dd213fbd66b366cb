"""Any store's table as a Polars LazyFrame: the store reads the columns and rows that the query needs.

Polars hands a query's filter over as an expression. What a scan can be told of it (symbols, venues, a
stretch of time) goes to the store; then the whole filter is applied to what comes, so that a filter that is
not understood costs time and never a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl
from polars.io.plugins import register_io_source

from barograph.clock import to_us
from barograph.store.store import Reader, Scan
from barograph.tables import Table

_CLOSED: tuple[Literal["both", "left", "right", "none"], ...] = ("both", "left", "right", "none")


def lazy_scan(store: Reader, table: Table) -> pl.LazyFrame:
    """All rows of ``table`` in ``store``, newest versions only, in the table's order; read when collected."""
    schema = pl.Schema(table.schema())

    def rows(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_rows  # a hint; the store's batches are of bounded size
        wanted = replace(scan_of(predicate, table), columns=columns or list(schema))
        for batch in store.scan(wanted):
            made = pl.DataFrame(batch)
            if predicate is not None:
                made = made.filter(predicate)
            yield made if n_rows is None else made.head(n_rows)
            if n_rows is not None and (n_rows := n_rows - made.height) <= 0:
                return

    return register_io_source(rows, schema=schema, explain_name="barograph", explain_detail=table.name)


def scan_of(predicate: pl.Expr | None, table: Table) -> Scan:
    """The smallest scan that holds all rows of ``table`` for which ``predicate`` is true.

    >>> from barograph.tables import TICKS
    >>> scan_of((pl.col("symbol") == "BTC-USD") & (pl.col("price") > 3.0), TICKS).symbols
    ['BTC-USD']
    """
    scan = Scan(table.name)
    for part in [] if predicate is None else _parts(predicate):
        scan = _narrowed(scan, part, table)
    return scan


def _parts(predicate: pl.Expr) -> Iterator[pl.Expr]:
    """What must all be true."""
    operands = _operands(predicate)
    if len(operands) == 2 and predicate.meta.eq(operands[0] & operands[1]):
        yield from _parts(operands[0])
        yield from _parts(operands[1])
    else:
        yield predicate


def _operands(part: pl.Expr) -> list[pl.Expr]:
    return part.meta.pop()[::-1]


def _narrowed(scan: Scan, part: pl.Expr, table: Table) -> Scan:
    """``scan`` without rows for which ``part`` is false, as far as that is understood."""
    column, *values = sorted(_operands(part), key=lambda each: not each.meta.is_column()) or [part]
    if not column.meta.is_column() or not values or not all(each.meta.is_literal() for each in values):
        return scan
    name = column.meta.output_name()
    if name in ("symbol", "venue") and len(values) == 1:
        return _among(scan, part, column, values[0])
    return _within(scan, part, column, values) if name == table.time else scan


def _among(scan: Scan, part: pl.Expr, column: pl.Expr, value: pl.Expr) -> Scan:
    equal = part.meta.eq(column == value) or part.meta.eq(value == column)
    if not equal and not part.meta.eq(column.is_in(value)):
        return scan
    name = "symbols" if column.meta.output_name() == "symbol" else "venues"
    known = getattr(scan, name)
    found = [each for each in _values(value) if isinstance(each, str) and (known is None or each in known)]
    return replace(scan, symbols=found) if name == "symbols" else replace(scan, venues=found)


def _within(scan: Scan, part: pl.Expr, time: pl.Expr, values: list[pl.Expr]) -> Scan:
    """Bounds are a microsecond wide where they are closed on the other side: the filter cuts exactly."""
    moments = [_moment_us(each) for each in values]
    if any(each is None for each in moments):
        return scan
    first, last = moments[0], moments[-1]
    assert first is not None
    assert last is not None
    if len(values) == 2:
        # A closed end or an open one: rows at the ends are left to the filter.
        lower, upper = values
        between = any(part.meta.eq(time.is_between(lower, upper, closed=closed)) for closed in _CLOSED)
        return _cut(scan, first, last + 1) if between else scan
    value = values[0]
    for forms, bounds in (
        ((time >= value, value <= time, time > value, value < time), (first, None)),
        ((time <= value, value >= time, time < value, value > time), (None, first + 1)),
        ((time == value, value == time), (first, first + 1)),
    ):
        if any(part.meta.eq(form) for form in forms):
            return _cut(scan, *bounds)
    return scan


def _cut(scan: Scan, start_us: int | None, end_us: int | None) -> Scan:
    starts = [each for each in (scan.start_us, start_us) if each is not None]
    ends = [each for each in (scan.end_us, end_us) if each is not None]
    return replace(scan, start_us=max(starts, default=None), end_us=min(ends, default=None))


def _values(literal: pl.Expr) -> list[Any]:
    series = pl.select(literal).to_series()
    if series.dtype == pl.List:
        series = series.explode()
    return series.to_list()


def _moment_us(literal: pl.Expr) -> int | None:
    """A literal as microseconds, its fraction cut off; None where it is no moment in a zone."""
    found = _values(literal)
    if len(found) != 1 or not isinstance(found[0], datetime) or found[0].tzinfo is None:
        return None
    return to_us(found[0].astimezone(UTC))
