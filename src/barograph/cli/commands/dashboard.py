"""``barograph dashboard``."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write

if TYPE_CHECKING:
    from barograph.settings import Flag


def dashboard(*, port: int | None = None, host: str | None = None, common: Options = DEFAULTS) -> None:
    """Look at what was recorded, in a browser, until interrupted.

    Markets, anomalies, coverage, paper trading, studies and the house itself, also while they are being
    recorded. It reads and never writes. Prints the address when it answers.

    Parameters
    ----------
    port
        Where it listens; 0 takes a free one (setting web.dashboard_port).
    host
        On which address; others than this machine need 0.0.0.0 (setting web.host).
    """
    from barograph.dashboard.main import serve
    from barograph.settings.telling import is_loopback

    settings = common.settings(*_flags(port, host))
    web = settings.web
    if not is_loopback(web.host):
        common.remark(
            f"listening on {web.host}: whoever reaches it sees everything that was recorded; it asks nobody "
            "for a password, so put it behind a proxy that does"
        )

    def started(url: str) -> None:
        write(encode({"url": url}) + "\n" if common.json else f"{url}\n")
        sys.stdout.flush()
        common.remark("Ctrl-C ends it.")

    # An interrupt is how it is meant to end, and so is being told to by whoever supervises it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        serve(settings, web.host, web.dashboard_port, started)


def _flags(port: int | None, host: str | None) -> list[Flag]:
    from barograph.settings import Flag

    given = [Flag("web.dashboard_port", port, "--port"), Flag("web.host", host, "--host")]
    return [flag for flag in given if flag.value is not None]
