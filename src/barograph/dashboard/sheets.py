"""Small tables as HTML: read by people, screen readers and tests, without any script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

STYLE = """<style>
.sheet { overflow-x: auto; border: 1px solid rgba(128,128,128,.25); border-radius: .5rem; }
.sheet table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .88rem; }
.sheet th { font-weight: 500; text-align: right; font-size: .78rem; padding: .45rem .6rem;
  background: rgba(128,128,128,.09); color: inherit; white-space: nowrap; }
.sheet td { text-align: right; padding: .3rem .6rem; border-top: 1px solid rgba(128,128,128,.18);
  white-space: nowrap; color: inherit; }
.sheet .left { text-align: left; }
.sheet td.left:first-child { font-weight: 500; }
.sheet tr.sum td { border-top: 2px solid rgba(128,128,128,.45); font-weight: 600; }
@media (max-width: 640px) {
  .sheet .less { display: none; }
  .sheet th, .sheet td { padding-left: .4rem; padding-right: .4rem; }
  .sheet table { font-size: .82rem; }
}
</style>"""


class Column(NamedTuple):
    """A column.

    Attributes:
        is_less: left out on a phone.
    """

    title: str
    align: Literal["left", "right"] = "right"
    is_less: bool = False


class Cell(NamedTuple):
    """A value, as it is written, and in which colour; plain text may stand for one."""

    text: str
    colour: str = ""


def sheet(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell | str]],
    total: Sequence[Cell | str] | None = None,
) -> str:
    """A table; ``total`` is a last row that sums the others up. Every text is escaped."""
    head = "".join(f"<th{_class(column)}>{escape(column.title)}</th>" for column in columns)
    body = "".join(_row(columns, row) for row in rows)
    if total is not None:
        body += _row(columns, total, ' class="sum"')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'{STYLE}<div class="sheet">{table}</div>'


def _row(columns: Sequence[Column], row: Sequence[Cell | str], kind: str = "") -> str:
    cells = "".join(_cell(column, cell) for column, cell in zip(columns, row, strict=True))
    return f"<tr{kind}>{cells}</tr>"


def _cell(column: Column, cell: Cell | str) -> str:
    text, colour = (cell, "") if isinstance(cell, str) else cell
    style = f' style="color: {escape(colour)}"' if colour else ""
    return f"<td{_class(column)}{style}>{escape(text)}</td>"


def _class(column: Column) -> str:
    names = [name for name, wanted in (("left", column.align == "left"), ("less", column.is_less)) if wanted]
    return f' class="{" ".join(names)}"' if names else ""
