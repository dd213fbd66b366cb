"""SQL by POST: one statement that reads, in a process of its own, with bounds on everything (docs/live.md).

::

    routes    POST /v1/query
    office    as many workers as there may be, and who waits for one
    worker    the process: checks a statement, runs it, writes the answer
    asked     what goes to a worker and what comes back
    bounds    what a worker may take of the machine
    folders   where its temporary files are, and what others have left
    written   rows as JSON, CSV and Arrow, up to a bound
    lake      what a statement over the lake may hold
    database  what a statement over PostgreSQL may hold
"""

from __future__ import annotations

from typing import Any

__all__ = ["router"]


def __getattr__(name: str) -> Any:
    # It brings FastAPI with it, which a worker does not need.
    if name in __all__:
        from barograph.api.sandbox import routes

        return getattr(routes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
