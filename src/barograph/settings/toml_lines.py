"""The line on which each key of a TOML text stands, which ``tomllib`` does not tell.

The text is cut into statements: lines are added to one until it parses by itself, so
strings and arrays over many lines need no second parser of ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from barograph.settings.origin import Path


def flatten(table: dict[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of nested tables with its path; an empty table is a value."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, (*above, key))
        else:
            yield (*above, key), value


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """(first line, parsed, is a ``[header]``) of each statement of a valid ``text``."""
    pending: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if not pending:
            first = number
        pending.append(line)
        try:
            parsed = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue  # the statement goes on in the next line
        yield first, parsed, pending[0].lstrip().startswith("[")
        pending = []


def _table_path(header: dict[str, Any]) -> Path:
    """The path that a parsed ``[header]`` or ``[[header]]`` opens."""
    path: Path = ()
    inner: Any = header
    while inner:
        if isinstance(inner, list):
            inner = inner[0]
            continue
        key = next(iter(inner))
        path, inner = (*path, key), inner[key]
    return path


def key_lines(text: str) -> dict[Path, int]:
    """Line numbers, from 1, of all keys and table headers of a valid TOML ``text``.

    >>> key_lines('a = 1\\n[t]\\nb = 2')
    {('a',): 1, ('t',): 2, ('t', 'b'): 3}
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, parsed, is_header in _statements(text):
        if is_header:
            table = _table_path(parsed)
            lines.setdefault(table, number)
            continue
        for path, _ in flatten(parsed, table):
            lines.setdefault(path, number)
    return lines
