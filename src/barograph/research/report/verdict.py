"""The top of the page: what it was, what came out, in plain words and five numbers."""

from __future__ import annotations

from html import escape

from barograph.research.outcome import Study
from barograph.research.report import formats as fmt

CHAPTERS = (
    ("performance", "Performance"),
    ("selection", "Selection"),
    ("luck", "Luck"),
    ("overfitting", "Overfitting"),
    ("robustness", "Robustness"),
    ("trades", "Trades"),
    ("settings", "Settings and data"),
)


def head(study: Study) -> str:
    """Title and what was studied."""
    prices = study.best_whole.prices
    first, last = fmt.day(prices.ts_us[0]), fmt.day(prices.ts_us[-1])
    parts = [
        study.source,
        f"{fmt.span(study.interval_us)} bars".replace("1 day bars", "daily bars"),
        f"{first} to {last}",
        f"{len(study.train.strategies):,} strategies",
        f"selected by {fmt.in_text(study.select_by)}",
    ]
    return (
        f'<header><p class="over">Barograph study</p><h1>{escape(study.symbol)}: '
        f"{escape(str(study.best_train.strategy))}</h1>"
        f'<p class="under">{escape(" · ".join(parts))}</p></header>'
    )


def verdict(study: Study) -> str:
    """The headline with its reasons, the key numbers, and the way to the chapters."""
    found = study.verdict
    reasons = "".join(f"<li>{escape(_sentence(reason))}</li>" for reason in found.reasons)
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in CHAPTERS)
    return (
        f'<section class="verdict{" good" if found.skill else ""}" id="verdict">'
        f'<p class="headline">{escape(_sentence(found.headline))}</p>'
        f'<ul class="reasons">{reasons}</ul>{_tiles(study)}<nav aria-label="Chapters">{links}</nav></section>'
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _tiles(study: Study) -> str:
    shown = [_change(study), _tries(study), _deflated(study), _overfitting(study), _superior(study)]
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in shown
    )
    return f'<dl class="tiles">{inside}</dl>'


def _change(study: Study) -> tuple[str, str, str]:
    name = study.select_by
    before, after = (float(b.metrics[name]) for b in (study.best_train, study.best_validation))
    note = f"{fmt.metric(name, before)} in training; " + (
        "overfit" if study.overfit else "not called overfit"
    )
    return f"{fmt.label(name)} in validation", fmt.metric(name, after), note


def _tries(study: Study) -> tuple[str, str, str]:
    found = study.honesty.sharpe
    if found is None:
        return "Tries", f"{len(study.train.strategies):,}", "strategies of this study"
    return "Tries", f"{found.tries:,}", f"in the ledger; about {found.effective_tries:,.0f} different ones"


def _deflated(study: Study) -> tuple[str, str, str]:
    found = study.honesty.sharpe
    if found is None:
        return "Deflated Sharpe ratio", fmt.NONE, "not computed"
    return (
        "Deflated Sharpe ratio",
        fmt.probability(found.dsr),
        "probability of more than luck; 0.95 is wanted",
    )


def _overfitting(study: Study) -> tuple[str, str, str]:
    found = study.honesty.overfitting
    if found is None:
        return "Probability of overfitting", fmt.NONE, "not computed"
    return "Probability of overfitting", fmt.percent(found.probability, 0), "of the selection; low is good"


def _superior(study: Study) -> tuple[str, str, str]:
    found = study.honesty.luck
    if found is None:
        return "Superior predictive ability", fmt.NONE, "not computed"
    note = "p-value that the best of all is nothing; 0.05 is wanted"
    return "Superior predictive ability", fmt.probability(found.spa_consistent), note
