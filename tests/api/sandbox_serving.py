"""A real server that answers queries, and clients that ask it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from barograph.api.application import create_app
from barograph.api.serving import PATIENCE_S
from barograph.settings import Settings

WITHIN_S = 120.0


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The whole API with these settings; its address."""
    config = uvicorn.Config(create_app(settings), log_config=None, timeout_graceful_shutdown=PATIENCE_S)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WITHIN_S)
        listening.close()
        assert not thread.is_alive(), "the server did not end"


def ask(url: str, sql: str, *parameters: Any, **more: Any) -> httpx.Response:
    """Ask one query."""
    body = {"sql": sql, "parameters": list(parameters), **more}
    return httpx.post(f"{url}/v1/query", json=body, timeout=WITHIN_S)


def rows(url: str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query that must succeed."""
    answer = ask(url, sql, *parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def written(sql: str) -> bytes:
    """A query as it stands on the wire, for clients that do not wait for an answer."""
    body = json.dumps({"sql": sql}).encode()
    head = "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
