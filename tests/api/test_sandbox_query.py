"""``POST /v1/query`` over a real server: answers, their bounds, queries without an end."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.live_serving import settings_at
from tests.api.sandbox_serving import WITHIN_S, ask, rows, served, written
from tests.api.sandbox_statements import STATEMENTS, VALUES
from tests.store.making import DAY_0, MINUTE, bar, commit, tick

from barograph.api.formats import Form
from barograph.api.sandbox import routes
from barograph.api.sandbox.asked import Question
from barograph.api.state import State
from barograph.settings import Settings
from barograph.store import Lake

pytestmark = pytest.mark.slow

ENDLESS = "SELECT sum(a.range + b.range) FROM range(1000000) a, range(1000000) b, range(1000000) c"
"""Nothing ends it but the server."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sandbox") / "data"
    lake = Lake(made / "lake")
    bars = [bar(DAY_0 + number * MINUTE, number, symbol=f"S{number % 3}") for number in range(300)]
    ticks = [tick(DAY_0 + number, number, trade_id=number) for number in range(2_000)]
    lake.commit(commit(0, 5_000, market_microstructure=bars, ticks=ticks))
    lake.close()
    return made


@pytest.fixture(scope="module")
def url(data: Path) -> Iterator[str]:
    with served(limited(data)) as address:
        yield address


@pytest.fixture(scope="module")
def small(data: Path) -> Iterator[str]:
    """A server with little room for answers."""
    with served(limited(data, query_rows=5_000, query_mb=1)) as address:
        yield address


@pytest.fixture(scope="module")
def patient(data: Path) -> Iterator[str]:
    """A server that lets a query run for hours."""
    with served(limited(data, query_seconds=7_200)) as address:
        yield address


def limited(data: Path, **web: Any) -> Settings:
    return settings_at(data, **{"query_seconds": WITHIN_S, **web})


def test_rows_of_a_query(url: str) -> None:
    answer = ask(
        url, "SELECT symbol, count(*) AS n FROM market_microstructure GROUP BY symbol ORDER BY symbol"
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "columns": [{"name": "symbol", "type": "string"}, {"name": "n", "type": "int64"}],
        "rows": [{"symbol": f"S{each}", "n": 100} for each in range(3)],
        "count": 3,
        "cut": None,
    }
    assert answer.headers["x-row-count"] == "3"
    assert "x-cut" not in answer.headers


def test_parameters_take_the_place_of_marks(url: str) -> None:
    found = rows(
        url,
        "SELECT count(*) AS n, $2 AS said FROM market_microstructure WHERE symbol = $1 AND timestamp < $3",
        "S1",
        "it's",
        "2024-08-08T01:00:00Z",
    )
    assert found == [{"n": 20, "said": "it's"}]


def test_values_of_every_kind_have_words(url: str) -> None:
    (row,) = rows(
        url,
        """SELECT TIMESTAMPTZ '2024-08-08 01:02:03.5Z' AS t, DATE '2024-08-08' AS d, TIME '01:02:03' AS c,
        sum(7::BIGINT) AS h, 1.5::DECIMAL(9, 2) AS n, 'ab'::BLOB AS b, 'inf'::DOUBLE AS i, [1, NULL] AS l,
        {'a': DATE '2024-08-08'} AS s, MAP {'k': 1} AS m, NULL AS z, true AS y, 1 AS a, 2 AS a,
        INTERVAL 2 DAY AS v, uuid() IS NOT NULL AS u, 'NaN'::FLOAT AS q,
        170141183460469231731687303715884105727::HUGEINT AS big""",
    )
    assert row["t"] == "2024-08-08T01:02:03.500000Z"
    assert (row["d"], row["c"], row["h"], row["n"]) == ("2024-08-08", "01:02:03.000000", 7, 1.5)
    assert (row["b"], row["i"], row["l"], row["s"]) == ("YWI=", None, [1, None], {"a": "2024-08-08"})
    assert (row["z"], row["y"], row["a"], row["a_2"], row["q"]) == (None, True, 1, 2, None)
    assert row["big"] == 170141183460469231731687303715884105727


def test_the_same_rows_as_csv_and_arrow(url: str) -> None:
    sql = "SELECT timestamp, symbol, price, open FROM market_microstructure ORDER BY timestamp"
    json_ = pl.DataFrame(rows(url, sql))
    text = ask(url, sql, format="csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert pl.read_csv(text.content).drop("open").equals(json_.drop("open"))
    accept = {"Accept": "application/vnd.apache.arrow.stream"}
    body = {"sql": sql}
    binary = httpx.post(f"{url}/v1/query", json=body, headers=accept, timeout=WITHIN_S)
    table = pa.ipc.open_stream(io.BytesIO(binary.content)).read_all()
    assert table.schema.field("timestamp").type == pa.timestamp("us", "UTC")
    assert table.column("symbol").to_pylist() == json_["symbol"].to_list()


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_an_answer_that_is_cut_says_so(small: str, form: str) -> None:
    cut = ask(small, "SELECT range AS n FROM range(5001)", format=form)
    whole = ask(small, "SELECT range AS n FROM range(5000)", format=form)
    assert (cut.status_code, cut.headers["x-row-count"], cut.headers["x-cut"]) == (200, "5000", "rows")
    assert whole.headers["x-row-count"] == "5000"
    assert "x-cut" not in whole.headers
    if form == "json":
        assert (cut.json()["cut"], cut.json()["count"], len(cut.json()["rows"])) == ("rows", 5000, 5000)
        assert whole.json()["cut"] is None


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_an_answer_is_no_longer_than_it_may_be(small: str, form: str) -> None:
    answer = ask(small, "SELECT repeat('x', 1000) AS text FROM range(100000)", format=form)
    wide = ask(small, "SELECT repeat('x', 3000000) AS text", format=form)
    assert answer.headers["x-cut"] == wide.headers["x-cut"] == "bytes"
    assert wide.headers["x-row-count"] == "0"
    assert 700_000 < len(answer.content) <= 1 << 20
    assert 700 < int(answer.headers["x-row-count"]) < 1_100


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range) FROM range(1000000000)",
        "SELECT range, repeat('x', 1000) AS t FROM range(100000000) ORDER BY t, range DESC",
        "SELECT repeat('x', 4000000000)",
        "SELECT count(DISTINCT a.range * 1000003 % 999999937) FROM range(1000000000) a",
    ],
)
def test_a_query_that_needs_more_memory_than_it_may_have_is_refused(url: str, sql: str) -> None:
    answer = ask(url, sql)
    assert answer.status_code == 413, answer.text
    assert "memory" in answer.json()["detail"]
    assert rows(url, "SELECT 1 AS n") == [{"n": 1}]


def test_twenty_queries_without_an_end_are_ended_and_do_not_hold_up_the_rest(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = routes._question

    def hurried(state: State, asked: routes.Asked, form: Form, workers: int) -> Question:
        """The endless ones have little time; the others must not depend on how busy this machine is."""
        question = usual(state, asked, form, workers)
        return msgspec.structs.replace(question, seconds=0.3) if asked.sql == ENDLESS else question

    monkeypatch.setattr(routes, "_question", hurried)
    with ThreadPoolExecutor(24) as pool:
        endless = [pool.submit(ask, url, ENDLESS) for _ in range(20)]
        quick = [pool.submit(rows, url, "SELECT count(*) AS n FROM ticks") for _ in range(4)]
        assert httpx.get(f"{url}/healthz", timeout=WITHIN_S).status_code == 200
        assert all(each.result() == [{"n": 2_000}] for each in quick)
        answers = [each.result() for each in endless]
    assert {answer.status_code for answer in answers} == {408}
    assert all("took longer than 0.3 s" in answer.json()["detail"] for answer in answers)
    assert rows(url, "SELECT 1 AS n") == [{"n": 1}]


def test_quick_queries_are_answered_beside_those_without_an_end(patient: str) -> None:
    with ExitStack() as leaving:
        endless = [leaving.enter_context(connected(patient, ENDLESS)) for _ in range(3)]
        for _ in range(5):
            assert rows(patient, "SELECT count(*) AS n FROM ticks") == [{"n": 2_000}]
        for client in endless:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                pytest.fail(client.recv(4_096).decode())


def test_a_query_is_ended_when_its_client_goes_away(patient: str) -> None:
    """With a time limit of hours, others can be answered only because it is."""
    for _ in range(8):
        with connected(patient, ENDLESS) as client:
            client.shutdown(socket.SHUT_WR)
    assert rows(patient, "SELECT 1 AS n") == [{"n": 1}]


def connected(url: str, sql: str) -> socket.socket:
    """A client that has asked, and does not wait for the answer."""
    target = httpx.URL(url)
    client = socket.create_connection((target.host, int(target.port or 0)))
    client.sendall(written(sql))
    return client


def test_what_is_refused_says_why_and_nothing_of_the_machine(url: str, data: Path) -> None:
    for sql in (
        "SELECT nothing FROM ticks",
        "SELECT * FROM nowhere",
        "SELECT price::DATE FROM ticks",
        "SELECT CAST(symbol AS INTEGER) FROM ticks",
        "SELECT error('said')",
        "COPY ticks TO 'x'",
        "SELECT $1",
        "SELECT 1 / (SELECT 1, 2)",
    ):
        answer = ask(url, sql)
        assert answer.status_code == 400, sql
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(data) not in answer.text
        assert answer.json()["detail"]


def test_a_lake_that_is_not_there_has_empty_tables(tmp_path: Path) -> None:
    with served(limited(tmp_path / "nothing")) as url:
        assert rows(url, "SELECT count(*) AS n FROM ticks") == [{"n": 0}]
        assert rows(url, "SELECT count(*) AS n FROM positions") == [{"n": 0}]


def test_all_tables_and_views_can_be_read(filled: Path) -> None:
    with served(limited(filled)) as url:
        names = [row["name"] for row in rows(url, "SHOW TABLES")]
        assert {"ticks", "positions", "completed_trades", "last_prices"} <= set(names)
        for name in names:
            assert ask(url, f"SELECT * FROM {name} LIMIT 3").status_code == 200, name
        assert rows(url, "SELECT count(*) > 0 AS some FROM completed_trades") == [{"some": True}]


def test_an_answer_nobody_takes_holds_no_turn(patient: str) -> None:
    """Four such clients hold all turns; a fifth is answered when they are gone."""
    with ExitStack() as leaving:
        for _ in range(4):
            client = leaving.enter_context(
                connected(patient, "SELECT repeat('x', 1000) AS t FROM range(20000)")
            )
            assert client.recv(15) == b"HTTP/1.1 200 OK"
    assert rows(patient, "SELECT 1 AS n") == [{"n": 1}]


def test_half_of_a_character_is_no_text(url: str) -> None:
    for body in (rb'{"sql": "SELECT $1", "parameters": ["\ud800"]}', rb'{"sql": "SELECT \ud800"}'):
        answer = httpx.post(f"{url}/v1/query", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "unicode" in answer.json()["detail"]) == (422, True), answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATEMENTS, VALUES, st.sampled_from(["json", "csv", "arrow"]))
def test_whatever_is_asked_the_server_does_not_fail(url: str, sql: str, values: list[Any], form: str) -> None:
    answer = ask(url, sql, *values, format=form)
    assert answer.status_code in (200, 400, 408, 413, 422), (sql, answer.text)
    if answer.status_code != 200:
        assert answer.json()["detail"]
