"""The Market over a database answers as the one over the lake: the same calls, the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.store.making import completed

from barograph.errors import SettingsError, UsageError
from barograph.market import Market, connect
from barograph.market.tables import DatabaseTables
from barograph.store import Scan
from barograph.store.opening import Location, open_at
from barograph.store.traded import add_trades, table_of
from barograph.tables import COMPLETED_TRADES, TABLES

if TYPE_CHECKING:
    from tests.servers.postgres import Server

MIDNIGHT = datetime(2024, 8, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server) -> tuple[Path, Location]:
    """A data directory with its lake, and a database with the same tables, made from one tape."""
    from tests.servers.recorded import also_at, recorded

    data = recorded(tmp_path_factory.mktemp("recorded"), sealed=True)
    database = also_at(postgres_server.create(), data)
    trades = [completed("k1", exit_ts_us=2_000_000), completed("k2", exit_ts_us=9_000_000)]
    rows = table_of(COMPLETED_TRADES.schema(), trades)
    with closing(database.database()) as store:
        store.add_trades(rows)
    add_trades(data / "lake", rows)
    return data, database


@pytest.fixture
def lake(places: tuple[Path, Location]) -> Iterator[Market]:
    with connect(places[0]) as market:
        yield market


@pytest.fixture
def database(places: tuple[Path, Location]) -> Iterator[Market]:
    with connect(places[1]) as market:
        yield market


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_the_same_rows_in_the_same_order(lake: Market, database: Market, name: str) -> None:
    mine, theirs = (pl.concat(map(pl.DataFrame, each.store.scan(Scan(name)))) for each in (lake, database))
    assert mine.height > 0
    assert_frame_equal(mine, theirs)


@pytest.mark.parametrize(
    "call", ["ticks", "quotes", "anomalies", "candles", "coverage", "completed_trades", "bars"]
)
@pytest.mark.parametrize(
    "given", [{}, {"symbol": "BTC-USD"}, {"start": MIDNIGHT}, {"end": MIDNIGHT, "venue": "sim"}]
)
def test_every_call_gives_the_same_frame(lake: Market, database: Market, call: str, given: dict) -> None:
    assert_frame_equal(getattr(lake, call)(**given), getattr(database, call)(**given))


@pytest.mark.parametrize("every", ["10s", "1m", "5m", "1h", "1d"])
def test_bars_of_every_interval_are_the_same(lake: Market, database: Market, every: str) -> None:
    assert_frame_equal(lake.bars(every=every), database.bars(every=every))


def test_symbols_days_and_views_are_the_same(lake: Market, database: Market) -> None:
    assert_frame_equal(lake.symbols(), database.symbols())
    same = ["table", "days", "first_day", "last_day"]
    assert_frame_equal(lake.tables().select(same), database.tables().select(same))
    assert database.tables()["bytes"].min() > 0
    for view in ("last_prices", "ticks_simple", "market_minutes"):
        mine, theirs = (each.sql(f"SELECT * FROM {view}") for each in (lake, database))
        assert_frame_equal(mine, theirs, check_row_order=False)


@pytest.mark.parametrize("name", [*TABLES, "completed_trades"])
def test_lazy_tables_are_the_same(lake: Market, database: Market, name: str) -> None:
    mine, theirs = (each.lazy(name).collect() for each in (lake, database))
    assert_frame_equal(mine, theirs, check_row_order=False)


def test_a_lazy_query_asks_the_server_only_for_what_it_needs(
    database: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Scan] = []
    scan = database.store.scan

    def told(wanted: Scan):
        asked.append(wanted)
        return scan(wanted)

    monkeypatch.setattr(database.store, "scan", told)
    query = database.lazy("ticks").filter(pl.col("ts") >= MIDNIGHT, symbol="BTC-USD")
    found = query.select("ts", "price").collect()
    assert found.height > 0
    assert asked[0].symbols == ["BTC-USD"]
    assert asked[0].start_us == int(MIDNIGHT.timestamp()) * 1_000_000
    assert set(asked[0].columns or ()) == {"ts", "price", "symbol"}


def test_sql_goes_through_in_postgresql_words(database: Market) -> None:
    found = database.sql(
        "SELECT DISTINCT ON (symbol) symbol, price FROM ticks WHERE symbol = $1", ["BTC-USD"]
    )
    assert found["symbol"].to_list() == ["BTC-USD"]
    with pytest.raises(UsageError):
        database.sql("DELETE FROM ticks")
    with pytest.raises(UsageError, match="did you mean BTC-USD"):
        database.ticks("BTCUSD")


def test_positions_are_in_the_ledger_and_not_in_a_database_alone(
    database: Market, places: tuple[Path, Location]
) -> None:
    assert database.positions().is_empty()
    with connect(replace(places[1], data=None)) as alone, pytest.raises(UsageError, match="ledger"):
        alone.positions()


def test_a_url_names_a_database(places: tuple[Path, Location]) -> None:
    address = places[1].address
    assert address is not None
    with connect(address.uri()) as market:
        assert market.ticks("BTC-USD").height > 0
        assert address.password is not None
        assert address.password not in repr(market)
        market.close()
        assert market.symbols().height > 0
    with closing(open_at(address.uri())) as store:
        assert store.committed() > 0
    with pytest.raises(SettingsError, match="postgresql://"):
        connect("mysql://root:secret@nowhere/db")


def test_a_closed_market_opens_anew(places: tuple[Path, Location]) -> None:
    tables = DatabaseTables(places[1])
    assert tables.symbols().height > 0
    tables.close()
    assert tables.symbols().height > 0
    tables.close()
