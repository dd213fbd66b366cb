"""Partitions: made ahead, once, without making anybody wait; exchanged; dropped."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest

from barograph.errors import SettingsError, UsageError
from barograph.store.postgres import exchanging
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect, errors
from barograph.store.postgres.exchanging import drop, exchange
from barograph.store.postgres.migrating import applied, migrate
from barograph.store.postgres.partitions import PARTITIONED, make_ahead, partitions
from barograph.store.postgres.server import TimescaleDB

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
NOW_US = round(NOW.timestamp() * 1e6)
TICK = "INSERT INTO {}.ticks VALUES ({!r}, {!r}, 'sim', 'BTC-USD', {}, 1, 0, NULL, NULL, 0, {}, 0)"


@pytest.fixture
def connection(postgres: Address) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(postgres)) as opened:
        migrate(opened, "public", TimescaleDB())
        yield opened


def made(connection: psycopg.Connection[Any], relation: str, since: str, until: str) -> int:
    row = connection.execute(
        "SELECT barograph_make_partitions(%s, %s, %s)", (relation, since, until)
    ).fetchone()
    assert row is not None
    return int(row[0])


def tick(connection: psycopg.Connection[Any], when: str, price: float = 1.0, where: str = "public") -> None:
    connection.execute(TICK.format(where, when, when, price, 7))


def prices(connection: psycopg.Connection[Any], where: str = "public") -> list[float]:
    return [price for (price,) in connection.execute(f"SELECT price FROM {where}.ticks ORDER BY ts")]


def test_days_and_months_are_made_ahead_once(connection: psycopg.Connection[Any]) -> None:
    days = make_ahead(connection, "public", NOW_US, 12)
    found = partitions(connection, "public")
    ticks = [piece for piece in found if piece.relation == "ticks"]
    assert [f"{piece.since:%m-%d}" for piece in ticks] == [
        f"{NOW + timedelta(days=ahead):%m-%d}" for ahead in range(13)
    ]
    assert [piece.name for piece in found if piece.relation == "coverage"] == [
        "coverage_2026_11",
        "coverage_2026_12",
    ]
    assert days == len(found) == 2 * 13 + 5 * 2
    assert make_ahead(connection, "public", NOW_US, 12) == 0


def test_the_day_is_that_of_utc_whatever_the_session_thinks(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET timezone TO 'Asia/Kolkata'")
    assert made(connection, "ticks", "2026-11-20 00:00+00", "2026-11-20 23:59:59.999999+00") == 1
    tick(connection, "2026-11-20 00:00+00")
    tick(connection, "2026-11-20 23:59:59.999999+00")
    with pytest.raises(psycopg.errors.CheckViolation):
        tick(connection, "2026-11-21 00:00+00")
    (piece,) = partitions(connection, "public")
    assert piece.since == datetime(2026, 11, 20, tzinfo=UTC)


def test_a_month_after_its_first_days_is_whole(connection: psycopg.Connection[Any]) -> None:
    assert made(connection, "candles", "2026-01-31", "2026-02-28 23:59:59") == 2
    assert made(connection, "candles", "2026-03-01", "2026-03-01") == 1


def test_a_plain_table_and_an_unknown_one_have_none(connection: psycopg.Connection[Any]) -> None:
    for relation in ("completed_trades", "bars_1h", "nothing", "ticks; DROP TABLE ticks"):
        assert made(connection, relation, "2026-11-20", "2026-11-21") == 0


def test_times_that_are_wrong_by_years_are_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(UsageError, match="more than 500 at once"), errors("making partitions"):
        made(connection, "ticks", "1970-01-01", "2026-11-20")
    assert partitions(connection, "public") == []


def test_of_two_at_once_each_partition_is_made_by_one(
    connection: psycopg.Connection[Any], postgres: Address
) -> None:
    together = Barrier(2)

    def run(_: int) -> int:
        with closing(connect(postgres)) as mine:
            together.wait(30)
            return make_ahead(mine, "public", NOW_US, 20)

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(run, range(2)))
    assert sum(counts) == len(partitions(connection, "public"))


def test_who_reads_is_not_waited_for(connection: psycopg.Connection[Any], postgres: Address) -> None:
    made(connection, "ticks", "2026-11-20", "2026-11-20")
    tick(connection, "2026-11-20")
    with closing(connect(postgres)) as reading:
        reading.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert prices(reading) == [1.0]
        connection.execute("SET lock_timeout TO '5s'")
        assert made(connection, "ticks", "2026-11-21", "2026-11-21 12:00") == 1
        tick(connection, "2026-11-21", 2.0)
        assert prices(reading) == [1.0]


def test_every_partition_has_the_indexes_of_its_table(connection: psycopg.Connection[Any]) -> None:
    make_ahead(connection, "public", NOW_US, 1)
    count = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"
    for piece in partitions(connection, "public"):
        of_piece = connection.execute(count, (piece.name,)).fetchone()
        assert of_piece == connection.execute(count, (piece.relation,)).fetchone()
    valid = connection.execute("SELECT bool_and(indisvalid) FROM pg_index").fetchone()
    assert valid == (True,)


def test_exchange_puts_new_rows_in_the_place_of_old_ones(connection: psycopg.Connection[Any]) -> None:
    migrate(connection, "anew", TimescaleDB())
    make_ahead(connection, "public", NOW_US, 1)
    tick(connection, "2026-11-20", 1.0)
    connection.execute("INSERT INTO barograph_state VALUES ('lineage', 'old')")
    connection.execute(
        "INSERT INTO completed_trades SELECT 'k', 's', 'v', 'b', 1, now(), 1, now(), 1, 0, 0, 0, '', '', ''"
    )
    connection.execute("CREATE VIEW my_view AS SELECT price FROM ticks")
    connection.execute("SELECT anew.barograph_make_partitions('ticks', '2026-11-19', '2026-11-22')")
    for day, price in (("2026-11-19", 10.0), ("2026-11-20", 20.0)):
        tick(connection, day, price, "anew")
    connection.execute("INSERT INTO anew.barograph_state VALUES ('lineage', 'new')")
    connection.execute("INSERT INTO anew.barograph_commits VALUES (0, 8)")
    connection.execute(
        "SELECT anew.barograph_make_partitions('market_microstructure', '2026-11-19', '2026-11-20')"
    )
    connection.execute(
        "INSERT INTO anew.market_microstructure (timestamp, symbol, venue, price, volume, notional, "
        "trade_count, buy_volume, sell_volume, revision, kernel_version, as_of, tape_pos) "
        "VALUES ('2026-11-19', 'BTC-USD', 'sim', 5, 1, 5, 1, 1, 0, 0, 1, now(), 7)"
    )

    exchange(connection, "anew", "public")

    assert prices(connection) == [10.0, 20.0]
    assert connection.execute("SELECT price FROM my_view ORDER BY 1").fetchall() == [(10.0,), (20.0,)]
    assert connection.execute("SELECT value FROM barograph_state").fetchall() == [("new",)]
    assert connection.execute("SELECT * FROM barograph_commits").fetchall() == [(0, 8)]
    assert connection.execute("SELECT price, volume FROM bars_1d").fetchall() == [(5.0, 1.0)]
    assert connection.execute("SELECT count(*) FROM completed_trades").fetchone() == (1,)
    assert [piece.name for piece in partitions(connection, "public") if piece.relation == "ticks"] == [
        f"ticks_2026_11_{day}" for day in (19, 20, 21, 22)
    ]
    assert made(connection, "ticks", "2026-11-19", "2026-11-23") == 1
    assert connection.execute("SELECT to_regnamespace('anew')").fetchone() == (None,)
    left = connection.execute("SELECT conname FROM pg_constraint WHERE conname = 'cut_by_time'").fetchall()
    assert left == []


def test_exchange_that_cannot_be_done_leaves_the_old(connection: psycopg.Connection[Any]) -> None:
    make_ahead(connection, "public", NOW_US, 1)
    tick(connection, "2026-11-20")
    with pytest.raises(SettingsError, match="db init"):
        exchange(connection, "absent", "public")
    with pytest.raises(UsageError, match="own place"):
        exchange(connection, "public", "public")
    migrate(connection, "anew", TimescaleDB())
    connection.execute("UPDATE anew.barograph_migrations SET ways = '{hypertables,tables}'")
    with pytest.raises(UsageError, match=r"database\.namespace = 'anew'"):
        exchange(connection, "anew", "public")
    connection.execute("UPDATE anew.barograph_migrations SET ways = '{partitions,tables}'")
    connection.execute("CREATE VIEW of_a_piece AS SELECT * FROM ticks_2026_11_20")
    with pytest.raises(Exception, match="of_a_piece"):
        exchange(connection, "anew", "public")
    assert prices(connection) == [1.0]
    assert applied(connection, "anew")


def test_too_few_locks_are_known_before_anything_is_done(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(connection, "anew", TimescaleDB())
    make_ahead(connection, "anew", NOW_US, 1)
    monkeypatch.setattr(exchanging, "_LOCKS_A_PIECE", 1_000)
    with pytest.raises(SettingsError, match=r"max_locks_per_transaction = \d+ \(now 64\)"):
        exchange(connection, "anew", "public")
    assert applied(connection, "anew")


def test_drop_leaves_what_is_not_ours(connection: psycopg.Connection[Any]) -> None:
    migrate(connection, "anew", TimescaleDB())
    connection.execute("CREATE TABLE anew.mine (number integer)")
    connection.execute("SELECT anew.barograph_make_partitions('ticks', '2026-11-20', '2026-11-21')")
    for _ in range(2):
        drop(connection, "anew")
        left = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'anew'::regnamespace")
        assert left.fetchall() == [("mine",)]
    drop(connection, "never_was")
    drop(connection, "public")
    assert applied(connection, "public") == ()
    migrate(connection, "public", TimescaleDB())
    assert {each.name for each in PARTITIONED} <= {
        name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")
    }
