"""Over a database it answers as over a lake; a store that is away or broken is told, with what to do."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.api.house import fill, served, settings_of
from tests.store.making import DAY_0, bar, commit

from barograph.api.series import ASK_S
from barograph.clock import ManualClock
from barograph.settings import Settings
from barograph.store import Lake, Scan

if TYPE_CHECKING:
    from tests.servers.postgres import Server

AWAY = "postgresql://ada:hidden-word@127.0.0.1:9/markets"
RESOURCES = ("symbols", "bars", "ticks", "quotes", "anomalies", "coverage", "trades")


def settings_at(data: Path, url: str) -> Settings:
    return Settings.model_validate({"data_dir": data, "store": "postgresql", "database": {"url": url}})


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server) -> tuple[Path, str]:
    """A data directory with its lake, and the address of a database with the same tables."""
    from tests.servers.recorded import also_at, recorded

    data = recorded(tmp_path_factory.mktemp("both"), minutes=60)
    address = postgres_server.create()
    also_at(address, data)
    return data, address.uri()


def test_a_database_is_served_as_a_lake_is(places: tuple[Path, str]) -> None:
    data, url = places
    with served(settings_of(data)) as lake, served(settings_at(data, url)) as database:
        for resource in RESOURCES:
            whole = lake.rows(f"/v1/{resource}", limit=5_000)
            assert database.rows(f"/v1/{resource}", limit=5_000) == whole, resource
            assert whole or resource in ("trades", "anomalies")
        for every in ("30s", "5m", "1h"):
            wanted = {"symbol": "ETH-USD", "interval": every, "limit": 100}
            assert database.rows("/v1/bars", **wanted) == lake.rows("/v1/bars", **wanted)
        # Pages are cut at the same rows, and a cursor goes on where the other left off.
        page = lake.get("/v1/quotes", limit=37).json()
        assert database.get("/v1/quotes", limit=37).json() == page
        following = {"limit": 37, "cursor": page["next"]}
        assert database.get("/v1/quotes", **following).json() == lake.get("/v1/quotes", **following).json()
        tag = database.get("/v1/bars").headers["etag"]
        database.get("/v1/bars", 304, headers={"If-None-Match": tag})
        assert database.get("/readyz").json()["ready"]


def test_a_symbol_that_is_new_in_a_database_is_there_soon_and_the_tag_tells(
    tmp_path: Path, postgres_server: Server
) -> None:
    from tests.servers.recorded import with_tables

    where = with_tables(postgres_server.create())
    assert where.address is not None
    clock = ManualClock()
    with (
        closing(where.database()) as store,
        served(settings_at(tmp_path, where.address.uri()), clock) as running,
    ):
        store.commit(commit(0, 1, market_microstructure=[bar(DAY_0, 0)]))
        assert len(running.rows("/v1/bars")) == 1
        store.commit(commit(1, 2, market_microstructure=[bar(DAY_0, 1, "ZEC-USD")]))
        # Which symbols there are is asked now and then only; what was answered so long must not stay.
        early = running.get("/v1/bars")
        clock.advance(ASK_S + 1)
        late = running.get("/v1/bars", headers={"If-None-Match": early.headers["etag"]})
        assert [row["symbol"] for row in late.json()["rows"]] == ["BTC-USD", "ZEC-USD"]


def test_a_server_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    with served(settings_at(tmp_path, AWAY)) as running:
        for resource in RESOURCES:
            answer = running.get(f"/v1/{resource}", 503)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"]
            assert "127.0.0.1" in answer.json()["detail"]
            assert "hidden-word" not in answer.text
        assert "store cannot be read" in running.get("/readyz", 503).json()["reasons"][0]
        running.get("/healthz")


def test_a_server_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    from tests.conftest import skip_or_fail
    from tests.servers.postgres import binaries, server
    from tests.servers.recorded import with_tables

    if binaries() is None:
        skip_or_fail("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with server() as running:
        where = with_tables(running.create())
        assert where.address is not None
        with served(settings_at(tmp_path, where.address.uri())) as api:
            assert api.get("/v1/bars").json()["rows"] == []
            running.stop("immediate")
            api.get("/v1/bars", 503)
            running.start()
            assert api.get("/v1/bars").json()["rows"] == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with served(settings_of(tmp_path)) as running:
        running.get("/v1/bars", end="2024-08-09")
        _spoil(lake)
        problem = running.get("/v1/bars", 503, limit=999, end="2024-08-09").json()
        assert "market_microstructure" in problem["detail"]
        running.get("/v1/ticks")
    # A server that begins with such a file tells the same.
    with served(settings_of(tmp_path)) as running:
        for path in ("/v1/bars", "/v1/symbols", "/v1/bars?interval=1h"):
            problem = running.get(path, 503).json()
            assert "market_microstructure" in problem["detail"]
        running.get("/v1/ticks")
    lake.close()


def _spoil(lake: Lake) -> None:
    """Zeros in the middle of a sealed day."""
    (day, *_) = lake.days(Scan("market_microstructure"))
    assert day.sealed is not None
    content = bytearray(day.sealed.read_bytes())
    content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)
    day.sealed.write_bytes(content)
