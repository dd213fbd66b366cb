"""bars_1h and bars_1d: by the rules of bars/resample.py, and refreshed in steps as made at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barograph.bars.resample import resample
from barograph.store.postgres.aggregates import refresh
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.server import TimescaleDB
from barograph.tables import MARKET_MICROSTRUCTURE

DAY = datetime(2026, 11, 20, tzinfo=UTC)
PUT = (
    "INSERT INTO market_microstructure (symbol, venue, timestamp, open, high, low, price, volume, notional, "
    "trade_count, buy_volume, sell_volume, revision, kernel_version, as_of, tape_pos) "
    "VALUES (%s, 'sim', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, now(), %s) "
    "ON CONFLICT (symbol, venue, timestamp) DO UPDATE SET open = excluded.open, high = excluded.high, "
    "low = excluded.low, price = excluded.price, volume = excluded.volume, notional = excluded.notional, "
    "trade_count = excluded.trade_count, buy_volume = excluded.buy_volume, "
    "sell_volume = excluded.sell_volume, revision = excluded.revision, tape_pos = excluded.tape_pos"
)
COLUMNS = (
    "timestamp, symbol, venue, open, high, low, price, volume, notional, vwap, trade_count, buy_volume, "
    "sell_volume"
)
Bar = tuple[str, int, int, float]


@pytest.fixture(scope="module")
def connection(postgres_server: Any) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(postgres_server.create())) as opened:
        migrate(opened, "public", TimescaleDB())
        opened.execute("SELECT barograph_make_partitions('market_microstructure', %s, %s)", (DAY, DAY))
        yield opened


@pytest.fixture(autouse=True)
def _begun_anew(connection: psycopg.Connection[Any]) -> None:
    begin(connection)


def begin(connection: psycopg.Connection[Any]) -> None:
    for table in ("market_microstructure", "barograph_commits", "barograph_dropped", "bars_1h", "bars_1d"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE barograph_aggregates SET lineage = '', next_pos = 0")
    connection.execute("DELETE FROM barograph_state")


def commit(connection: psycopg.Connection[Any], first: int, *bars: Bar) -> None:
    """One commit of minutes: symbol, minute, trades, price; two tape positions long."""
    with connection.transaction():
        for symbol, minute, trades, price in bars:
            sizes = (trades * 0.1, trades * 0.1 * price, trades, trades * 0.07, trades * 0.03)
            prices = (price, price + trades, price - trades, price + 0.3) if price else (None,) * 4
            when = DAY + timedelta(minutes=minute)
            connection.execute(PUT, (symbol, when, *prices, *sizes, first, first))
        connection.execute("INSERT INTO barograph_commits VALUES (%s, %s)", (first, first + 2))


def both(connection: psycopg.Connection[Any]) -> list[Any]:
    return [
        connection.execute(f"SELECT {COLUMNS} FROM {table} ORDER BY symbol, timestamp").fetchall()
        for table in ("bars_1h", "bars_1d")
    ]


minutes = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([0, 1, 59, 60, 1439, 1440, 2000]),
    st.integers(0, 3),
    st.sampled_from([0, 1.1, 7.7]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(minutes, max_size=5), st.booleans()), max_size=6))
def test_refreshed_in_steps_is_as_made_at_once(
    connection: psycopg.Connection[Any], steps: list[tuple[list[Bar], bool]]
) -> None:
    begin(connection)
    for position, (bars, then_refresh) in enumerate(steps):
        commit(connection, 2 * position, *bars)
        if then_refresh:
            refresh(connection, "public")
    refresh(connection, "public")
    in_steps = both(connection)
    assert refresh(connection, "public") == 0
    connection.execute("UPDATE barograph_aggregates SET lineage = 'another', next_pos = 0")
    refresh(connection, "public")
    assert both(connection) == in_steps


def test_the_rules_are_those_of_longer_bars(connection: psycopg.Connection[Any]) -> None:
    kinds = [(0, 5.5), (2, 7.25), (0, 7.25), (3, 6.0), (1, 9.5)]
    bars: list[Bar] = [("a", minute, 0, 0.0) for minute in (0, 7, 9)]
    bars += [
        (symbol, minute, *kinds[(minute * 7 + minute // 50 + len(symbol)) % 5])
        for symbol in ("a", "bb")
        for minute in range(11, 1600, 11)
    ]
    bars += [("quoted", minute, 0, 3.5) for minute in range(50, 70)]
    commit(connection, 0, *bars)
    refresh(connection, "public")
    rows = connection.execute(
        f"SELECT {', '.join(MARKET_MICROSTRUCTURE.names)} FROM market_microstructure"
    ).fetchall()
    schema = MARKET_MICROSTRUCTURE.schema()
    stored = pl.from_arrow(
        pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
    )
    assert isinstance(stored, pl.DataFrame)
    names = [name.strip() for name in COLUMNS.split(",")]
    for table, every in zip(both(connection), ("1h", "1d"), strict=True):
        expected = resample(stored, every).sort("symbol", "timestamp").select(names).rows()
        assert len(table) == len(expected) > 0
        for mine, theirs in zip(table, expected, strict=True):
            assert mine[:3] == theirs[:3]
            assert mine[3:] == pytest.approx(theirs[3:])


def test_a_late_revision_of_an_old_hour_is_seen(connection: psycopg.Connection[Any]) -> None:
    commit(connection, 0, ("a", 0, 1, 5.0), ("a", 61, 1, 6.0))
    assert refresh(connection, "public") == 3
    commit(connection, 2, ("a", 0, 2, 8.0))
    assert refresh(connection, "public") == 2
    assert [row[4] for row in both(connection)[0]] == [10.0, 7.0]


def test_rows_put_in_before_their_position_is_committed_are_not_missed(
    connection: psycopg.Connection[Any],
) -> None:
    """As a restore does: newest positions may come first, and the position last."""
    when = DAY
    connection.execute(PUT, ("z", when, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 900))
    refresh(connection, "public")
    connection.execute(PUT, ("a", when, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 5))
    refresh(connection, "public")
    assert [row[1] for row in both(connection)[0]] == ["a", "z"]


def test_another_lineage_is_made_anew(connection: psycopg.Connection[Any]) -> None:
    commit(connection, 0, ("a", 0, 1, 5.0))
    refresh(connection, "public")
    connection.execute("DELETE FROM market_microstructure")
    connection.execute("DELETE FROM barograph_commits")
    connection.execute("INSERT INTO barograph_state VALUES ('lineage', 'second')")
    commit(connection, 0, ("b", 0, 1, 5.0))
    refresh(connection, "public")
    assert [row[1] for row in both(connection)[0]] == ["b"]


def test_hours_of_dropped_minutes_stay_as_they_were(connection: psycopg.Connection[Any]) -> None:
    commit(connection, 0, ("a", 0, 1, 5.0), ("a", 1, 1, 5.0))
    refresh(connection, "public")
    before = both(connection)
    connection.execute("DELETE FROM market_microstructure")
    connection.execute(
        "INSERT INTO barograph_dropped VALUES ('market_microstructure', 'x', %s, %s, '')",
        (DAY - timedelta(days=19), DAY + timedelta(days=11)),
    )
    commit(connection, 2, ("a", 1, 3, 9.0))
    refresh(connection, "public")
    assert both(connection) == before
