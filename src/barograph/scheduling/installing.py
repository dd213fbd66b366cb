"""Putting units where systemd looks: what is the same stays untouched, what is not ours is not touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from barograph.disk import put_bytes, storage_error
from barograph.errors import StorageError, UsageError
from barograph.scheduling.units import MARK, NAMES, RECORD, Unit

SYSTEM = Path("/etc/systemd/system")
State: TypeAlias = Literal["new", "changed", "same", "not needed"]
_PATIENCE_S = 60.0
_ANYBODY_READS = 0o644


class Change(NamedTuple):
    """What was done, or would be, with a unit's file."""

    path: Path
    state: State


def own_folder(environ: dict[str, str] | None = None) -> Path:
    """Where one's own service manager looks for units."""
    given = os.environ if environ is None else environ
    home = given.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "systemd" / "user"


def install(units: Sequence[Unit], folder: Path, *, dry_run: bool = False) -> list[Change]:
    """Write ``units`` into ``folder``; those that stand there already, in the same words, are left alone.

    A unit of ours that is not among ``units`` any more is told as not needed, and stays.

    Raises:
        UsageError: a file of that name is there and was not written by us; nothing has been written.
        StorageError: the folder cannot be read or written.
    """
    changes = [Change(folder / unit.name, _state(folder / unit.name, unit.text)) for unit in units]
    if not dry_run:
        for unit, change in zip(units, changes, strict=True):
            if change.state != "same":
                doing = f"writing {change.path}; for units of the system be root, else say --user"
                put_bytes(change.path, unit.text.encode(), doing, mode=_ANYBODY_READS)
    left = sorted(set(NAMES) - {unit.name for unit in units})
    return changes + [Change(folder / name, "not needed") for name in left if _is_ours(folder / name)]


def next_commands(changes: Iterable[Change], *, user: bool) -> list[list[str]]:
    """What is to be run next, so that systemd goes by the files. Running it again does no harm."""
    systemctl = ["systemctl", "--user"] if user else ["systemctl"]
    states = {change.path.name: change.state for change in changes}
    wanted = [name for name, state in states.items() if state != "not needed"]
    gone = [name for name, state in states.items() if state == "not needed" and name.endswith(".timer")]
    begin = [name for name in wanted if _starts_by_itself(name, wanted)]
    # A timer that runs already goes by its old times until it is started again.
    renewed = [name for name in begin if states[name] == "changed" and name.endswith(".timer")]
    commands = [[*systemctl, "disable", "--now", *gone]] if gone else []
    commands += [[*systemctl, "daemon-reload"], [*systemctl, "enable", "--now", *begin]]
    return [*commands, *([[*systemctl, "restart", *renewed]] if renewed else [])]


def run(commands: Iterable[Sequence[str]]) -> None:
    """Run them.

    Raises:
        StorageError: systemd is not there, or said no.
    """
    for command in commands:
        line = " ".join(command)
        try:
            done = subprocess.run(  # noqa: S603 - our own words and unit names
                command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StorageError(f"'{line}' could not be run: {error}; the files are written") from error
        if done.returncode != 0:
            raise StorageError(f"'{line}' ended with {done.returncode}: {done.stderr.strip()}")


def _starts_by_itself(name: str, among: Collection[str]) -> bool:
    """Timers, and the recorder where no timer starts it."""
    return name.endswith(".timer") or (name == f"{RECORD}.service" and f"{RECORD}.timer" not in among)


def _state(path: Path, text: str) -> State:
    try:
        there = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "new"
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
    if there == text:
        return "same"
    if MARK not in there:
        raise UsageError(
            f"{path} is there and was not written by this command; move it away, or say --directory. "
            f"Changes of your own belong into a drop-in: systemctl edit {path.name}"
        )
    return "changed"


def _is_ours(path: Path) -> bool:
    try:
        return MARK in path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
