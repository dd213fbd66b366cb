"""Who runs, as a file: ``state/up.status.json``, replaced each second and at each turn.

It stays behind when the parent is gone: then it tells who ran, and until when.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from barograph.clock import NS_PER_S
from barograph.disk import storage_error

FRESH_S = 5.0
"""A file older than this was not written by a parent that does well."""


class Stage(StrEnum):
    """Where a part stands."""

    WAITING = "waiting"
    """For another one."""
    STARTING = "starting"
    RUNNING = "running"
    RESTING = "resting"
    """It has died and is begun again soon."""
    ENDING = "ending"
    ENDED = "ended"
    """It is not begun again."""


class PartState(msgspec.Struct, frozen=True):
    """One part.

    Attributes:
        pid: of its process; 0 when there is none.
        since_ns: in this stage since.
        restarts: how often it was begun again.
        code: with which its last process ended; minus the signal's number if it died of one.
        problem: what a person should know; empty when all is well.
    """

    name: str
    stage: Stage
    pid: int = 0
    since_ns: int = 0
    restarts: int = 0
    code: int | None = None
    address: str = ""
    problem: str = ""


class HouseState(msgspec.Struct, frozen=True):
    """All of them, and the parent.

    Attributes:
        left_out: parts that are not run, with the reason.
        ended: whether the parent has ended in an orderly way.
    """

    pid: int
    started_ns: int
    now_ns: int
    parts: tuple[PartState, ...] = ()
    left_out: dict[str, str] = {}
    ended: bool = False


def state_path(data: Path) -> Path:
    """Where the data directory ``data`` has the file."""
    return data / "state" / "up.status.json"


def read_state(data: Path) -> HouseState | None:
    """What the parent last said; None where nothing was run, or nothing can be read.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(state_path(data).read_bytes(), type=HouseState)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise storage_error(error, f"reading {state_path(data)}") from error


def write_state(data: Path, state: HouseState) -> None:
    """Put ``state`` in the file's place, at one stroke.

    Raises:
        StorageError: the disk does not take it.
    """
    path = state_path(data)
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.json.encode(state))
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, f"writing {path}") from error


def fresh(state: HouseState, now_ns: int) -> bool:
    """Whether a parent that lives wrote it just now."""
    return not state.ended and 0 <= now_ns - state.now_ns < FRESH_S * NS_PER_S
