"""Running the application: a socket, uvicorn, one process or several, an orderly end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from barograph.api.doors.callers import asks_for_tokens
from barograph.api.doors.tokens import now_of, read_tokens, tokens_path
from barograph.clock import SystemClock
from barograph.errors import SettingsError
from barograph.settings.telling import is_loopback

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from barograph.settings import Settings

PATIENCE_S = 5
"""What answers and streams get to end when the server is told to."""
_QUEUE = 2_048


def check(settings: Settings) -> None:
    """Refuse what would let strangers in, or nobody.

    Raises:
        SettingsError: a public address without tokens being asked for, or without any token.
    """
    if not asks_for_tokens(settings) or is_loopback(settings.web.host):
        return
    now = now_of(SystemClock().now_ns())
    if not any(token.is_live(now) for token in read_tokens(tokens_path(settings.data_dir))):
        raise SettingsError(
            f"{settings.web.host} is a public address and there is no token yet: make one with "
            "`barograph token create --scope read`, or set web.host to 127.0.0.1"
        )


def bound(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        SettingsError: the address cannot be had.
    """
    web = settings.web
    with ExitStack() as undo:
        try:
            ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(
                web.host, web.api_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            made = undo.enter_context(socket.socket(family, kind, protocol))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(_QUEUE)
        except OSError as error:
            raise SettingsError(
                f"the API cannot listen at {web.host}:{web.api_port}: {error.strerror or error}; set "
                "web.api_port (or --port) to a free port, or 0 for any"
            ) from error
        made.set_inheritable(True)
        undo.pop_all()
    return made


def address_of(listening: socket.socket) -> str:
    """The address to open.

    >>> with socket.create_server(("127.0.0.1", 0)) as listening:
    ...     address_of(listening).startswith("http://127.0.0.1:")
    True
    """
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configured(settings: Settings, begin: Callable[[], None]) -> uvicorn.Config:
    """How uvicorn is run: its log is ours, and it tells nothing of itself.

    Args:
        begin: called first in every process, to set up its log.

    Raises:
        SettingsError: it is not installed.
    """
    uvicorn_ = _uvicorn()
    from barograph.api.doors.gate import BODY_BYTES

    made: uvicorn.Config = uvicorn_.Config(
        partial(_application, settings, begin),
        factory=True,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=BODY_BYTES,
        timeout_graceful_shutdown=PATIENCE_S,
        workers=settings.web.workers,
    )
    return made


def _application(settings: Settings, begin: Callable[[], None]) -> FastAPI:
    from barograph.api.application import create_app

    begin()
    return create_app(settings)


def _nothing() -> None:
    """The log is set up already."""


def serve(settings: Settings, listening: socket.socket, begin: Callable[[], None] = _nothing) -> None:
    """Serve until the process is interrupted or told to end; then end what is being answered.

    Args:
        begin: called first in every process; can be pickled.

    Raises:
        SettingsError: FastAPI or uvicorn are not installed, or the settings let strangers in.
    """
    config = configured(settings, begin)
    check(settings)
    if settings.web.workers > 1:
        from uvicorn.supervisors import Multiprocess

        Multiprocess(config, sockets=[listening]).run()
        return
    asyncio.run(_serve(config, listening))


async def _serve(config: uvicorn.Config, listening: socket.socket) -> None:
    server = _uvicorn().Server(config)

    def end() -> None:
        server.should_exit = True

    # uvicorn raises the signal again when it is done; an end that was asked for is none to complain about.
    server.capture_signals = partial(_signals, end)
    await server.serve(sockets=[listening])


@contextmanager
def _signals(end: Callable[[], None]) -> Iterator[None]:
    from barograph.recorder.live.signals import Signals

    with Signals(stop=end, reload=_ignored):
        yield


def _ignored() -> None:
    """SIGHUP: there is nothing to read again; tokens are looked after anyway."""


def check_installed() -> None:
    """Find out early.

    Raises:
        SettingsError: FastAPI or uvicorn are not installed.
    """
    _uvicorn()


def _uvicorn() -> Any:
    try:
        import fastapi  # noqa: F401 - asked for together
        import uvicorn
    except ImportError as error:
        raise SettingsError(
            f"the API needs packages that are not installed ({error}): pip install 'barograph[web]'"
        ) from error
    return uvicorn
