"""TimescaleDB: what is sent is compared with snapshots always; where the extension can be loaded it runs.

The tests at the end need a server that has TimescaleDB's files and has preloaded it. They are
*collected only* where the server that the tests start lists ``timescaledb`` in
``pg_available_extensions`` (asked by its control file, before any server runs): a skip would count as a
failure where everything must be there. BAROGRAPH_WRITE_SNAPSHOTS=1 writes the snapshots again.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.servers.postgres import binaries, server

from barograph.settings.keeping import DatabaseSection
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import Ways, applied, migrate, planned, ways_for
from barograph.store.postgres.retention import drop_old
from barograph.store.postgres.server import TimescaleDB, detect
from barograph.store.postgres.timescale import policies, set_policies
from barograph.store.postgres.upkeep import upkeep

SNAPSHOTS = Path(__file__).parent / "snapshots"
LICENSED = TimescaleDB("2.28.1", "2.28.1", True, "timescale", "public")
APACHE = TimescaleDB("2.28.1", "2.28.1", True, "apache", "extensions")
KEEPING = DatabaseSection(keep_days=30, compress_after_days=2.5)


def snapshot(name: str, text: str) -> None:
    """Compare with the file of this name."""
    file = SNAPSHOTS / name
    if os.environ.get("BAROGRAPH_WRITE_SNAPSHOTS") == "1":
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, "BAROGRAPH_WRITE_SNAPSHOTS=1 writes it again"


def as_sql(statements: Iterator[str]) -> str:
    kept = (each for each in statements if "INSERT INTO" not in each or "barograph_migrations" not in each)
    return "".join(f"{each};\n" for each in kept)


@pytest.mark.parametrize(
    ("name", "extension"),
    [("timescale.sql", LICENSED), ("apache.sql", APACHE), ("native.sql", TimescaleDB())],
)
def test_what_is_sent_to_make_the_tables(name: str, extension: TimescaleDB) -> None:
    snapshot(name, as_sql(planned((), "public", extension)))


@pytest.mark.parametrize(
    ("name", "database"), [("policies.sql", DatabaseSection()), ("policies_keeping.sql", KEEPING)]
)
def test_what_is_sent_to_set_the_jobs(name: str, database: DatabaseSection) -> None:
    snapshot(name, as_sql(policies(("hypertables", "continuous"), "public", database)))


@pytest.mark.parametrize("ways", [("partitions", "tables"), ("hypertables", "tables")])
def test_other_ways_have_no_jobs(ways: Ways) -> None:
    assert list(policies(ways, "public", KEEPING)) == []


@pytest.mark.parametrize(
    ("extension", "ways"),
    [
        (LICENSED, ("hypertables", "continuous")),
        (APACHE, ("hypertables", "tables")),
        (TimescaleDB(), ("partitions", "tables")),
        (TimescaleDB(available="2.28.1"), ("partitions", "tables")),
        (TimescaleDB("2.10.3", "2.28.1", True, "timescale", "public"), ("partitions", "tables")),
        (TimescaleDB("2.9", "2.28.1", True, "timescale", "public"), ("partitions", "tables")),
        (TimescaleDB("3.0.0-dev", "3.0.0", True, "timescale", "public"), ("hypertables", "continuous")),
    ],
)
def test_the_way_follows_version_and_licence(extension: TimescaleDB, ways: Ways) -> None:
    assert ways_for(extension) == ways
    assert ways_for(extension, plain=True) == ("partitions", "tables")


@pytest.mark.parametrize("name", ["timescale.sql", "apache.sql"])
def test_no_mark_is_left_in_what_is_sent(name: str) -> None:
    text = (SNAPSHOTS / name).read_text(encoding="utf-8")
    assert "--@" not in text
    assert "{timescaledb}" not in text
    assert "PARTITION BY" not in text


def test_a_server_without_it_says_so(postgres: Any) -> None:
    with closing(connect(postgres)) as connection:
        found = detect(connection).timescaledb
    assert (found.installed, found.licence, found.usable) == (None, None, False)


def _available() -> bool:
    programs = binaries()
    if programs is None:
        return False
    told = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    return told.returncode == 0 and Path(told.stdout.strip(), "extension", "timescaledb.control").exists()


if _available():

    @pytest.fixture(scope="module", params=["timescale", "apache"])
    def connection(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
        with (
            server(
                shared_preload_libraries="'timescaledb'", **{"timescaledb.license": f"'{request.param}'"}
            ) as running,
            closing(connect(running.create())) as opened,
        ):
            opened.execute("CREATE EXTENSION timescaledb")
            found = detect(opened)
            assert found.timescaledb.licence == request.param
            migrate(opened, "public", found.timescaledb)
            for _ in range(2):
                set_policies(opened, applied(opened, "public")[0].ways, found.timescaledb.schema, KEEPING)
            yield opened

    def test_tables_are_hypertables(connection: psycopg.Connection[Any]) -> None:
        found = connection.execute("SELECT count(*) FROM timescaledb_information.hypertables").fetchone()
        assert found is not None
        assert found[0] >= 7

    def test_aggregates_have_what_was_written(connection: psycopg.Connection[Any]) -> None:
        for minute, price in ((0, 5.0), (1, 7.0), (59, 6.0)):
            connection.execute(
                "INSERT INTO market_microstructure (symbol, venue, timestamp, open, high, low, price, "
                "volume, notional, trade_count, buy_volume, sell_volume, revision, "
                "kernel_version, as_of, tape_pos) VALUES ('a', 'sim', "
                "date_trunc('hour', now()) - INTERVAL '1 day' + %s * INTERVAL '1 minute', "
                "%s, %s, %s, %s, 1, 1, 1, 1, 0, 0, 1, now(), 1) "
                "ON CONFLICT DO NOTHING",
                (minute, price, price, price, price),
            )
        connection.execute("INSERT INTO barograph_commits VALUES (0, 2) ON CONFLICT DO NOTHING")
        upkeep(connection, round(datetime.now(UTC).timestamp() * 1e6), DatabaseSection())
        bars = "SELECT open, high, low, price, volume FROM bars_1h WHERE symbol = 'a'"
        assert connection.execute(bars).fetchall() == [(5.0, 7.0, 5.0, 6.0, 3.0)]

    def test_old_chunks_are_dropped_and_the_newest_stays(connection: psycopg.Connection[Any]) -> None:
        now = datetime.now(UTC)
        for ago in (0, 1, 8, 9):
            connection.execute(
                "INSERT INTO ticks VALUES (%s, now(), 'sim', 'B', %s, 1, 0, NULL, NULL, 0, 7, 0)",
                (now - timedelta(days=ago), ago),
            )
        now_us = round(now.timestamp() * 1e6)
        would = drop_old(connection, "public", now_us, 5, tables=["ticks"], dry_run=True)
        gone = drop_old(connection, "public", now_us, 5, tables=["ticks"])
        assert [piece.name for piece in gone] == [piece.name for piece in would]
        assert len(gone) == 2
        left = connection.execute("SELECT price FROM ticks ORDER BY price").fetchall()
        assert left == [(0.0,), (1.0,)]
