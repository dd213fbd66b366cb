"""What is committed, as it is committed: Server-Sent Events and WebSocket (docs/live.md).

::

    routes     GET /v1/stream and WS /v1/stream
    sse ws     the two ways a message travels
    session    one client: what it missed first, then what comes
    hub        one reader a process, many clients
    following  what the reader sees in the store since it last looked
    history    rows between two positions, in the order of their time, in bounded pieces
    trades     completed trades in the ledger's order
    message    rows as messages, each with the place from which the stream goes on
    place      that place, as text

Nothing is kept here: the store and the ledger remember, so any number of processes may serve it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Live", "end_all", "router"]


def __getattr__(name: str) -> Any:
    # They bring FastAPI with them.
    if name in __all__:
        from barograph.api.live import routes

        return getattr(routes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
