"""Telling a server in another process what to do, over its own port, from this machine only.

===========================  =================================================================
``GET  /_barograph/log``     what was made and handed over, and notes (``ServerLog.summary``)
``GET  /_barograph/faults``  the faults in force
``POST /_barograph/faults``  change them: an object of fields of ``Faults``; ``{"clear": true}``
``POST /_barograph/act``     ``{"act": "drop", "connection": 3}``; see ``acts.ACTS``
``POST /_barograph/trade``   arguments of ``LiveMarket.trade``
``POST /_barograph/quote``   arguments of ``LiveMarket.quote``
===========================  =================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.testing.server import VenueServer

PREFIX = "/_barograph/"
_HERE = ("127.0.0.1", "::1")


async def control(server: VenueServer, request: web.BaseRequest) -> web.Response:
    """Do what ``request`` asks; 403 from elsewhere, 400 with the reason for what makes no sense."""
    if request.remote not in _HERE:
        return web.Response(status=403, text="only from this machine")
    name = request.path.removeprefix(PREFIX)
    try:
        if request.method == "POST":
            given = msgspec.json.decode(await request.read(), type=dict[str, Any])
            return _json(_told(server, name, given))
        return _json(_shown(server, name))
    except (UsageError, msgspec.DecodeError, TypeError) as error:
        return web.Response(status=400, text=str(error))


def _shown(server: VenueServer, name: str) -> Any:
    if name == "log":
        return server.log.summary()
    if name == "faults":
        return server.faults
    raise UsageError(f"{name!r} cannot be read; there are: log, faults")


def _told(server: VenueServer, name: str, given: dict[str, Any]) -> Any:
    if name == "faults":
        if given.pop("clear", False):
            server.faults.clear()
        server.faults.change(**given)
        return server.faults
    if name == "act":
        return {"connections": server.act(given.pop("act", ""), **given)}
    if name == "trade":
        return server.market.trade(**given)._asdict()
    if name == "quote":
        return server.market.quote(**given)._asdict()
    raise UsageError(f"{name!r} cannot be told; there are: faults, act, trade, quote")


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
