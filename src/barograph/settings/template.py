"""The commented ``barograph.toml`` that ``barograph init`` writes, made from the tree."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path as FilePath
from typing import Any

from barograph.settings.origin import Path, dotted
from barograph.settings.tree import Leaf, leaves, section_at

_HEAD = """\
# Settings of Barograph. Every setting is here with its default; take the '#' away to change one.
# 'barograph config show' tells what is in force and where it came from; docs/settings.md explains more.
# The environment goes before this file: BAROGRAPH__TAPE__ROLL_BYTES=... sets [tape] roll_bytes.
"""


def toml_value(value: Any) -> str:
    """``value`` as TOML writes it.

    >>> toml_value(("BTC-USD", "ETH-USD"))
    '["BTC-USD", "ETH-USD"]'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    # JSON's escapes are among those of TOML's basic strings.
    return json.dumps(value.as_posix() if isinstance(value, FilePath) else str(value), ensure_ascii=False)


def _setting(leaf: Leaf) -> str:
    comment = textwrap.fill(leaf.help, width=100, initial_indent="# ", subsequent_indent="# ")
    if leaf.default is None:
        return f'{comment}\n#{leaf.path[-1]} = ""\n'
    # One setting stands uncommented, so that the data's home is never a surprise.
    mark = "" if leaf.path == ("data_dir",) else "#"
    return f"{comment}\n{mark}{leaf.path[-1]} = {toml_value(leaf.default)}\n"


def _header(path: Path) -> str:
    first_line = (section_at(path).__doc__ or "").split("\n")[0]
    return f"\n[{dotted(path)}]\n# {first_line}\n"


def template() -> str:
    """The file's text: valid TOML that loads to the defaults."""
    parts = [_HEAD]
    open_section: Path = ()
    for path, leaf in leaves().items():
        if path[:-1] != open_section:
            open_section = path[:-1]
            parts.append(_header(open_section))
        parts.append("\n" + _setting(leaf))
    return "".join(parts)
