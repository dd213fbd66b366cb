"""The dashboard's server. What it runs for each viewer and each change is ``script/viewer.py``."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.errors import SettingsError

if TYPE_CHECKING:
    import streamlit as st

    from barograph.settings import Settings

SCRIPT = Path(__file__).resolve().parent / "script" / "viewer.py"
"""In a folder of its own: beside one called pages, Streamlit would take that for its own kind of pages."""


def serve(settings: Settings, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve the dashboard until the process is interrupted or told to end.

    Args:
        host: the address to listen on.
        port: 0 takes a free one.
        started: called with the address for a browser, once it answers.

    Raises:
        SettingsError: Streamlit or Plotly are not installed, or the address cannot be had.
    """
    _check_installed()
    port = _free(host, port)
    from barograph.dashboard.shared import hand_over

    hand_over(settings)
    # Streamlit and Plotly both look whether pandas is there; one of them would meet it half loaded if a page
    # of one viewer were the first to need it while another's is being drawn.
    import pandas  # noqa: F401
    import streamlit as st

    url = f"http://{_for_browsers(host)}:{port}"

    @asynccontextmanager
    async def announced(_: st.App) -> AsyncIterator[None]:
        from barograph.dashboard.house import data_of
        from barograph.dashboard.warming import begin_warming

        begin_warming(data_of(settings))
        started(url)
        yield

    # The folder of what was called goes onto Python's path: rooms of ours must not pass for other libraries.
    sys.argv = [str(SCRIPT)]
    app = st.App(SCRIPT, lifespan=announced, on_script_error=_failed)
    app.run(config=_options(host, port))


def _options(host: str, port: int) -> dict[str, Any]:
    """Streamlit's own settings, whatever its files say: quiet, closed, and no word to anybody else."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.websocketPingInterval": 20,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        "theme.light.primaryColor": "#0E7490",
        "theme.dark.primaryColor": "#38BDF8",
    }


def _failed(error: Exception) -> bool:
    """What nobody thought of: it goes into the log in full, and the page says so in its own words."""
    from barograph.dashboard.empty import failed
    from barograph.log import get_logger

    get_logger().error("dashboard: a page failed", exc_info=error)
    failed()
    return True


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("streamlit", "plotly") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"the dashboard needs {' and '.join(missing)}, not installed here: pip install 'barograph[web]'"
        )


def _free(host: str, port: int) -> int:
    """``port``, or a free one for 0; refused here in words, where Streamlit would just exit.

    Raises:
        SettingsError: somebody has it, or the address is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        if hasattr(
            socket, "SO_REUSEPORT"
        ):  # not on Windows, where reusing would let us take a port that is used
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            taken = error.errno in {errno.EADDRINUSE, errno.EACCES}
            remedy = "choose another with --port, 0 takes a free one" if taken else "see setting web.host"
            raise SettingsError(
                f"the dashboard cannot listen on {host}:{port}: {error.strerror or error}; {remedy}"
            ) from error
        return int(tried.getsockname()[1])


def _for_browsers(host: str) -> str:
    everywhere = {"0.0.0.0": "localhost", "::": "localhost"}  # noqa: S104 - named, not listened on
    host = everywhere.get(host, host)
    return f"[{host}]" if ":" in host else host
