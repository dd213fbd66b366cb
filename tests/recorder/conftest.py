"""What recorders and replays have in common: a database that may go away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from tests.servers.postgres import Server


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    from tests.servers.postgres import binaries, server

    if binaries() is None:
        skip_or_fail("no PostgreSQL server is installed")
    with server() as running:
        yield running
