"""A table for a terminal: aligned columns, as many as fit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import Any

_GAP = "  "


def cell(value: Any) -> str:
    """``value`` as a person reads it; nothing for null and NaN.

    >>> cell(0.1 + 0.2), cell("2024-08-08T13:35:00.000000Z"), cell(None)
    ('0.3', '2024-08-08 13:35:00', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    text = str(value)
    if isinstance(value, str) and len(text) == 27 and text.endswith("Z") and text[10] == "T":
        return text[:-1].replace("T", " ").rstrip("0").rstrip(".") if text[19] == "." else text
    return text


def _fitting(widths: Sequence[int], room: int) -> int:
    """How many columns of ``widths`` fit in ``room`` characters; at least one."""
    used = 0
    for index, width in enumerate(widths):
        used += width + (len(_GAP) if index else 0)
        if used > room and index:
            return index
    return len(widths)


def _is_numeric(column: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in column if value is not None)


def text_table(names: Sequence[str], rows: Sequence[Sequence[Any]], room: int | None = None) -> str:
    """The rows below a header, numbers to the right.

    Args:
        room: characters in a line; the terminal's width when None. Columns that do not fit
            are left out and named in a last line.
    """
    columns = [[row[index] for row in rows] for index in range(len(names))]
    texts = [[cell(value) for value in column] for column in columns]
    widths = [max(map(len, [name, *text])) for name, text in zip(names, texts, strict=True)]
    shown = _fitting(widths, room or shutil.get_terminal_size().columns)
    right = [_is_numeric(column) for column in columns[:shown]]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(cells, widths, right, strict=False)
        ]
        return _GAP.join(aligned).rstrip()

    lines = [line(names[:shown]), line(["-" * width for width in widths[:shown]])]
    lines += [line([texts[index][row] for index in range(shown)]) for row in range(len(rows))]
    if shown < len(names):
        lines.append(f"({len(names) - shown} more columns: {', '.join(names[shown:])})")
    return "\n".join(lines) + "\n"
