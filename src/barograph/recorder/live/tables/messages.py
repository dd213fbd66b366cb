"""What the recorder and the process of the tables say to each other.

Messages of MessagePack, each after its length in four bytes, little-endian. The first thing that
the child is given is its work, pickled by its parent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any, TypeAlias

import msgspec

from barograph.alerts.alert import Alert
from barograph.gaps import Gap
from barograph.recorder.live.stats import TablesStats

_LENGTH = struct.Struct("<I")


class Hold(msgspec.Struct, frozen=True, tag=True):
    """To the child: no further step until the tape's end is known."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """To the child: the tape ends here; make the rest in so much time and end."""

    final_pos: int
    timeout_s: float


class Figures(msgspec.Struct, frozen=True, tag=True):
    """From the child, several times a second."""

    stats: TablesStats
    alive: bool
    rss_bytes: int


class Gaps(msgspec.Struct, frozen=True, tag=True):
    """From the child: gaps that stand, or symbols that are mute."""

    gaps: list[Gap]
    mute: bool = False


class Alerts(msgspec.Struct, frozen=True, tag=True):
    """From the child: anomalies that have just been stored."""

    alerts: list[Alert]


class Said(msgspec.Struct, frozen=True, tag=True):
    """From the child: a line for the log."""

    level: str
    event: str
    values: dict[str, Any]


Order: TypeAlias = Hold | Finish
Report: TypeAlias = Figures | Gaps | Alerts | Said


def send(to: IO[bytes], message: bytes) -> None:
    """Write one message, whole."""
    to.write(_LENGTH.pack(len(message)) + message)
    to.flush()


def received(source: IO[bytes]) -> Iterator[bytes]:
    """Messages as they come, until the other end is gone."""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(head)
        message = source.read(size)
        if len(message) < size:
            return
        yield message
