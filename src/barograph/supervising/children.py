"""One process of the house: begun, listened to, told to end, killed, and its own children after it.

On POSIX a child leads a session of its own: the terminal's Ctrl-C reaches the parent alone, which then
ends its children in order, and whatever a child has begun can be killed with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO

from barograph.supervising.plan import Part
from barograph.supervising.tied import END

LONGEST_LINE = 64 << 10
"""A longer line is handed on in pieces of this."""
_READ_ON_S = 2.0
"""After a process' death its pipes may stay open for so long: others that it has begun have them too."""
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""The service manager talks to the parent."""


class Child:
    """A running process.

    Args:
        part: what is run.
        on_line: is given each line of its standard output and error, without its end; from threads.
        on_exit: is given the exit code, minus the signal's number if it died of one; once, from a thread,
            after the last line.

    Attributes:
        pid: its number.

    Raises:
        OSError: it cannot be begun.
    """

    def __init__(
        self,
        part: Part,
        on_line: Callable[[bytes], None],
        on_exit: Callable[[int], None],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own verbs
            [sys.executable, "-m", "barograph.supervising.tied", f"{part.patience_s:g}", *part.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(part, os.environ if environ is None else environ),
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.pid = self._process.pid
        self._lock = threading.Lock()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=_read, args=(stream, on_line), name=f"lines of {part.name}", daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        self._waiter = threading.Thread(
            target=self._mourn, args=(on_exit,), name=f"end of {part.name}", daemon=True
        )
        for thread in (*self._readers, self._waiter):
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.returncode is None

    def end(self) -> None:
        """Tell it to end in an orderly way."""
        if sys.platform == "win32":
            assert self._process.stdin is not None
            with suppress(OSError, ValueError):  # it is gone already
                self._process.stdin.write(END)
                self._process.stdin.flush()
        else:
            self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        """Send it a signal."""
        with self._lock:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and all that it has begun."""
        with self._lock:
            if self._process.returncode is None:
                self._kill_all()

    def _kill_all(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        # macOS says "not permitted" of a group that only has dead members.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _mourn(self, on_exit: Callable[[int], None]) -> None:
        if hasattr(os, "waitid"):
            # Not taken away yet, so its number cannot be another's while the rest of its group is killed.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._kill_all()
                self._process.wait()
        else:
            self._process.wait()
            if sys.platform != "win32":
                self._kill_all()
        for reader in self._readers:
            reader.join(_READ_ON_S)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        on_exit(self._process.returncode)


def _read(stream: IO[bytes], on_line: Callable[[bytes], None]) -> None:
    with stream:
        while line := stream.readline(LONGEST_LINE):
            on_line(line.rstrip(b"\r\n"))


def _environment(part: Part, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in _NOT_FOR_CHILDREN}
    return kept | {"PYTHONIOENCODING": "utf-8:backslashreplace"} | dict(part.environ)
