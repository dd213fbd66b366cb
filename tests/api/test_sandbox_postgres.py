"""``POST /v1/query`` over PostgreSQL, as whoever owns the database: the same bounds."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.api.sandbox_serving import WITHIN_S, ask, rows, served, written
from tests.api.sandbox_statements import STATEMENTS, VALUES
from tests.store.making import DAY_0, bar, commit
from tests.store.postgres.making_tables import run, with_tables

from barograph.api.sandbox.database import OPTIONS, WATCH, checked
from barograph.errors import StorageError
from barograph.settings import Settings
from barograph.store.opening import Location
from barograph.store.postgres.sessions import Readers
from barograph.store.postgres.store import PostgresStore

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.postgres.address import Address


@pytest.fixture(scope="module")
def address(postgres_server: Server) -> Address:
    made = with_tables(postgres_server.create())
    store = PostgresStore(made)
    store.commit(commit(0, 10, market_microstructure=[bar(DAY_0, 1), bar(DAY_0, 1, symbol="ETH-USD")]))
    store.close()
    run(made, "CREATE TABLE secrets AS SELECT 'hidden' AS word")
    run(made, "CREATE SCHEMA other")
    run(made, "CREATE TABLE other.ticks AS SELECT 'hidden' AS word")
    return made


@pytest.fixture(scope="module")
def url(address: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(settings_for(tmp_path_factory.mktemp("database"), address, WITHIN_S)) as running:
        yield running


def settings_for(data: Path, address: Address, query_seconds: float) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": data,
            "store": "postgresql",
            "database": {"url": address.uri()},
            "web": {"query_seconds": query_seconds},
        }
    )


def test_rows_of_a_query(url: str) -> None:
    found = rows(url, "SELECT symbol, price FROM market_microstructure WHERE symbol <> $1", "ETH-USD")
    assert found == [{"symbol": "BTC-USD", "price": 100.0}]
    assert rows(url, "SELECT count(*) AS n, $1 AS said FROM last_prices", "it's") == [
        {"n": 2, "said": "it's"}
    ]
    assert rows(url, "WITH a AS (SELECT * FROM bars_1h) SELECT count(*) AS n FROM a;") == [{"n": 0}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "SELECT * FROM secrets WHERE word = $1",
        "SELECT (SELECT word FROM secrets)",
        "SELECT * FROM other.ticks",
        "WITH a AS (SELECT * FROM secrets) SELECT count(*) FROM a",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('statement_timeout', '0', false)",
        "WITH a AS (DELETE FROM ticks RETURNING 1) SELECT * FROM a",
        "SELECT * FROM ticks FOR UPDATE",
        "SELECT nothing FROM ticks",
        "SELECT 1; SELECT 2",
        "not SQL",
    ],
)
def test_what_leads_out_of_the_tables_is_refused(url: str, sql: str) -> None:
    answer = ask(url, sql, *(["hidden"] if "$1" in sql else []))
    assert answer.status_code == 400, answer.text
    assert "hidden" not in answer.text


def test_a_query_without_an_end_is_ended(tmp_path: Path, address: Address) -> None:
    with served(settings_for(tmp_path, address, 1.0)) as url:
        answer = ask(
            url, "SELECT sum(a * b) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        )
    assert answer.status_code == 408
    assert "took longer than 1 s" in answer.json()["detail"]


def test_the_server_ends_a_query_whose_client_went_away(tmp_path: Path, address: Address) -> None:
    """With a time limit of hours, nothing else ends it."""

    def running() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%7654321%'"
        ((count,),) = run(address, query + " AND pid <> pg_backend_pid()")
        return bool(count)

    sql = "SELECT sum(a * b) FROM generate_series(1, 7654321) a, generate_series(1, 7654321) b"
    with served(settings_for(tmp_path, address, 7_200)) as url:
        target = httpx.URL(url)
        with socket.create_connection((target.host, int(target.port or 0))) as client:
            client.sendall(written(sql))
            while not running():
                pass
        while running():
            pass
        assert rows(url, "SELECT 1 AS n") == [{"n": 1}]


@given(STATEMENTS, VALUES, st.sampled_from(["json", "csv", "arrow"]))
@hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_asked_of_a_database_the_server_does_not_fail(
    url: str, sql: str, values: list[Any], form: str
) -> None:
    answer = ask(url, sql, *values, format=form)
    assert answer.status_code in (200, 400, 408, 413, 422), (sql, answer.text)


@pytest.mark.parametrize("answer", ["invalid value for parameter", "unsupported startup parameter: options"])
def test_a_server_that_cannot_watch_is_asked_all_the_same(
    address: Address, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    refused = f'{answer} "client_connection_check_interval": 500'
    monkeypatch.setenv(OPTIONS, f"-c search_path=public {WATCH}")
    usual = Readers._new

    def new(readers: Readers) -> Any:
        if WATCH in os.environ[OPTIONS]:
            raise StorageError(refused)
        return usual(readers)

    monkeypatch.setattr(Readers, "_new", new)
    with closing(checked(Location(None, address), "SELECT 1 AS n")) as connection:
        assert connection.query("SELECT 1 AS n").read_all().to_pylist() == [{"n": 1}]
    assert os.environ[OPTIONS].strip() == "-c search_path=public"


def test_a_database_that_is_away_is_told(tmp_path: Path, address: Address) -> None:
    made = Settings.model_validate(
        {
            "data_dir": tmp_path,
            "store": "postgresql",
            "database": {"url": address.uri(), "port": 1},
        }
    )
    with served(made) as url:
        answer = ask(url, "SELECT 1")
    assert answer.status_code == 503
    assert "correct horse" not in answer.text
