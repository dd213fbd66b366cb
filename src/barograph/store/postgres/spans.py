"""SQL for the days of which there are rows, without reading every row.

A table's primary key begins as it is sorted: symbol, venue, (more,) time. Each query here steps
along that index from one series, or from one day of a series, to the next: it costs as many looks
as there are answers.
"""

# ruff: noqa: S608 - the names come from tables.py

from __future__ import annotations

from barograph.store.postgres.schema import physical

_DAY = "interval '24 hours'"


def series_columns(name: str) -> tuple[str, ...]:
    """The columns before the time in the index of the table ``name``: what a series is named by."""
    table = physical(name).table
    return table.sort[: table.sort.index(table.time)]


def days_sql(name: str) -> str:
    """A query for the days (UTC) of every series: its columns and ``day``, the day's first moment.

    ``$1`` and ``$2`` bound the time, from one to before the other; null is no bound.
    """
    table, time, columns = physical(name).name, physical(name).table.time, series_columns(name)
    listed = "".join(f"s.{column}, " for column in columns)
    mine = " AND ".join(filter(None, (_same(columns, "s"), "{}")))

    def next_day(since: str) -> str:
        where = mine.format(f"t.{time} >= {since} AND t.{time} < coalesce($2::timestamptz, 'infinity')")
        return f"(SELECT t.{time} FROM {table} t WHERE {where} ORDER BY t.{time} LIMIT 1)"

    first = next_day("coalesce($1::timestamptz, '-infinity')")
    start, then = (f"{_series(name)}, ", "FROM series s") if columns else ("", "")
    return f"""
        WITH RECURSIVE {start}days AS (
            SELECT {listed}date_trunc('day', {first}, 'UTC') AS day {then}
            UNION ALL
            SELECT {listed}date_trunc('day', {next_day(f"s.day + {_DAY}")}, 'UTC') FROM days s
            WHERE s.day IS NOT NULL
        )
        SELECT * FROM days WHERE day IS NOT NULL
    """


def _series(name: str) -> str:
    """A recursive term ``series`` with every series of the table."""
    table, columns = physical(name).name, series_columns(name)
    listed = ", ".join(columns)
    known = ", ".join(f"s.{column}" for column in columns)
    return f"""series AS (
            (SELECT {listed} FROM {table} ORDER BY {listed} LIMIT 1)
            UNION ALL
            SELECT n.* FROM series s CROSS JOIN LATERAL (
                SELECT {listed} FROM {table} WHERE ({listed}) > ({known}) ORDER BY {listed} LIMIT 1
            ) n
        )"""


def _same(columns: tuple[str, ...], other: str) -> str:
    return " AND ".join(f"{column} = {other}.{column}" for column in columns)


def size_sql() -> str:
    """A query for ``files, bytes`` of the table called ``$1``: partitions or chunks, with their indexes."""
    return """
        SELECT count(*) FILTER (WHERE c.relkind = 'r') AS files,
            coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind = 'r'), 0)::bigint AS bytes
        FROM pg_class c WHERE c.oid = $1::regclass
            OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::regclass)
    """
