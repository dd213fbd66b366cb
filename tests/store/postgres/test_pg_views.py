"""The views give the rows that the lake's views of these names give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store.making import DAY_0, MINUTE, Row, anomaly, bar, commit, rows, tick

from barograph.clock import DAY_US
from barograph.store import Lake
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.quoting import quoted
from barograph.store.postgres.schema import physical
from barograph.store.postgres.server import TimescaleDB
from barograph.store.sql import Sql


@pytest.fixture
def connection(postgres: Address) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(postgres)) as opened:
        migrate(opened, "public", TimescaleDB())
        for table in ("ticks", "market_microstructure", "anomaly_versions", "candles", "coverage"):
            opened.execute(
                "SELECT barograph_make_partitions(%s, to_timestamp(%s), to_timestamp(%s))",
                (table, DAY_0 / 1e6, (DAY_0 + 3 * DAY_US) / 1e6),
            )
        yield opened


def put(connection: psycopg.Connection[Any], **tables: Sequence[Row]) -> None:
    """Rows as they are; of ticks each is its own ordinal."""
    for name, given in tables.items():
        table = physical(name)
        for number, row in enumerate(rows(name, *given).to_pylist()):
            values = [*row.values(), number] if table.ordinal else list(row.values())
            holes = ", ".join(["%s"] * len(values))
            names = ", ".join(map(quoted, table.names))
            connection.execute(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({holes})", values)


def asked(connection: psycopg.Connection[Any], query: str) -> list[Mapping[str, Any]]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def candle(ts: int, symbol: str, interval_s: int, price: float, venue: str = "sim") -> Row:
    named = {"symbol": symbol, "venue": venue, "interval_s": interval_s}
    return {"timestamp": ts, "recv_ts": ts, "price": price, "open": price - 1, "tape_pos": 1, **named}


TABLES: dict[str, list[Row]] = {
    "ticks": [tick(DAY_0, 1), tick(DAY_0 + 5, 2, "ETH-USD", price=2.5, size=0.5)],
    "market_microstructure": [
        bar(DAY_0, 1, revision=0, open=90.0),
        bar(DAY_0 + DAY_US + MINUTE, 2, revision=7, open=91.0),
        bar(DAY_0 + DAY_US + 5 * MINUTE, 3, revision=9, open=92.0),
        bar(DAY_0 + 5 * MINUTE, 4, "one-day", revision=3, open=80.0),
        bar(DAY_0 + 6 * MINUTE, 5, "one-day", revision=5, open=70.0),
        bar(DAY_0 + 7 * MINUTE, 6, "one-day", price=None),
        bar(DAY_0, 6, "no-open", open=None),
        bar(DAY_0 + MINUTE, 7, "no-price", price=None),
    ],
    "candles": [
        candle(DAY_0, "imported", 60, 10.0),
        candle(DAY_0 + DAY_US, "imported", 86_400, 11.0),
        candle(DAY_0 + DAY_US, "imported", 60, 12.0),
        candle(DAY_0 + DAY_US + MINUTE, "imported", 60, 13.0),
        candle(DAY_0 + DAY_US, "one-candle", 300, 21.0),
        candle(DAY_0 + 2 * DAY_US, "no-price", 300, 21.0),
        candle(DAY_0 + 2 * DAY_US, "BTC-USD", 300, 21.0),
    ],
    "coverage": [
        {"minute": DAY_0, "symbol": "BTC-USD", "venue": "sim", "channel": "trades", "state": "missing"},
        {"minute": DAY_0, "symbol": "BTC-USD", "venue": "sim", "channel": "quotes", "state": "complete"},
        {
            "minute": DAY_0 + 5 * MINUTE,
            "symbol": "one-day",
            "venue": "sim",
            "channel": "quotes",
            "state": "idle",
        },
    ],
    "anomalies": [anomaly(DAY_0, 1, 4.5), anomaly(DAY_0 + MINUTE, 2, None, revision=1)],
}


@pytest.mark.parametrize(
    ("view", "order"),
    [
        ("ticks_simple", "time"),
        ("market_minutes", "symbol, timestamp"),
        ("last_prices", "symbol"),
        ("anomalies", "ts"),
    ],
)
def test_a_view_gives_the_rows_of_the_lake(
    connection: psycopg.Connection[Any], tmp_path: Path, view: str, order: str
) -> None:
    put(connection, **TABLES)
    with closing(Lake(tmp_path)) as lake:
        lake.commit(commit(0, 10, **TABLES))
    with closing(Sql(lake)) as sql:
        expected = sql.query(f"SELECT * FROM {view} ORDER BY {order}").read_all().to_pylist()
    assert asked(connection, f"SELECT * FROM {view} ORDER BY {order}") == expected
    assert expected


def test_views_of_nothing_are_empty(connection: psycopg.Connection[Any]) -> None:
    for view in ("ticks_simple", "market_minutes", "last_prices", "anomalies"):
        assert asked(connection, f"SELECT * FROM {view}") == []


def test_last_prices_looks_at_few_rows(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO market_microstructure (symbol, venue, timestamp, price, volume, notional, trade_count, "
        "buy_volume, sell_volume, revision, kernel_version, as_of, tape_pos) "
        "SELECT s, 'sim', to_timestamp(%s) + t * INTERVAL '1 minute', t, 1, 1, 1, 1, 0, 0, 1, now(), 1 "
        "FROM unnest('{a,b,c}'::text[]) s, generate_series(0, 2879) t",
        (DAY_0 / 1e6,),
    )
    connection.execute("ANALYZE market_microstructure")
    plan = "\n".join(line for (line,) in connection.execute("EXPLAIN ANALYZE SELECT * FROM last_prices"))
    scans = [line for line in plan.splitlines() if "Seq Scan on market_microstructure" in line]
    assert [line for line in scans if "never executed" not in line] == []
    assert [each["price"] for each in asked(connection, "SELECT * FROM last_prices")] == [2879.0] * 3
