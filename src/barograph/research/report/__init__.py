"""The report of a study: one HTML file that needs nothing else, to be read, printed and sent on."""

from __future__ import annotations

from html import escape

from barograph.research.outcome import Study
from barograph.research.report.luck import luck
from barograph.research.report.overfitting import overfitting
from barograph.research.report.performance import performance
from barograph.research.report.robustness import robustness
from barograph.research.report.selection import selection
from barograph.research.report.settings import settings
from barograph.research.report.style import STYLE
from barograph.research.report.trades import SORTING, trades
from barograph.research.report.verdict import head, verdict

__all__ = ["write_report"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The browser is told to load nothing from anywhere."""


def write_report(study: Study) -> bytes:
    """The report as UTF-8: the same study gives the same bytes.

    It loads nothing: figures are inline SVG, fonts are the system's, the one script sorts the trades.
    What each panel shows is in docs/report.md.
    """
    chapters = (performance, selection, luck, overfitting, robustness, trades, settings)
    body = "\n".join([head(study), verdict(study), *(chapter(study) for chapter in chapters), _foot(study)])
    title = f"{study.symbol}: {study.best_train.strategy}"
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="barograph {escape(study.version)}">\n'
        f"<title>{escape(title)} · Barograph study</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<script>{SORTING}</script>\n</body>\n</html>\n"
    )
    return page.encode()


def _foot(study: Study) -> str:
    words = (
        f"Made by Barograph {study.version} from data {study.data_hash[:12]} with seed {study.seed}. "
        "Past results say little about the future; that is what this page is about."
    )
    return f"<footer>{escape(words)}</footer>"
