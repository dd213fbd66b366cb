"""``barograph serve``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object

if TYPE_CHECKING:
    from barograph.settings import Flag


def serve(
    *,
    port: int | None = None,
    host: str | None = None,
    workers: int | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Serve the API: what was recorded, over HTTP, for programs.

    Reads the data directory, or the database of the settings, also while it is being recorded into.
    /openapi.json describes it; docs/api.md has examples. It runs until it is told to end (Ctrl-C or SIGTERM).

    On a public address every request needs a token: barograph token create.

    Parameters
    ----------
    port
        Where to listen (setting web.api_port, 8000); 0 takes a free port.
    host
        On which address (setting web.host, 127.0.0.1); 0.0.0.0 is every one.
    workers
        Processes (setting web.workers).
    """
    from barograph.api import serving
    from barograph.cli.logs import configure, secret_values

    settings = common.at_info().settings(*_flags(port, host, workers))
    serving.check_installed()
    serving.check(settings)
    with serving.bound(settings) as listening:
        address = serving.address_of(listening)
        write_object({"url": address, "openapi": f"{address}/openapi.json"}, as_json=common.json)
        sys.stdout.flush()
        begin = partial(configure, settings.log.level, settings.log.format, secret_values(settings))
        serving.serve(settings, listening, begin)


def _flags(port: int | None, host: str | None, workers: int | None) -> list[Flag]:
    from barograph.settings import Flag

    given = (
        ("web.api_port", port, "--port"),
        ("web.host", host, "--host"),
        ("web.workers", workers, "--workers"),
    )
    return [Flag(name, value, flag) for name, value, flag in given if value is not None]
