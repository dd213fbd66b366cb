"""Which connections are open, on disk, so that the next start can close what a crash left open.

A connection that died with its process has no ``CLOSE`` on the tape. Without one it would
look alive, and quiet, for ever. The list is written before a connection's ``OPEN`` goes on the
tape and after its ``CLOSE``: after a crash at any moment it holds every open connection, at worst
with one that never opened or is closed already, and closing such a one again harms nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from barograph.disk import put_bytes, read_json
from barograph.log import get_logger
from barograph.records import Kind, Stream

log = get_logger()


class OpenStreams:
    """The open connections of one data directory, in ``path``.

    Raises:
        StorageError: the list cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[Stream, None] = dict.fromkeys(self._load())

    def left_open(self) -> list[Stream]:
        """Those that a former process left open; on the list until :meth:`after` sees them closed."""
        return list(self._open)

    def before(self, stream: Stream, kind: int) -> None:
        """A record of ``kind`` is about to go on the tape."""
        if kind == Kind.OPEN and stream not in self._open:
            self._open[stream] = None
            self._save()

    def after(self, stream: Stream, kind: int) -> None:
        """A record of ``kind`` is on the tape."""
        if kind == Kind.CLOSE and stream in self._open:
            del self._open[stream]
            self._save()

    def _load(self) -> list[Stream]:
        try:
            doing = f"reading the list of open connections {self._path}"
            return read_json(self._path, list[Stream], doing) or []
        except msgspec.DecodeError as error:
            # The rename makes it whole or absent; if somebody spoilt it, silence ends those connections.
            log.warning(
                "the list of open connections is unreadable", path=str(self._path), problem=str(error)
            )
            return []

    def _save(self) -> None:
        # Not durable: it serves a process that dies, and a machine that dies ends up with an older
        # list, whose connections are ended by their silence.
        doing = f"keeping the list of open connections {self._path}"
        put_bytes(self._path, msgspec.json.encode(list(self._open)), doing, alone=True)
