"""One log of many processes: each line whole, and with the name of who said it.

For people: ``record    | 2026-...Z [info     ] trading``. As JSON (setting log.format): the lines of the
processes with a field ``process`` before the others; what is no JSON object becomes one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any, Literal

import msgspec

PARENT = "up"
"""What the parent's own lines are called."""
_COLOURS = (36, 33, 32, 35, 34, 31)
_RESET = b"\x1b[0m"
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")
"""Control characters but for the tab and the beginning of a colour."""

Level = Literal["info", "warning", "error"]


class Log:
    """Writes lines. For any thread.

    Args:
        out: standard error, in bytes.
        form: ``console`` or ``json``.
        names: who will speak; what the width and the colours are taken from.
        colour: whether names may be coloured.
        quiet: leave out what the parent says below ``error``.
    """

    def __init__(
        self,
        out: IO[bytes],
        form: Literal["console", "json"],
        names: Sequence[str],
        *,
        colour: bool = False,
        quiet: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._out, self._json, self._quiet, self._now = out, form == "json", quiet, now
        self._lock = threading.Lock()
        self._prefixes = _prefixes((PARENT, *names), colour=colour)

    def line(self, name: str, text: bytes) -> None:
        """A line of the process ``name``, without its end."""
        if not text.strip():
            return
        if self._json:
            self._write(_as_json(name, text, self._now))
        else:
            self._write(self._prefixes[name] + _UNPRINTABLE.sub(b"?", text))

    def say(self, level: Level, event: str, **values: Any) -> None:
        """A line of the parent's own."""
        if self._quiet and level != "error":
            return
        stamp = _iso(self._now())
        if self._json:
            fields = {"process": PARENT, **values, "event": event, "level": level, "timestamp": stamp}
            self._write(msgspec.json.encode(fields, enc_hook=str))
            return
        more = "".join(f" {name}={value}" for name, value in values.items())
        self._write(self._prefixes[PARENT] + f"{stamp} [{level:<9}] {event}{more}".encode())

    def _write(self, line: bytes) -> None:
        # A full disk below the log, or a terminal that has gone, must not end what the log tells of.
        with self._lock, suppress(OSError, ValueError):
            self._out.write(line + b"\n")
            self._out.flush()


def _prefixes(names: Sequence[str], *, colour: bool) -> dict[str, bytes]:
    width = max(map(len, names))
    plain = {name: f"{name:<{width}} |".encode() for name in names}
    if not colour:
        return {name: text + b" " for name, text in plain.items()}
    codes = (_COLOURS[index % len(_COLOURS)] for index in range(len(names)))
    return {
        name: b"\x1b[%dm%s%s " % (code, text, _RESET)
        for (name, text), code in zip(plain.items(), codes, strict=True)
    }


def _as_json(name: str, text: bytes, now: Callable[[], datetime]) -> bytes:
    if text.startswith(b"{"):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            return msgspec.json.encode({"process": name} | fields | {"process": name})
    said = text.decode(errors="backslashreplace")
    return msgspec.json.encode({"process": name, "event": said, "level": "info", "timestamp": _iso(now())})


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
