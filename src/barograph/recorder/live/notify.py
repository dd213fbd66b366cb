"""Telling systemd how the process does: the sd_notify protocol, without libsystemd.

One datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names; ``@`` at its
beginning stands for the zero byte of Linux's abstract names (sd_notify(3)). Where nobody
set that variable nothing happens at all, so the same code runs in a terminal, a
container and on other systems.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from barograph.log import get_logger

log = get_logger()


class Notifier:
    """Messages to the service manager. None of them blocks or raises.

    Args:
        address: the socket's path, or ``@name``; None: nobody listens.
        watchdog_s: how long the service manager waits for a sign of life; None: it does not.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._socket = _connected(address) if address else None
        self._failed = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Notifier:
        """As ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` say."""
        given = os.environ if environ is None else environ
        return cls(given.get("NOTIFY_SOCKET"), _watchdog_s(given))

    @property
    def listening(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is done."""
        self._send("READY=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(*_status(text))

    def watchdog(self) -> None:
        """A sign of life; send one at least every half of :attr:`watchdog_s`."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload has begun; :meth:`ready` ends it."""
        # The same clock as systemd's, so that it can tell this reload from an earlier one.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._send("STOPPING=1", *_status(status))

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError as error:
            if not self._failed:  # the watchdog would say so every few seconds
                log.warning("the service manager does not listen", error=str(error))
            self._failed = True
        else:
            self._failed = False


def _connected(address: str) -> socket.socket | None:
    if not hasattr(socket, "AF_UNIX") or not address.startswith(("/", "@")):
        log.warning("NOTIFY_SOCKET is of a kind that is not supported", address=address)
        return None
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0))
    unix.setblocking(False)
    try:
        unix.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        unix.close()
        log.warning("the service manager cannot be reached", address=address, error=str(error))
        return None
    return unix


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


def _status(text: str) -> list[str]:
    return [f"STATUS={' '.join(text.split())}"] if text else []
