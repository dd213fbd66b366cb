"""What the market pages ask: the same of a lake as of a database, and what the command line tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from polars.testing import assert_frame_equal

from barograph.coverage.summary import QUERY, Tally, summarise, total
from barograph.dashboard import ledger, overview
from barograph.dashboard.data import Data
from barograph.market import Market, connect
from barograph.settings import Settings
from barograph.store import Lake
from barograph.store.opening import Location

if TYPE_CHECKING:
    from tests.servers.postgres import Server

START, END = datetime(2024, 8, 8, tzinfo=UTC), datetime(2024, 8, 10, tzinfo=UTC)

NAMES = {"host": "host", "port": "port", "name": "dbname", "user": "user"}


@pytest.fixture(scope="module")
def lake(recorded: Path) -> Data:
    return Data(Settings(data_dir=recorded))


@pytest.fixture(scope="module")
def database(recorded: Path, postgres_server: Server) -> Iterator[Data]:
    """The same tables in PostgreSQL."""
    from tests.servers.recorded import also_at

    address = postgres_server.create()
    also_at(address, recorded)
    known = address.parameters
    database = {ours: known[libpq] for ours, libpq in NAMES.items() if libpq in known}
    password = {"password": address.password} if address.password else {}
    given = {"data_dir": recorded, "store": "postgresql", "database": {**database, **password}}
    data = Data(Settings.model_validate(given))
    yield data
    data.market.close()


def test_every_series_is_there_with_its_span(lake: Data, recorded: Path) -> None:
    found = {each.symbol: each for each in overview.series(lake)}
    assert {symbol: each.interval_s for symbol, each in found.items()} == {
        "BTC-USD": 60,
        "ETH-USD": 60,
        "SPY": 3_600,
    }
    with connect(recorded) as market:
        rows = market.bars("BTC-USD")
    assert found["BTC-USD"].first == rows["timestamp"].min()
    assert found["BTC-USD"].end == rows["timestamp"].max() + timedelta(minutes=1)  # type: ignore[operator]


def test_a_glance_tells_what_the_minutes_tell(lake: Data, recorded: Path) -> None:
    found = {each.series.symbol: each for each in overview.glances(lake)}
    with connect(recorded) as market:
        rows = market.bars("BTC-USD")
    glance = found["BTC-USD"]
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    assert glance.price == last["price"]
    assert glance.change_pct == pytest.approx(100 * (last["price"] / first["open"] - 1))
    assert glance.volume == pytest.approx(rows["volume"].sum())
    assert glance.trades == rows["trade_count"].sum()
    middle = (last["ask_price"] + last["bid_price"]) / 2
    assert glance.spread_bps == pytest.approx(1e4 * (last["ask_price"] - last["bid_price"]) / middle)
    assert glance.spark[-1] == last["price"]
    assert len(glance.spark) <= 2 * overview.SPARK_POINTS


def test_imported_candles_have_a_glance_without_quotes_and_trades(lake: Data) -> None:
    (glance,) = [each for each in overview.glances(lake) if each.series.symbol == "SPY"]
    assert (glance.price, glance.trades, glance.spread_bps) == (129.5, None, None)
    assert len(glance.spark) == 30


def test_the_ledger_tells_what_the_command_line_tells(lake: Data, recorded: Path) -> None:
    with closing(Location.at(recorded).sql()) as sql:
        series = summarise(sql.query(QUERY, [START, END, None, None, None]).read_all())
    told = Tally()
    for day in ledger.covered(lake, START, END):
        told = told.plus(day.tally)
    assert told == total(series)
    assert told.minutes
    known = {(one.venue, one.symbol, one.channel, gap) for one in series for gap in one.gaps}
    assert set(ledger.gaps(lake, START, END)) == known


def test_gaps_come_with_cause_and_length(tmp_path: Path) -> None:
    data = made_with_gaps(tmp_path / "data")
    newest, older = ledger.gaps(data, START, END)
    assert (newest.time.reason, newest.time.end_us - newest.time.begin_us) == ("silence", 120_000_000)
    assert (older.time.reason, older.time.end_us - older.time.begin_us) == ("lost", 180_000_000)
    (day,) = ledger.covered(data, START, END)
    assert day.tally == Tally(complete=5, missing=5)
    assert day.tally.uptime_pct == 50.0


def made_with_gaps(folder: Path) -> Data:
    """Ten minutes of coverage: three missing for one reason, two for another."""
    import polars as pl

    from barograph.store import Commit
    from barograph.tables import COVERAGE

    states = ["complete"] * 2 + ["missing"] * 3 + ["complete"] * 3 + ["missing"] * 2
    reasons = [None] * 2 + ["lost"] * 3 + [None] * 3 + ["silence"] * 2
    rows = [
        {
            "minute": START + timedelta(minutes=k),
            "venue": "sim",
            "symbol": "BTC-USD",
            "channel": "trades",
            "state": state,
            "messages": 1,
            "reason": reason,
            "updated_at": START,
            "revision": 0,
            "tape_pos": k,
        }
        for k, (state, reason) in enumerate(zip(states, reasons, strict=True))
    ]
    schema = COVERAGE.schema()
    table = pl.DataFrame(rows, schema=pl.Schema(schema)).to_arrow().cast(schema)
    store = Lake(folder / "lake")
    store.commit(Commit(0, 10, {"coverage": table}))
    store.close()
    return Data(Settings(data_dir=folder))


def test_a_database_answers_as_the_lake(lake: Data, database: Data) -> None:
    assert overview.series(database) == overview.series(lake)
    for ours, other in zip(overview.glances(lake), overview.glances(database), strict=True):
        assert ours == other
    assert ledger.coverage_span(database) == ledger.coverage_span(lake)
    assert ledger.covered(database, START, END) == ledger.covered(lake, START, END)
    assert ledger.gaps(database, START, END) == ledger.gaps(lake, START, END)
    assert ledger.anomalies(database, START, END).equals(ledger.anomalies(lake, START, END))


def test_what_is_being_written_is_seen(recorded: Path, tmp_path: Path) -> None:
    """A day of which parts are hot counts once, with its newest versions."""
    market = Market(Location(recorded))
    glance = next(each for each in overview._glances(market) if each.series.symbol == "ETH-USD")
    assert glance.trades == market.bars("ETH-USD")["trade_count"].sum()


@pytest.mark.parametrize("every", ["1m", "5m", "1h"])
def test_a_long_stretch_gives_the_bars_of_the_market(
    recorded: Path, every: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from barograph.clock import DAY_US, to_us
    from barograph.dashboard.stretches import bars_of
    from barograph.store import Scan

    monkeypatch.setattr("barograph.dashboard.stretches.CHUNK_US", DAY_US)
    market = Market(Location(recorded))
    wanted = Scan("market_microstructure", None, ["BTC-USD"], ["sim"], to_us(START), to_us(END))
    made, usual = bars_of(market.store, wanted, every), market.bars("BTC-USD", every)
    assert len(made) > 1
    assert_frame_equal(made, usual, abs_tol=1e-9)


def test_candles_of_a_long_stretch_are_shown_too(recorded: Path) -> None:
    from barograph.clock import to_us
    from barograph.dashboard.stretches import bars_of
    from barograph.store import Scan

    market = Market(Location(recorded))
    start = to_us(START - timedelta(days=400))
    made = bars_of(market.store, Scan("market_microstructure", None, ["SPY"], None, start, to_us(END)), "1h")
    assert made.equals(market.bars("SPY", "1h"))
