"""The stream over Server-Sent Events: what is committed arrives, once, wherever a client goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api import house
from tests.api.live_serving import Client, Served, minutes, name_of, served, settings_at
from tests.store.making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit

from barograph.api.live.trades import LedgerTrades
from barograph.clock import NS_PER_S, from_us
from barograph.paper.ledger import Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade
from barograph.store import Lake


@pytest.fixture
def server(data: Path) -> Iterator[Served]:
    with served(settings_at(data)) as running:
        yield running


def test_a_minute_arrives_when_it_is_committed(server: Served, lake: Lake) -> None:
    with Client(server.url) as client:
        minutes(lake, 0, 1)
        message = client.next()
    assert message["type"] == "bar"
    assert message["data"]["timestamp"] == "2024-08-08T00:00:00.000000Z"
    assert (message["data"]["symbol"], message["data"]["price"]) == ("S0", 100.0)
    assert message["data"]["open"] is None


def test_a_revised_minute_arrives_again_and_an_anomaly_taken_back_without_its_score(
    server: Served, lake: Lake
) -> None:
    with Client(server.url) as client:
        lake.commit(
            commit(0, 5, market_microstructure=[bar(DAY_0, 1)], anomalies=[anomaly(DAY_0, 2, score=4.5)])
        )
        first = client.rows(2)
        lake.commit(
            commit(
                5,
                9,
                market_microstructure=[bar(DAY_0, 6, revision=1)],
                anomalies=[anomaly(DAY_0, 6, score=None, revision=1)],
            )
        )
        second = client.rows(2)
    assert [message["type"] for message in first] == ["bar", "anomaly"]
    assert [message["data"]["revision"] for message in second] == [1, 1]
    assert (first[1]["data"]["score"], second[1]["data"]["score"]) == (4.5, None)


def test_trades_arrive_in_the_order_in_which_the_ledger_took_them(server: Served, data: Path) -> None:
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    with Client(server.url, {"tables": "trades"}) as client:
        trade(ledger, "one", DAY_1)
        first = client.rows(1)
        trade(ledger, "late", DAY_0)
        trade(ledger, "two", DAY_1 + MINUTE)
        rest = client.rows(2)
    ledger.shut()
    assert [message["data"]["entry_id"] for message in first + rest] == ["one", "late", "two"]
    assert rest[0]["data"]["exit_ts"] == "2024-08-08T00:00:00.000000Z"


def test_only_what_was_asked_for_arrives(server: Served, lake: Lake) -> None:
    with Client(server.url, {"tables": "bars", "symbol": ["S1", "S3"]}) as client:
        lake.commit(commit(0, 0 + 1, anomalies=[anomaly(DAY_0, 0, score=4.0, symbol="S1")]))
        minutes(lake, 1, 2, symbols=5)
        found = client.rows(4)
    assert [message["data"]["symbol"] for message in found] == ["S1", "S3", "S1", "S3"]


def test_the_same_message_has_the_same_id_for_every_client(server: Served, lake: Lake) -> None:
    with Client(server.url) as one, Client(server.url, {"symbol": "S1"}) as other:
        minutes(lake, 0, 1, symbols=2)
        assert one.rows(2)[1] == other.next()


def test_a_client_that_comes_back_misses_nothing_and_sees_nothing_twice(data: Path, lake: Lake) -> None:
    """It goes away after every few messages, three servers take turns, the recorder begins anew."""
    total, symbols = 120, 3
    minutes(lake, 0, 1, symbols)
    done = threading.Event()

    def write() -> None:
        writer = Lake(data / "lake")
        for number in range(1, total):
            minutes(writer, number, 1, symbols)
            if number % 40 == 0:  # as after a restart
                writer.close()
                writer = Lake(data / "lake")
                writer.seal(all=True, grace_s=60)
            if number % 7 == 0:
                writer.compact()
        # The last commit revises one minute of each symbol.
        last = [
            bar(DAY_0 + 50 * MINUTE, 10 * total + 3, symbol=f"S{each}", revision=1) for each in range(symbols)
        ]
        writer.commit(commit(10 * total, 10 * total + 10, market_microstructure=last))
        writer.close()
        done.set()

    lake.close()
    seen: list[dict[str, Any]] = []
    last_id = None
    with served(settings_at(data)) as first, served(settings_at(data)) as second:
        with Client(first.url, {"start": "2024-08-08", "since": "0"}) as client:
            seen += client.rows(2)
            last_id = client.last_id
        writing = threading.Thread(target=write)
        writing.start()
        turn = 0
        while not done.is_set() or len(seen) < total * symbols:
            turn += 1
            with Client((first if turn % 2 else second).url, last_id=last_id) as client:
                seen += client.rows(min(1 + turn % 29, total * symbols - len(seen)))
                last_id = client.last_id
                if len(seen) == total * symbols:
                    break
        writing.join()
    with served(settings_at(data)) as third, Client(third.url, last_id=last_id) as client:
        seen += client.rows(missing(seen, lake, total, symbols))
        minutes(lake, total + 1, 1)
        assert name_of(client.next()) == expected_name(total + 1, "S0")
    names = [name_of(message) for message in seen]
    assert len(set(names)) == len(names)
    newest = {expected_name(number, f"S{each}") for number in range(total) for each in range(symbols)}
    revised = {expected_name(50, f"S{each}", 1) for each in range(symbols)}
    assert revised <= set(names)
    assert newest - set(names) <= {expected_name(50, f"S{each}") for each in range(symbols)}


def missing(seen: list[dict[str, Any]], lake: Lake, total: int, symbols: int) -> int:
    """How many rows of the table as it is now a client has not had."""
    names = {name_of(message) for message in seen}
    revised = {expected_name(50, f"S{each}", 1) for each in range(symbols)}
    table = {
        expected_name(number, f"S{each}")
        for number in range(total)
        if number != 50
        for each in range(symbols)
    }
    assert lake.committed() == 10 * total + 10
    return len((table | revised) - names)


def expected_name(number: int, symbol: str, revision: int = 0) -> tuple[Any, ...]:
    time = from_us(DAY_0 + number * MINUTE).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return ("bar", time, symbol, None, revision)


def test_history_is_replayed_in_the_order_of_time_and_then_goes_on_live(
    server: Served, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barograph.api.live.history.ROWS", 7)
    minutes(lake, 0, 20, symbols=2)
    minutes(lake, 20, 20, symbols=2, start_us=DAY_1)
    lake.seal(all=True)
    seen: list[dict[str, Any]] = []
    last_id = None
    query = {"since": "0", "start": "2024-08-08T00:05"}
    for _ in range(7):  # it goes away in the middle, again and again
        with Client(server.url, query, last_id=last_id) as client:
            seen += client.rows(10)
            last_id = client.last_id
    with Client(server.url, query, last_id=last_id) as client:
        minutes(lake, 60, 1)
        assert client.next()["data"]["timestamp"] == "2024-08-08T01:00:00.000000Z"
    times = [message["data"]["timestamp"] for message in seen]
    assert times == sorted(times)
    assert times[0] == "2024-08-08T00:05:00.000000Z"
    assert len({name_of(message) for message in seen}) == len(seen) == 70


def test_trades_of_history_come_too(server: Served, data: Path) -> None:
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    trade(ledger, "before", DAY_0 - MINUTE)
    trade(ledger, "after", DAY_0 + MINUTE)
    ledger.shut()
    with Client(server.url, {"since": "0", "start": "2024-08-08"}) as client:
        assert client.next()["data"]["entry_id"] == "after"
        last_id = client.last_id
    with Client(server.url, last_id=last_id) as client:
        ledger = SqliteLedger(data / "state" / "ledger.sqlite")
        trade(ledger, "new", DAY_0)
        ledger.shut()
        assert client.next()["data"]["entry_id"] == "new"


def test_more_news_than_anybody_waits_for_is_read_by_each_client_itself(
    server: Served, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barograph.api.live.following.AT_ONCE", 10)
    with Client(server.url) as client:
        rows = [bar(DAY_0 + number * MINUTE, number) for number in range(50)]
        lake.commit(commit(0, 50, market_microstructure=rows))
        found = client.rows(50)
        lake.commit(commit(50, 60, market_microstructure=[bar(DAY_0 + 50 * MINUTE, 55)]))
        found += client.rows(1)
    times = [message["data"]["timestamp"] for message in found]
    assert times == sorted(set(times))


def test_a_heartbeat_moves_the_id_on_past_what_was_not_wanted(data: Path, lake: Lake) -> None:
    with (
        served(settings_at(data), heartbeat_s=0.05) as server,
        Client(server.url, {"symbol": "OTHER"}) as client,
    ):
        before = client.until(lambda message: message["type"] == "heartbeat")["id"]
        minutes(lake, 0, 1)
        after = client.until(lambda message: message["id"] != before)
    assert after["type"] == "heartbeat"


def test_other_contents_of_the_tables_are_told(data: Path, tmp_path: Path) -> None:
    other, changed = Lake(tmp_path / "other" / "lake"), Lake(data / "lake")
    minutes(other, 0, 3)
    minutes(changed, 0, 3)
    with served(settings_at(data)) as server, Client(server.url) as client:
        with served(settings_at(tmp_path / "other")) as elsewhere, Client(elsewhere.url) as before:
            foreign = before.last_id
        with Client(server.url, last_id=foreign) as returned:
            message = returned.next()
            assert message["type"] == "reset"
            assert "read again" in message["data"]["reason"]
            changed.clear()
            changed.take_over("another", [(0, 10)])
            assert client.next()["type"] == "reset"
            assert returned.next()["type"] == "reset"
            minutes(changed, 1, 1)
            assert name_of(client.next()) == name_of(returned.next()) == expected_name(1, "S0")
    other.close()
    changed.close()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"since": "nonsense"}, "is no id of this stream"),
        ({"since": "0"}, "start=2024-08-08"),
        ({"tables": "bars,secrets"}, "there are bars, anomalies, trades"),
        ({"start": "yesterday"}, "is not a time"),
        ({"since": "0", "start": "2024-99-99"}, "is not a time"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_streamed(
    server: Served, query: dict[str, str], words: str
) -> None:
    with Client(server.url, query) as client:
        assert client.answer.status_code == 400
        assert words in client.answer.read().decode()


def test_no_more_clients_than_there_may_be(data: Path) -> None:
    with served(settings_at(data, stream_clients=2)) as server, Client(server.url), Client(server.url):
        with Client(server.url) as third:
            assert third.answer.status_code == 503
            assert third.answer.headers["retry-after"]
        assert server.live.hub.clients == 2


def test_a_client_is_forgotten_when_it_goes(data: Path) -> None:
    with served(settings_at(data, stream_clients=1)) as server:
        for _ in range(20):
            while httpx.head(f"{server.url}/nothing").status_code and server.live.hub.clients:
                pass
            with Client(server.url) as client:
                assert client.answer.status_code == 200


def test_a_server_that_ends_says_so_and_does_not_wait(data: Path) -> None:
    with served(settings_at(data)) as server, Client(server.url) as client:
        server.live.end("going down")
        message = client.next()
        assert (message["type"], message["data"]["reason"]) == ("end", "going down")
        with pytest.raises(AssertionError, match="the stream ended"):
            client.next()


def trade(ledger: SqliteLedger, entry: str, exit_us: int) -> None:
    """Put a completed trade in the ledger, by the way that trading goes."""
    key = Key("dip", "sim", f"SYM-{entry}")
    bought = Position(*key, 1.0, 100.0, exit_us - MINUTE, 0.1, entry)
    ledger.open(ledger.read(key), bought)
    closed = Trade(
        f"key-{entry}",
        *key,
        1.0,
        exit_us - MINUTE,
        100.0,
        exit_us,
        101.0,
        0.2,
        0.8,
        0.8,
        "signal",
        entry,
        "x",
    )
    ledger.close(ledger.read(key), closed)


def test_the_stream_is_part_of_the_api(api: house.Served) -> None:
    with Client(
        api.url, {"since": "0", "start": "2024-08-08", "tables": "bars", "symbol": "ETH-USD"}
    ) as client:
        assert client.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert client.answer.headers["x-request-id"]
        first = client.rows(house.MINUTES)
    assert {message["data"]["symbol"] for message in first} == {"ETH-USD"}
    assert "/v1/stream" in api.get("/openapi.json").json()["paths"]


def test_two_trades_in_one_tick_of_the_clock_of_files_both_arrive(
    server: Served, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between them the stream has looked, and the files look the same before and after."""
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    with Client(server.url, {"tables": "trades"}) as client:
        trade(ledger, "one", DAY_0)
        found = client.rows(1)
        later_ns = server.state.clock.now_ns() + 3_600 * NS_PER_S
        monkeypatch.setattr(LedgerTrades, "stamp", lambda _: ((1, later_ns, 4_096),))
        trade(ledger, "two", DAY_0)
        found += client.rows(1)
    ledger.shut()
    assert [message["data"]["entry_id"] for message in found] == ["one", "two"]
