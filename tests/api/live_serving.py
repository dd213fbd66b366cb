"""The stream as clients see it: a real server on a loopback port, and clients that count what they get."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from fastapi import FastAPI
from tests.store.making import DAY_0, MINUTE, bar, commit

from barograph.api.doors.gate import Gate
from barograph.api.live import Live, router
from barograph.api.metrics import Requests
from barograph.api.state import State
from barograph.settings import Settings
from barograph.store import Lake

WITHIN_S = 30.0
"""Whoever waits for longer will wait for ever."""


@dataclass
class Served:
    """A server that runs."""

    port: int
    live: Live
    state: State

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(settings: Settings, **pace: float) -> Iterator[Served]:
    """The stream's routes behind the real door, on a port of their own."""
    state = State.of(settings)
    live = Live(state, **{"look_s": 0.01, "first_s": 0.2, **pace})
    app = FastAPI()
    app.include_router(router(state, live))
    app.add_middleware(Gate, requests=Requests())
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Served(listening.getsockname()[1], live, state)
    finally:
        live.end()
        server.should_exit = True
        thread.join(WITHIN_S)
        state.close()
        listening.close()
        assert not thread.is_alive(), "the server did not end"


def settings_at(data: Path, **web: Any) -> Settings:
    return Settings.model_validate({"data_dir": data, "web": web})


@dataclass
class Client:
    """One connection over Server-Sent Events."""

    url: str
    query: dict[str, Any] = field(default_factory=dict)
    last_id: str | None = None
    token: str | None = None

    def __enter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= {"Last-Event-ID": self.last_id} if self.last_id else {}
        self._http = httpx.Client(timeout=WITHIN_S)
        request = self._http.build_request("GET", f"{self.url}/v1/stream", params=self.query, headers=headers)
        self.answer = self._http.send(request, stream=True)
        self._lines = self.answer.iter_lines()
        if self.answer.status_code == 200:
            assert self.next()["type"] == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._http.close()

    def next(self) -> dict[str, Any]:
        """The next message, whose event and id are those of the fields around it."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                message: dict[str, Any] = json.loads(fields["data"])
                assert (message["type"], message["id"]) == (fields["event"], fields["id"])
                self.last_id = fields["id"]
                return message
            else:
                fields.clear()
        raise AssertionError("the stream ended")

    def rows(self, count: int) -> list[dict[str, Any]]:
        """So many messages that are rows."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            message = self.next()
            assert message["type"] not in ("end", "reset"), message
            if message["type"] not in ("heartbeat", "ready"):
                found.append(message)
        return found

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted; those before are passed over."""
        while not wanted(message := self.next()):
            pass
        return message


def name_of(message: dict[str, Any]) -> tuple[Any, ...]:
    """What a row is known by, with its version."""
    data = message["data"]
    if message["type"] == "trade":
        return ("trade", data["trade_key"])
    time = data.get("timestamp") or data["ts"]
    return (message["type"], time, data["symbol"], data.get("kind"), data["revision"])


def minutes(lake: Lake, first: int, count: int, symbols: int = 1, start_us: int = DAY_0) -> None:
    """Commit minutes number ``first`` to ``first + count`` of some symbols, ten records and a commit each."""
    for number in range(first, first + count):
        rows = [
            bar(start_us + number * MINUTE, 10 * number + 3, symbol=f"S{each}") for each in range(symbols)
        ]
        lake.commit(commit(10 * number, 10 * number + 10, market_microstructure=rows))
