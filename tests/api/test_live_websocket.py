"""The stream over a WebSocket: the same messages, ids by the first message, tokens without headers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.api.live_serving import WITHIN_S, Client, Served, minutes, served, settings_at
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from barograph.api.doors.tokens import create, revoke, tokens_path
from barograph.store import Lake


@contextmanager
def joined(server: Served, query: str = "", **more: Any) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/v1/stream{query}"
    with connect(url, open_timeout=WITHIN_S, proxy=None, **more) as socket:
        yield socket


def heard(socket: ClientConnection, count: int = 1) -> list[dict[str, Any]]:
    """So many messages, what is not a row left out."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        message = json.loads(socket.recv(WITHIN_S))
        if message["type"] not in ("ready", "heartbeat"):
            found.append(message)
    return found


def test_a_socket_hears_what_server_sent_events_tell(data: Path, lake: Lake) -> None:
    with served(settings_at(data)) as server, joined(server) as socket, Client(server.url) as client:
        assert json.loads(socket.recv(WITHIN_S))["type"] == "ready"
        minutes(lake, 0, 3, symbols=2)
        assert heard(socket, 6) == client.rows(6)


def test_what_is_committed_before_the_first_message_is_not_lost(data: Path, lake: Lake) -> None:
    with served(settings_at(data), first_s=WITHIN_S) as server, joined(server) as socket:
        minutes(lake, 0, 1)
        socket.send("{}")
        assert heard(socket)[0]["data"]["symbol"] == "S0"


@pytest.mark.parametrize("by", ["message", "address"])
def test_a_socket_that_comes_back_goes_on_after_its_id(data: Path, lake: Lake, by: str) -> None:
    minutes(lake, 0, 1)
    with served(settings_at(data), first_s=WITHIN_S) as server:
        with Client(server.url) as client:
            minutes(lake, 1, 1, symbols=3)
            since = client.rows(2)[-1]["id"]
        query = f"?since={since}" if by == "address" else ""
        with joined(server, query) as socket:
            if by == "message":
                socket.send(json.dumps({"since": since}))
            assert heard(socket)[0]["data"]["symbol"] == "S2"
            minutes(lake, 2, 1)
            assert heard(socket)[0]["data"]["timestamp"] == "2024-08-08T00:02:00.000000Z"


def test_history_by_the_first_message(data: Path, lake: Lake) -> None:
    minutes(lake, 0, 5)
    with served(settings_at(data), first_s=WITHIN_S) as server, joined(server) as socket:
        socket.send('{"since": "0", "start": "2024-08-08T00:03"}')
        times = [message["data"]["timestamp"][11:16] for message in heard(socket, 2)]
    assert times == ["00:03", "00:04"]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("nonsense", "the first message is"),
        ('{"since": 7}', "the first message is"),
        ('{"until": "x"}', "the first message is"),
        ('{"since": "x"}', "is no id of this stream"),
        (b"\x00", "and not bytes"),
    ],
)
def test_a_first_message_that_makes_no_sense_ends_it_with_the_reason(
    data: Path, first: str | bytes, words: str
) -> None:
    with served(settings_at(data), first_s=WITHIN_S) as server, joined(server) as socket:
        socket.send(first)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(WITHIN_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
    assert words in closed.value.rcvd.reason


@pytest.mark.parametrize("query", ["?tables=secrets", "?since=x", "?since=0", "?unknown=1", "?start=x"])
def test_an_address_that_makes_no_sense_is_refused_by_http(data: Path, query: str) -> None:
    with served(settings_at(data)) as server, pytest.raises(InvalidStatus) as refused, joined(server, query):
        pass
    assert refused.value.response.status_code in (400, 422)
    assert json.loads(refused.value.response.body or b"")["detail"]


def test_a_token_comes_by_header_or_subprotocol_and_no_other_way(data: Path) -> None:
    _, token = create(tokens_path(data), "read", "one", datetime.now(UTC))
    wanted = settings_at(data, tokens="always")
    with served(wanted) as server:
        for more in ({}, {"subprotocols": [Subprotocol("barograph"), Subprotocol("bearer.baro_no_no")]}):
            with pytest.raises(InvalidStatus) as refused, joined(server, **more):
                pass
            assert refused.value.response.status_code == 401
        with joined(server, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
            assert json.loads(socket.recv(WITHIN_S))["type"] == "ready"
        offered = [Subprotocol("barograph"), Subprotocol(f"bearer.{token}")]
        with joined(server, subprotocols=offered) as socket:
            assert socket.subprotocol == "barograph"
            assert json.loads(socket.recv(WITHIN_S))["type"] == "ready"
        with Client(server.url) as nobody:
            assert nobody.answer.status_code == 401
        with Client(server.url, token=token) as somebody:
            assert somebody.answer.status_code == 200


def test_a_token_that_is_revoked_ends_the_stream(data: Path) -> None:
    _, token = create(tokens_path(data), "read", "one", datetime.now(UTC))
    wanted = settings_at(data, tokens="always")
    with served(wanted, heartbeat_s=0.05) as server, Client(server.url, token=token) as client:
        revoke(tokens_path(data), "one")
        message = client.until(lambda each: each["type"] != "heartbeat")
    assert message["type"] == "end"
    assert "revoked" in message["data"]["reason"]


def test_a_server_that_ends_closes_its_sockets(data: Path) -> None:
    with served(settings_at(data)) as server, joined(server, "?since=0&start=2024-08-08") as socket:
        assert json.loads(socket.recv(WITHIN_S))["type"] == "ready"
        server.live.end("going down")
        assert json.loads(socket.recv(WITHIN_S))["type"] == "end"
        with pytest.raises(ConnectionClosed):
            socket.recv(WITHIN_S)
