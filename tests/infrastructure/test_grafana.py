"""Grafana's dashboards ask for what there is: every metric, label, table and column, on a real PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.store.making import DAY_0, MINUTE, Row, anomaly, bar, rows

from barograph.clock import DAY_US, SystemClock
from barograph.coverage.rows import State
from barograph.recorder.live.metrics import registry
from barograph.recorder.live.stats import FeedStats, Stats
from barograph.recorder.live.statusfile import StatusFile, status_path
from barograph.settings import Settings

if TYPE_CHECKING:
    import psycopg
    from tests.servers.postgres import Server

GRAFANA = Path(__file__).resolve().parents[2] / "infrastructure" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
SOURCES = {"prometheus": "${DS_PROMETHEUS}", "grafana-postgresql-datasource": "${DS_POSTGRESQL}"}
SCRAPED = {"instance", "job"}
"""Labels that Prometheus gives by itself."""

METRIC = re.compile(r"\b((?:barograph|process)_[a-z_]+)(?:\{([^}]*)\})?")
BY = re.compile(r"\b(?:by|on) \(([^)]*)\)")


class Query(NamedTuple):
    """A statement, and what uses its columns."""

    where: str
    sql: str
    panel: dict[str, Any]


def board(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def panels(found: dict[str, Any]) -> list[dict[str, Any]]:
    """All that show something, those in collapsed rows too."""
    every = [inner for panel in found["panels"] for inner in (panel, *panel.get("panels", ()))]
    return [panel for panel in every if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    for file in FILES:
        found = board(file)
        for panel in panels(found):
            yield from ((panel["title"], t["expr"]) for t in panel["targets"] if "expr" in t)
        asked = found["annotations"]["list"] + found["templating"]["list"]
        for each in asked:
            query = each.get("query")
            text = each.get("expr") or (query.get("query") if isinstance(query, dict) else None)
            if text:
                yield each["name"], text


def queries() -> list[Query]:
    gathered: list[Query] = []
    for file in FILES:
        found = board(file)
        for panel in panels(found):
            where = f"{file.stem}: {panel['title']}"
            gathered += [Query(where, t["rawSql"], panel) for t in panel["targets"] if "rawSql" in t]
        for each in found["templating"]["list"]:
            if each["type"] == "query" and isinstance(each["query"], str):
                gathered.append(Query(f"{file.stem}: ${each['name']}", each["query"], {}))
        for each in found["annotations"]["list"]:
            if "target" in each:
                text = each["target"]["rawSql"]
                gathered.append(Query(f"{file.stem}: annotation {each['name']}", text, {}))
    return gathered


QUERIES = queries()


# -- every dashboard -----------------------------------------------------------------------------------------


def test_there_are_dashboards_of_both_kinds() -> None:
    assert {file.stem for file in FILES} >= {"api", "recorder", "markets", "trading"}
    assert len({board(file)["uid"] for file in FILES}) == len(FILES)
    assert len(list(expressions())) > 20
    assert len(QUERIES) > 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_says_what_it_shows_and_in_which_unit(file: Path) -> None:
    found = board(file)
    assert found["schemaVersion"] >= 39  # Grafana 11
    for panel in panels(found):
        assert panel["title"].strip(), panel["id"]
        assert panel["description"].strip().endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_data_source_is_hard_wired(file: Path) -> None:
    found = board(file)
    variables = {each["name"]: each for each in found["templating"]["list"]}
    for source in _sources(found):
        assert source["uid"] == SOURCES[source["type"]]
        variable = variables[source["uid"][2:-1]]
        assert (variable["type"], variable["query"]) == ("datasource", source["type"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_lie_side_by_side_and_none_upon_another(file: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board(file)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for y in range(place["y"], place["y"] + place["h"]):
            for x in range(place["x"], place["x"] + place["w"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_that_is_asked_for_is_there(file: Path) -> None:
    found = board(file)
    known = {each["name"] for each in found["templating"]["list"]}
    asked = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(found)))
    assert asked <= known


def _sources(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("datasource"), dict):
            yield value["datasource"]
        for inner in value.values():
            yield from _sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sources(inner)


# -- Prometheus ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every metric that the recorder and the API serve, with its labels."""
    from barograph.api import metrics as api

    stats = Stats(1, "0", 1, now_ns=1, feeds={"sim": FeedStats("sim")})
    requests = api.Requests()
    requests.count("/v1/bars", "GET", 200, 0.01)
    data = tmp_path_factory.mktemp("data")
    file = StatusFile(status_path(data))
    file.put(file.encoded(stats))
    served = [registry(lambda: stats), api.registry(requests, data, SystemClock())]
    found: dict[str, set[str]] = {}
    for family in (each for registered in served for each in registered.collect()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_exists(where: str, expression: str, metrics: dict[str, set[str]]) -> None:
    labels: set[str] = set(SCRAPED)
    named = METRIC.findall(expression)
    assert named, expression
    for name, matchers in named:
        assert name in metrics, f"{where}: there is no metric {name}"
        labels |= metrics[name]
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert used <= metrics[name] | SCRAPED, f"{where}: {name} has no label {used - metrics[name]}"
    for group in BY.findall(expression):
        assert set(group.replace(" ", "").split(",")) <= labels, where


def test_prometheus_asks_where_the_api_listens() -> None:
    text = (GRAFANA / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    web = Settings().web
    assert f'"{web.host}:{web.api_port}"' in text


# -- PostgreSQL ----------------------------------------------------------------------------------------------


def _minute(number: int, **more: Any) -> Row:
    figures = {
        "open": 99.0,
        "high": 101.0,
        "low": 98.0,
        "price": 100.0 + number,
        "trade_count": 3,
        "bid_price": 99.5,
        "ask_price": 100.5,
        "bid_ask_spread": 1.0,
        "volatility_1min": 0.001,
        "volume_spike_score": 3.5,
        "rsi_14": 55.0,
    }
    return bar(DAY_0 + number * MINUTE, number, **(figures | more))


def _coverage(number: int, state: State) -> Row:
    named = {"symbol": "BTC-USD", "venue": "sim", "channel": "trades", "state": str(state)}
    return {"minute": DAY_0 + number * MINUTE, "updated_at": DAY_0, "reason": "no data", **named}


ROWS: dict[str, list[Row]] = {
    "market_microstructure": [_minute(number) for number in range(5)],
    "anomaly_versions": [anomaly(DAY_0 + number * MINUTE, number, 4.0) for number in range(3)],
    "coverage": [_coverage(number, state) for number, state in enumerate(State)],
}
TRADES = """
    INSERT INTO completed_trades
    SELECT 'key' || n, 'dip', 'sim', 'BTC-USD', 1, to_timestamp({0}), 100, to_timestamp({0} + 60 * n), 101,
        0.2, 0.8 - n, 0.8 - n, 'take_profit', 'in' || n, 'out' || n, 1, 2
    FROM generate_series(0, 2) n
""".format(DAY_0 // 1_000_000)


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[psycopg.Connection[Any]]:
    """Tables as the migrations make them, with a few rows in each that a dashboard shows."""
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.migrating import migrate, quoted
    from barograph.store.postgres.schema import physical
    from barograph.store.postgres.server import TimescaleDB

    with closing(connect(postgres_server.create())) as opened:
        migrate(opened, "public", TimescaleDB())
        for name, given in ROWS.items():
            opened.execute(
                "SELECT barograph_make_partitions(%s, to_timestamp(%s), to_timestamp(%s))",
                (name, DAY_0 / 1e6, (DAY_0 + DAY_US) / 1e6),
            )
            table = physical("anomalies" if name == "anomaly_versions" else name)
            columns = ", ".join(map(quoted, table.names))
            for row in rows(table.table.name, *given).to_pylist():
                holes = ", ".join(["%s"] * len(row))
                opened.execute(f"INSERT INTO {name} ({columns}) VALUES ({holes})", list(row.values()))
        opened.execute(TRADES)
        opened.commit()
        yield opened


def expanded(sql: str) -> str:
    """The statement as Grafana sends it: macros and variables replaced."""
    begin, end = "'2024-08-08T00:00:00Z'", "'2024-08-08T23:59:59Z'"
    sql = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN {begin} AND {end}", sql)
    group = r'floor(extract(epoch from \1) / 60) * 60 AS "time"'
    sql = re.sub(r"\$__timeGroupAlias\(([^,]+), \$__interval\)", group, sql)
    for name, value in {"$symbol": "BTC-USD", "$venue": "sim", "${strategy:sqlstring}": "'dip'"}.items():
        sql = sql.replace(name, value)
    assert "$" not in sql, sql
    return sql


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_every_statement_runs_and_gives_what_its_panel_uses(
    query: Query, database: psycopg.Connection[Any]
) -> None:
    with database.cursor() as cursor:
        found = cursor.execute(expanded(query.sql).encode())
        names = [column.name for column in found.description or ()]
        given = found.fetchall()
    database.rollback()
    assert given, "the rows of this test are not shown"
    empty = [name for index, name in enumerate(names) if all(row[index] is None for row in given)]
    assert not empty, f"nothing is ever in {empty}"
    _used(query.panel, names, given)


def _used(panel: dict[str, Any], names: Sequence[str], given: Sequence[tuple[Any, ...]]) -> None:
    if not panel:
        return
    formats = {target["format"] for target in panel["targets"]}
    if formats == {"time_series"}:
        assert names[0] == "time"
    known = {*names, *(map(str, State) if "metric" in names else ())}
    overridden = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
    assert overridden <= known
    assert set(panel["options"].get("fields", {}).values() if panel["type"] == "candlestick" else ()) <= known
    if panel["type"] == "stat":
        assert len(names) == len(given) == 1
        assert isinstance(float(given[0][0]), float)
