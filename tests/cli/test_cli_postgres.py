"""Verbs over tables in PostgreSQL print what they print over the lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.opening import Location

pytestmark = pytest.mark.slow

DAY = "2024-08-09"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server) -> tuple[Path, Location]:
    """A data directory with its lake beside a database with the same tables; none of it is written to."""
    from tests.servers.recorded import also_at, recorded

    data = recorded(tmp_path_factory.mktemp("both"))
    return data, also_at(postgres_server.create(), data)


def use(monkeypatch: pytest.MonkeyPatch, where: Location) -> None:
    """Let the environment name the database, as an operator's would."""
    assert where.address is not None
    monkeypatch.setenv("BAROGRAPH__STORE", "postgresql")
    monkeypatch.setenv("DATABASE_URL", where.address.uri())


@pytest.fixture
def both(made: tuple[Path, Location], call: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call a verb over the lake, then over the database; both outcomes."""

    def run(*words: object, code: int = 0) -> Any:
        data, where = made
        mine = call(*words, "--data", data, code=code)
        with monkeypatch.context() as patched:
            use(patched, where)
            theirs = call(*words, "--data", data, code=code)
        return mine, theirs

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("ticks", "BTC-USD", "--csv"),
        ("ticks", "BTC-USD", "--start", DAY, "--json"),
        ("quotes", "ETH-USD", "--end", DAY, "--csv"),
        ("bars", "ETH-USD", "--json"),
        ("bars", "ETH-USD", "--every", "15m", "--csv"),
        ("bars", "SPY", "--every", "2h", "--csv"),
        ("anomalies", "--csv"),
        ("anomalies", "--kind", "volume_spike", "--json"),
        ("symbols", "--csv"),
        ("coverage", "--json"),
        ("coverage", "--day", DAY, "--symbol", "BTC-USD"),
        ("export", "rejects", "--format", "csv", "--out", "/dev/stdout"),
        ("export", "candles", "--format", "csv", "--out", "/dev/stdout", "--start", "2024-08-08T12:00"),
        ("query", "SELECT symbol, count(*) AS n FROM ticks GROUP BY symbol ORDER BY symbol", "--json"),
        ("query", "SELECT * FROM market_minutes ORDER BY symbol, timestamp", "--csv"),
    ],
    ids=" ".join,
)
def test_a_verb_prints_the_same_rows(both: Callable[..., Any], words: tuple[str, ...]) -> None:
    mine, theirs = both(*words)
    assert len(mine.out) > 60
    assert mine.out == theirs.out


def test_an_unknown_symbol_is_told_with_the_nearest(both: Callable[..., Any]) -> None:
    mine, theirs = both("ticks", "BTCUSD", code=2)
    assert mine.err == theirs.err
    assert "did you mean BTC-USD" in theirs.err


def test_sql_is_postgresqls_own_and_cannot_write(
    call: Any, made: tuple[Path, Location], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, made[1])
    found = call("query", "SELECT current_setting('server_version_num')::int > 130000 AS new", "--json")
    assert found.json == [{"new": True}]
    assert "refused" in call("query", "DELETE FROM ticks", code=2).err
    assert "read-only" in call("query", "WITH gone AS (DELETE FROM ticks) SELECT 1", code=2).err
    assert "nonsense" in call("query", "SELECT * FROM nonsense", code=2).err


def test_status_and_doctor_look_at_the_database(
    call: Any, made: tuple[Path, Location], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, where = made
    use(monkeypatch, where)
    status = call("status", "--data", data, "--json").json
    assert status["tables_reach"] == status["tape"]["end"]
    assert (status["records_behind"], status["database"]) == (0, str(where))
    assert status["ticks"]["bytes"] > 0
    findings = {each["about"]: each for each in call("doctor", "--data", data, "--json").json}
    assert findings["database"]["state"] in ("ok", "note")
    assert "reach" not in findings
    assert "lake" not in findings
    for words in (("lake", "seal"), ("lake", "status")):
        assert "there is no lake: the tables are in PostgreSQL" in call(*words, "--data", data, code=2).err


def test_a_server_that_is_away_is_told_and_never_its_password(
    call: Any, made: tuple[Path, Location], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = made
    monkeypatch.setenv("BAROGRAPH__STORE", "postgresql")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hidden-word@127.0.0.1:9/markets")
    outcomes = [
        call("ticks", "BTC-USD", "--data", data, code=75),
        call("query", "SELECT 1", "--data", data, code=75),
        call("doctor", "--data", data, code=4),
        call("status", "--data", data, "--json"),
        call("config", "show"),
    ]
    status = outcomes[-2].json
    assert (status["tables_reach"], status["records_behind"]) == (None, None)
    assert "127.0.0.1" in status["database_problem"]
    assert "WRONG  database" in outcomes[2].out
    assert not any("hidden-word" in outcome.out + outcome.err for outcome in outcomes)


def test_a_database_without_tables_says_how_to_make_them(
    call: Any, made: tuple[Path, Location], postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = made
    monkeypatch.setenv("BAROGRAPH__STORE", postgres_server.create().uri())
    assert "barograph db init" in call("ticks", "BTC-USD", "--data", data, code=3).err
    assert "barograph db init" in call("bars", "BTC-USD", "--data", data, code=3).err
    assert "barograph db init" in call("doctor", "--data", data, code=4).out
    assert call("status", "--data", data, "--json").json["tables_reach"] == 0


def test_replay_rebuild_and_import_write_to_the_database(
    call: Any,
    made: tuple[Path, Location],
    postgres_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from tests.servers.recorded import with_tables

    where = with_tables(postgres_server.create())
    use(monkeypatch, where)
    (tmp_path / "c.csv").write_text("timestamp,price\n2024-08-08T00:00:00Z,1.5\n2024-08-08T00:05:00Z,2.5\n")
    assert call("import", "c.csv", "--symbol", "X", "--data", "d", "--quiet", "--json").json["candles"] == 2
    assert call("query", "SELECT price FROM candles ORDER BY 1", "--csv").out == '"price"\n1.5\n2.5\n'
    monkeypatch.setenv("BAROGRAPH__TAPE__ROLL_BYTES", "65536")
    call("simulate", "--duration", "5m", "--symbols", "BTC-USD", "--data", "d", "--quiet")
    first = call("replay", "--data", "d", "--quiet", "--json").json
    before = call("ticks", "BTC-USD", "--csv").out
    plan = call("rebuild", "--dry-run", "--data", "d", "--json").json
    assert plan["replaces"] == str(where)
    plan = call("tape", "prune", "--keep-gb", "0.000000001", "--dry-run", "--data", "d", "--json").json
    assert len(plan["deleted"]) >= 1
    assert plan["kept_because"] is None
    call("rebuild", "--yes", "--data", "d", "--quiet")
    assert call("ticks", "BTC-USD", "--csv").out == before
    assert call("replay", "--data", "d", "--quiet", "--json").json["next_pos"] == first["next_pos"]
    assert not Path("d/lake").exists()


def test_trading_warms_up_reconciles_and_archives_in_the_database(
    call: Any, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.servers.recorded import with_tables

    cross = tmp_path / "cross.json"
    cross.write_text(json.dumps({"family": "sma_cross", "params": {"fast": 1, "slow": 2}}))
    dip = ("--strategy", "dip", "--drop-pct", "0.05", "--profit-pct", "0.05", "--strategy", cross)
    call("simulate", "--duration", "30m", "--seed", "3", "--data", "lake", "--quiet")
    shutil.copytree("lake", "database")
    told = []
    for folder in ("lake", "database"):
        if folder == "database":
            use(monkeypatch, with_tables(postgres_server.create()))
        call("replay", "--data", folder, "--quiet")
        made = call("trade", *dip, "--replay", folder, "--quiet", "--json").json
        told.append((made["closed"], made["archived"], call("trades", "--data", folder).out))
        found = call("trade", "reconcile", "--json", "--quiet", "--data", folder).json
        assert (found["differences"], found["revised"]) == (0, 0)
        told.append(call("positions", "--json", "--data", folder).out.replace('"database"', '"lake"'))
        query = "SELECT * FROM completed_trades ORDER BY trade_key"
        told.append(call("query", query, "--csv", "--data", folder).out)
    assert told[:3] == told[3:]
    assert told[0][0] == told[0][1] > 3
    assert not Path("database/lake").exists()
    assert list(Path("database/completed-trades").rglob("*.json"))


def test_batches_of_etl_are_the_same(both: Callable[..., Any], tmp_path: Path) -> None:
    import polars as pl

    words = ("etl", "run", "--batch", DAY, "--every", "5m", "--workers", "1", "--out", tmp_path, "--json")
    mine, theirs = both(*words)
    assert mine.json == theirs.json
    for file in (tmp_path / "lake").rglob("*.parquet"):
        other = tmp_path / "database" / file.relative_to(tmp_path / "lake")
        assert pl.read_parquet(file).equals(pl.read_parquet(other)), file
    again = both(*words)[1]
    assert {row["state"] for row in again.json} == {"nothing to do"}


def test_bars_for_research_are_the_same(made: tuple[Path, Location]) -> None:
    from dataclasses import replace

    from barograph.errors import UsageError
    from barograph.research.data import load

    data, where = made
    recorded = {"symbol": "BTC-USD"}
    for asked in (recorded, recorded | {"interval": "10s"}, {"symbol": "SPY", "interval": "2h"}):
        mine = load("lake", **asked, data_dir=data)
        theirs = load("lake", **asked, data_dir=replace(where, data=data))
        assert (mine.name, mine.data_hash, mine.remarks) == (theirs.name, theirs.data_hash, theirs.remarks)
    with pytest.raises(UsageError, match="a source is no URL"):
        load("postgresql://ada:secret@nowhere/db")


def test_models_score_minutes_of_the_database(made: tuple[Path, Location]) -> None:
    from contextlib import closing

    from barograph.anomalies.models.reading import Wanted, read_rows
    from barograph.store.opening import Location

    data, where = made
    hashes = []
    for place in (Location(data), where):
        with closing(place.open()) as store:
            hashes.append(read_rows(store, Wanted(["BTC-USD"])).data_hash)
    assert hashes[0] == hashes[1]


def test_the_demo_stays_in_its_own_lake(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("simulate", "--duration", "2m", "--symbols", "BTC-USD", "--out", "frames.txt", "--quiet")
    monkeypatch.setenv("BAROGRAPH__STORE", "postgresql://nobody@127.0.0.1:9/db")
    made = call("demo", "--tape", "frames.txt", "--feed", "sim", "--quiet", "--json").json
    assert made["lake_bytes"] > 0
    assert Path("demo/lake").is_dir()
