"""Running generators of requests by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from barograph.feeds.live.venue import Refused, Request, Response

Answering = Callable[[Request], "bytes | Refused"]


def run(generator: Any, answer: Answering) -> tuple[list[Request], Any]:
    """The requests that it made, each answered by ``answer`` (a body, or a refusal), and its result."""
    asked: list[Request] = []
    try:
        request = next(generator)
        while True:
            asked.append(request)
            assert len(asked) < 100, "it asks for ever"
            given = answer(request)
            if isinstance(given, Refused):
                request = generator.throw(given)
            else:
                request = generator.send(Response(200, given))
    except StopIteration as end:
        return asked, end.value


def query(request: Request) -> dict[str, str]:
    """What the address says behind its question mark."""
    return {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}


class Rest(NamedTuple):
    """The functions above, for tests."""

    run: Callable[..., tuple[list[Request], Any]] = run
    query: Callable[[Request], dict[str, str]] = query


@pytest.fixture
def rest() -> Rest:
    return Rest()
