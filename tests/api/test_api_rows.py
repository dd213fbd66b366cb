"""What is served equals what the Market gives, in every form."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from tests.api.house import MINUTES, Served, served, settings_of

from barograph.market import connect
from barograph.paper.ledger import Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position
from barograph.store.layout import ledger_path
from barograph.tables import TABLES

ARROW = "application/vnd.apache.arrow.stream"
SPAN = {"start": "2024-08-08T00:05", "end": "2024-08-09T00:40"}
CASES: dict[str, dict[str, Any]] = {
    "bars": {"symbol": "BTC-USD"},
    "ticks": {"symbol": "BTC-USD"},
    "quotes": {"symbol": "BTC-USD"},
    "anomalies": {"symbol": "BTC-USD"},
    "coverage": {"symbol": "ETH-USD"},
}


def of_market(data: Path, resource: str, **given: Any) -> pl.DataFrame:
    with connect(data) as market:
        made = getattr(market, resource)(**given)
        assert isinstance(made, pl.DataFrame)
        return made


def read_arrow(body: bytes) -> pl.DataFrame:
    made = pl.from_arrow(pa.ipc.open_stream(io.BytesIO(body)).read_all())
    assert isinstance(made, pl.DataFrame)
    return made


@pytest.mark.parametrize("resource", CASES)
@pytest.mark.parametrize("span", [{}, SPAN], ids=["all", "span"])
def test_arrow_equals_the_market(api: Served, filled: Path, resource: str, span: dict[str, str]) -> None:
    wanted = CASES[resource]
    answer = api.get(f"/v1/{resource}", **wanted, **span, limit=5_000, format="arrow")
    assert answer.headers["content-type"] == ARROW
    assert_frame_equal(read_arrow(answer.content), of_market(filled, resource, **wanted, **span))


@pytest.mark.parametrize("every", ["1s", "30s", "1m", "5m", "1h", "1d"])
def test_bars_of_every_interval_equal_the_markets(api: Served, filled: Path, every: str) -> None:
    # One day: columns that look back reach over 500 intervals at least, and the days are hours apart.
    wanted = {"symbol": "BTC-USD", "end": "2024-08-09"}
    answer = api.get("/v1/bars", **wanted, interval=every, limit=9_000, format="arrow")
    found = of_market(filled, "bars", **wanted, every=every)
    assert found.height
    assert_frame_equal(read_arrow(answer.content), found)


def test_bars_of_imported_candles_equal_the_markets(api: Served, filled: Path) -> None:
    answer = api.get("/v1/bars", symbol="SPY", format="arrow")
    assert_frame_equal(read_arrow(answer.content), of_market(filled, "bars", symbol="SPY"))


@pytest.mark.parametrize("resource", [*CASES, "symbols", "trades", "positions", "studies"])
def test_json_and_csv_hold_what_arrow_holds(api: Served, resource: str) -> None:
    forms = {form: api.get(f"/v1/{resource}", limit=5_000, format=form) for form in ("arrow", "json", "csv")}
    table = read_arrow(forms["arrow"].content)
    page = forms["json"].json()
    assert page["next"] is None
    assert [list(row) for row in page["rows"][:1]] == [table.columns][: len(page["rows"])]
    texts = table.with_columns(pl.col(pl.Datetime).dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ"))
    floats = [name for name, kind in table.schema.items() if kind == pl.Float64]
    assert page["rows"] == texts.with_columns(pl.col(floats).fill_nan(None)).to_dicts()
    parsed = pl.read_csv(io.BytesIO(forms["csv"].content), schema=texts.schema)
    words = pl.col(pl.String).fill_null("")
    assert_frame_equal(parsed.with_columns(words), texts.with_columns(words))


def test_symbols_equal_the_markets(api: Served, filled: Path) -> None:
    answer = api.get("/v1/symbols", format="arrow")
    assert_frame_equal(read_arrow(answer.content), of_market(filled, "symbols"))


def test_completed_trades_are_chosen_by_their_exit(api: Served) -> None:
    assert [row["trade_key"] for row in api.rows("/v1/trades")] == ["k0", "k1", "k2"]
    found = api.rows("/v1/trades", start="2024-08-08T00:01", end="2024-08-08T00:02")
    assert [row["trade_key"] for row in found] == ["k1"]


def test_completed_trades_are_chosen_by_symbol_and_venue(api: Served) -> None:
    assert api.rows("/v1/trades", symbol="ETH-USD") == []
    assert api.rows("/v1/trades", venue="nowhere") == []
    assert len(api.rows("/v1/trades", symbol="BTC-USD", venue=["nowhere", "sim"])) == 3


def test_positions_are_those_of_the_ledger_and_chosen_by_symbol_and_venue(tmp_path: Path) -> None:
    ledger = SqliteLedger(ledger_path(tmp_path / "lake"))
    for venue, symbol in (("sim", "A"), ("sim", "B"), ("kite", "A")):
        held = Position("dip", venue, symbol, 1.0, 100.0, 0, 0.1, "t1")
        ledger.open(ledger.read(Key("dip", venue, symbol)), held)
    ledger.shut()
    with served(settings_of(tmp_path)) as running:

        def found(**chosen: str) -> list[tuple[str, str]]:
            return [(row["venue"], row["symbol"]) for row in running.rows("/v1/positions", **chosen)]

        assert found() == [("kite", "A"), ("sim", "A"), ("sim", "B")]
        assert found(venue="sim") == [("sim", "A"), ("sim", "B")]
        assert found(symbol="A") == [("kite", "A"), ("sim", "A")]
        assert found(venue="kite", symbol="B") == []


def test_a_ledger_that_was_never_finished_holds_no_positions(tmp_path: Path) -> None:
    path = ledger_path(tmp_path / "lake")
    path.parent.mkdir(parents=True)
    path.touch()
    with served(settings_of(tmp_path)) as running:
        assert running.rows("/v1/positions") == running.rows("/v1/trades") == []
        path.write_bytes(b"no ledger at all")
        assert "ledger" in running.get("/v1/positions", 503).json()["detail"]


def test_a_range_has_its_start_and_not_its_end(api: Served) -> None:
    found = api.rows("/v1/bars", symbol="BTC-USD", start="2024-08-08T00:10", end="2024-08-08T00:12:00Z")
    assert [row["timestamp"][11:16] for row in found] == ["00:10", "00:11"]


def test_several_symbols_come_in_order(api: Served) -> None:
    found = api.rows("/v1/bars", symbol=["ETH-USD", "BTC-USD"], venue="sim", limit=70)
    keys = [(row["symbol"], row["timestamp"]) for row in found]
    assert keys == sorted(keys)
    assert len(set(keys)) == 4 * MINUTES


def test_a_venue_without_rows_is_an_empty_page(api: Served) -> None:
    assert api.get("/v1/bars", venue="nowhere").json() == {"rows": [], "next": None}


def test_a_symbol_that_was_never_recorded_is_not_found_and_the_nearest_is_named(api: Served) -> None:
    problem = api.get("/v1/ticks", 404, symbol="BTCUSD").json()
    assert "BTC-USD" in problem["detail"]


def test_a_symbol_known_elsewhere_has_an_empty_page(api: Served) -> None:
    assert api.get("/v1/quotes", symbol="SPY").json()["rows"] == []


def test_null_and_what_json_cannot_say_are_null(api: Served) -> None:
    found = api.rows("/v1/bars", symbol="BTC-USD", end="2024-08-08T00:22")
    assert [row["rsi_14"] is None for row in found] == [*[True] * 14, *[False] * 6, True, False]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        (f"text/csv;q=0.5, {ARROW}", ARROW),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_the_form_is_the_one_that_is_accepted_most(api: Served, accept: str, content_type: str) -> None:
    answer = api.get("/v1/symbols", headers={"Accept": accept})
    assert answer.headers["content-type"] == content_type
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*"])
def test_a_form_that_there_is_not_is_refused(api: Served, accept: str) -> None:
    problem = api.get("/v1/symbols", 406, headers={"Accept": accept}).json()
    assert "text/csv" in problem["detail"]


def test_an_empty_data_directory_has_empty_pages_and_its_columns(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with served(settings_of(tmp_path / "data")) as running:
        for resource in (*CASES, "symbols", "trades", "positions", "studies"):
            assert running.get(f"/v1/{resource}").json() == {"rows": [], "next": None}
        columns = read_arrow(running.get("/v1/bars", format="arrow").content).columns
        assert columns == list(TABLES["market_microstructure"].names)


def test_a_data_directory_that_is_not_there_yet_is_an_empty_one(tmp_path: Path) -> None:
    with served(settings_of(tmp_path / "data")) as running:
        assert running.get("/v1/bars", symbol="BTC-USD", interval="5m").json()["rows"] == []
        assert running.get("/readyz").json() == {"ready": True, "reasons": []}
    assert not (tmp_path / "data").exists()
