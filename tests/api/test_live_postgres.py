"""The stream of a database: the same messages from the same commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.live_serving import Client, minutes, name_of, served
from tests.store.making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit
from tests.store.postgres.making_tables import with_tables

from barograph.settings import Settings
from barograph.store.postgres.store import PostgresStore

if TYPE_CHECKING:
    from barograph.store.postgres.address import Address


@pytest.fixture
def store(postgres: Address) -> Iterator[PostgresStore]:
    made = PostgresStore(with_tables(postgres))
    yield made
    made.close()


def settings_for(data: Path, address: Address) -> Settings:
    database = {"url": address.uri(), "namespace": address.namespace}
    return Settings.model_validate({"data_dir": data, "store": "postgresql", "database": database})


def test_commits_arrive_and_a_client_that_comes_back_goes_on(
    tmp_path: Path, postgres: Address, store: PostgresStore
) -> None:
    settings = settings_for(tmp_path / "data", postgres)
    with served(settings) as server:
        with Client(server.url) as client:
            minutes(store, 0, 2, symbols=2)  # type: ignore[arg-type]
            seen = client.rows(3)
            last_id = client.last_id
        revised = bar(DAY_0, 25, symbol="S0", revision=1)
        gone = anomaly(DAY_0, 25, score=None, revision=1)
        store.commit(commit(20, 30, market_microstructure=[revised], anomalies=[gone]))
        with Client(server.url, last_id=last_id) as client:
            seen += client.rows(3)
    names = [name_of(message) for message in seen]
    assert len(set(names)) == 6
    assert sorted(name[0] for name in names) == ["anomaly"] + ["bar"] * 5
    assert ("bar", "2024-08-08T00:00:00.000000Z", "S0", None, 1) in names
    assert any(message["type"] == "anomaly" and message["data"]["score"] is None for message in seen)


def test_history_of_a_database_is_replayed_in_the_order_of_time(
    tmp_path: Path, postgres: Address, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barograph.api.live.history.ROWS", 5)
    minutes(store, 0, 10, symbols=2)  # type: ignore[arg-type]
    minutes(store, 10, 10, symbols=2, start_us=DAY_1 - 15 * MINUTE)  # type: ignore[arg-type]
    seen: list[dict[str, Any]] = []
    with served(settings_for(tmp_path / "data", postgres)) as server:
        last_id = None
        for _ in range(4):
            query = {"since": "0", "start": "2024-08-08"}
            with Client(server.url, query, last_id=last_id) as client:
                seen += client.rows(10)
                last_id = client.last_id
    times = [message["data"]["timestamp"] for message in seen]
    assert times == sorted(times)
    assert len({name_of(message) for message in seen}) == 40


def test_a_database_that_is_away_is_told_before_anything_is_streamed(
    tmp_path: Path, postgres: Address
) -> None:
    settings = settings_for(tmp_path, postgres).model_copy(
        update={"database": settings_for(tmp_path, postgres).database.model_copy(update={"port": 1})}
    )
    with served(settings) as server, Client(server.url) as client:
        assert client.answer.status_code == 503
        assert client.answer.headers["retry-after"]
        assert "connection" in client.answer.read().decode()
