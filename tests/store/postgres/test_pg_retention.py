"""What is too old goes, piece by piece; the newest piece with rows never."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from barograph.errors import StorageBusy, UsageError
from barograph.settings.keeping import DatabaseSection
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.partitions import partitions
from barograph.store.postgres.retention import drop_old
from barograph.store.postgres.server import TimescaleDB
from barograph.store.postgres.upkeep import upkeep

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
NOW_US = round((TODAY + timedelta(hours=12)).timestamp() * 1e6)


@pytest.fixture
def connection(postgres: Address) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(postgres)) as opened:
        migrate(opened, "public", TimescaleDB())
        yield opened


def fill(connection: psycopg.Connection[Any], *days_ago: int, table: str = "ticks") -> None:
    for ago in days_ago:
        when = TODAY - timedelta(days=ago)
        connection.execute(
            "SELECT barograph_make_partitions(%s, %s, %s)", (table, when, when + timedelta(seconds=1))
        )
        if table == "ticks":
            connection.execute(
                "INSERT INTO ticks VALUES (%s, now(), 'sim', 'B', %s, 1, 0, NULL, NULL, 0, 7, 0)", (when, ago)
            )


def left(connection: psycopg.Connection[Any]) -> list[float]:
    return [price for (price,) in connection.execute("SELECT price FROM ticks ORDER BY ts DESC")]


def test_what_ended_longer_ago_goes_and_is_told(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 0, 1, 2, 3, 4)
    would = drop_old(connection, "public", NOW_US, 2.0, dry_run=True)
    assert left(connection) == [0, 1, 2, 3, 4]
    gone = drop_old(connection, "public", NOW_US, 2.0)
    assert [piece.name for piece in gone] == [piece.name for piece in would]
    assert [piece.since for piece in gone] == [TODAY - timedelta(days=4), TODAY - timedelta(days=3)]
    assert left(connection) == [0, 1, 2]
    assert drop_old(connection, "public", NOW_US, 2.0) == []
    noted = connection.execute("SELECT name FROM barograph_dropped ORDER BY since").fetchall()
    assert [name for (name,) in noted] == [piece.name for piece in gone]


def test_the_newest_piece_with_rows_stays_however_old(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 40, 39)
    connection.execute(
        "SELECT barograph_make_partitions('ticks', %s, %s)", (TODAY, TODAY + timedelta(days=3))
    )
    assert [piece.since for piece in drop_old(connection, "public", NOW_US, 1.0)] == [
        TODAY - timedelta(days=40)
    ]
    assert left(connection) == [39]


def test_who_drops_cannot_reach_the_last_day(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 0, 1, 2)
    connection.execute("SELECT * FROM barograph_drop_before('ticks', 'infinity', false)").fetchall()
    assert left(connection) == [0, 1]


def test_only_the_tables_named(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 0, 9)
    fill(connection, 0, 9, table="quotes")
    connection.execute(
        "INSERT INTO quotes SELECT ts, ts, false, 'sim', 'B', 1, 1, 1, 1, NULL, 0, 7, 0 FROM ticks"
    )
    gone = drop_old(connection, "public", NOW_US, 3, tables=["quotes"])
    assert [piece.relation for piece in gone] == ["quotes"]
    assert left(connection) == [0, 9]
    with pytest.raises(UsageError, match="'trials' is no table"):
        drop_old(connection, "public", NOW_US, 3, tables=["trials"])


def test_anomalies_are_known_by_their_own_name(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 0, 100, table="anomaly_versions")
    connection.execute("INSERT INTO anomaly_versions VALUES (now(), 'v', 's', 'k', 1, 1, '', '', 0, 1)")
    assert [p.relation for p in drop_old(connection, "public", NOW_US, 30, tables=["anomalies"])] == [
        "anomaly_versions"
    ]


def test_a_reader_who_stays_makes_it_busy_and_not_wrong(
    connection: psycopg.Connection[Any], postgres: Address
) -> None:
    fill(connection, 0, 5)
    with closing(connect(postgres)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM ticks")
        connection.execute("ALTER FUNCTION barograph_drop_before SET lock_timeout TO '50ms'")
        with pytest.raises(StorageBusy):
            drop_old(connection, "public", NOW_US, 2)
    assert left(connection) == [0, 5]
    drop_old(connection, "public", NOW_US, 2)
    assert left(connection) == [0]


def test_upkeep_makes_refreshes_and_drops(connection: psycopg.Connection[Any]) -> None:
    fill(connection, 0, 5)
    kept = upkeep(connection, NOW_US, DatabaseSection(ahead_days=2))
    assert kept.made > 0
    assert (kept.refreshed, kept.dropped) == (0, ())
    assert left(connection) == [0, 5]
    kept = upkeep(connection, NOW_US, DatabaseSection(ahead_days=2, keep_days=3))
    assert kept.made == 0
    assert [piece.relation for piece in kept.dropped] == ["ticks"]
    assert left(connection) == [0]
    ends = max(piece.until for piece in partitions(connection, "public") if piece.relation == "ticks")
    assert ends == TODAY + timedelta(days=3)
