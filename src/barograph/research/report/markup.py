"""Pieces of HTML: sections, figures, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from barograph.research.report.formats import NONE

Row = Sequence[str]


def section(name: str, title: str, *parts: str) -> str:
    """A chapter; ``name`` is its id, unique in the page."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def paragraph(words: str, kind: str = "") -> str:
    """Text."""
    classes = f' class="{kind}"' if kind else ""
    return f"<p{classes}>{escape(words)}</p>"


def figure(drawing: str, title: str, note: str = "") -> str:
    """A drawing with its title above and how to read it below the title."""
    told = f" <span>{escape(note)}</span>" if note else ""
    return f"<figure><figcaption><b>{escape(title)}</b>{told}</figcaption>{drawing}</figure>"


def wide(drawing: str, title: str, note: str = "") -> str:
    """A figure over the whole width, which small screens may scroll."""
    return figure(f'<div class="wide">{drawing}</div>', title, note)


def pair(*parts: str) -> str:
    """Two things beside each other where there is room."""
    return f'<div class="pair">{"".join(parts)}</div>'


def block(*parts: str) -> str:
    """Things below each other, as one of a pair."""
    return f"<div>{''.join(parts)}</div>"


def table(head: Row, rows: Iterable[Row], *, kind: str = "", words: int = 1, caption: str = "") -> str:
    """A table of escaped text; the first ``words`` columns are words, the rest numbers, set to the right."""
    return raw_table(
        head, ([escape(cell) for cell in row] for row in rows), kind=kind, words=words, caption=caption
    )


def raw_table(head: Row, rows: Iterable[Row], *, kind: str = "", words: int = 1, caption: str = "") -> str:
    """The same for cells that are HTML already."""
    classes = f' class="{kind}"' if kind else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = "".join(f'<th scope="col"{_side(i, words)}>{escape(cell)}</th>' for i, cell in enumerate(head))
    body = "".join(f"<tr>{_cells(row, words)}</tr>" for row in rows)
    return f"<table{classes}>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row, words: int) -> str:
    first = f'<th scope="row">{row[0]}</th>' if words else ""
    return first + "".join(
        f"<td{_side(i, words)}>{cell}</td>" for i, cell in enumerate(row) if i or not words
    )


def _side(column: int, words: int) -> str:
    return "" if column < words else ' class="r"'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values as a list."""
    inside = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{inside}</dl>'


def absent(title: str, reason: str | None) -> str:
    """What could not be computed, and why."""
    return (
        f'<p class="absent"><b>{escape(title)}</b> {NONE} not computed: '
        f"{escape(reason or 'no reason was recorded')}.</p>".replace("..", ".")
    )
