"""Getting an exchange's table of sessions: from memory, from a file, or computed."""

from __future__ import annotations

import difflib
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from barograph.calendars.exchange import Table
from barograph.disk import put_bytes, read_json
from barograph.errors import DataError, UsageError

_PATIENCE_S = 120.0
_FORMAT = 2
"""Of the files in a cache; those of other formats are left alone."""


@lru_cache(maxsize=16)
def table(name: str, cache: Path | None = None) -> Table:
    """The sessions of the exchange ``name``. Takes about two seconds when nobody has computed them yet.

    Args:
        name: a market identifier code, ``"XNYS"``.
        cache: a folder where tables are kept from one start to the next; None: nowhere.

    Raises:
        UsageError: there is no such calendar; the message has the nearest name.
        DataError: the computation failed.
        StorageError: the cache cannot be read or written.
    """
    file = None if cache is None else cache / f"{name}-{version('exchange_calendars')}-{_FORMAT}.json"
    found = None if file is None else _read(file)
    if found is None:
        found = _compute(name)
        if file is not None and found.rows:
            # Several processes may start at once: the last one's stays.
            put_bytes(file, msgspec.json.encode(found), f"keeping the calendar in {file}")
    if not found.rows:
        near = difflib.get_close_matches(name, found.names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no calendar is called {name!r}; {hint}docs/calendars.md lists them")
    return found


def _compute(name: str) -> Table:
    # Warnings of other people's libraries about each other are no business of our users.
    command = (sys.executable, "-W", "ignore", "-m", "barograph.calendars.exchange", name)
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)  # noqa: S603 - our own module
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"the sessions of {name} could not be computed: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(
            f"the sessions of {name} could not be computed: {''.join(said) or done.returncode}; "
            f"'python -m barograph.calendars.exchange {name}' shows the whole error"
        )
    return msgspec.json.decode(done.stdout, type=Table)


def _read(file: Path) -> Table | None:
    """The table in ``file``; None when there is none, or one that cannot be read: it is computed again."""
    with suppress(msgspec.DecodeError):
        return read_json(file, Table, f"reading the calendar in {file}")
    return None
