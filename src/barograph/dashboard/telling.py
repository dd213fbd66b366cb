"""A study in words: from its files to sentences and tables. The verdict's words are the study's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from barograph.dashboard.sheets import Cell, Column, sheet
from barograph.dashboard.studies import Judged, Metrics, Sharpe, Trained, WalkForward
from barograph.research.honesty.criteria import stand_in
from barograph.research.report import formats as fmt

if TYPE_CHECKING:
    from barograph.dashboard.courses import Courses
    from barograph.dashboard.theme import Theme

_SHOWN = (
    *("win_rate", "total_return", "cagr", "sharpe_ratio", "sortino_ratio", "max_drawdown", "volatility"),
    *("num_trades", "profit_factor", "exposure", "market_return"),
)


def number(value: float | None) -> float:
    """NaN for what is not known."""
    return math.nan if value is None else float(value)


def form(metric: str) -> str:
    """How a metric is written in a chart (d3-format)."""
    return ".0%" if fmt.writer(metric) is fmt.percent else ".2~f"


def sentence(words: str) -> str:
    """With a capital and a full stop.

    >>> sentence("skill not shown")
    'Skill not shown.'
    """
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", ")")) else ".")


class Tile(NamedTuple):
    """A number to see at a glance, and what it means."""

    name: str
    value: str
    explained: str
    remark: str | None = None


def tiles(study: Judged) -> list[Tile]:
    """The five numbers beside the verdict."""
    fall, sharpe, overfitting = study.selected_metric, study.honesty.sharpe, study.honesty.overfitting
    before, after = _both(study)
    dsr = fmt.probability(number(sharpe.dsr)) if sharpe else fmt.NONE
    pbo = fmt.percent(number(overfitting.probability), 0) if overfitting else fmt.NONE
    allowed = (
        "It fell further than is allowed" if study.overfit else "It did not fall further than is allowed"
    )
    return [
        Tile(f"{fmt.label(fall.metric)} in training", before, "The best of all that were tried"),
        Tile("… in validation", after, allowed, "overfit" if study.overfit else "not overfit"),
        Tile("Tries", f"{study.tries:,}", "Distinct strategies tried on this data, by the trial ledger"),
        Tile(
            "Deflated Sharpe",
            dsr,
            "Probability that it is better than luck's best of so many; 0.95 is wanted",
        ),
        Tile(
            "Overfitting (PBO)", pbo, "How often the best of one half is below the middle in the other half"
        ),
    ]


def _both(study: Judged) -> tuple[str, str]:
    """The chosen metric in training and in validation."""
    by = study.selected_metric.metric
    return (
        fmt.metric(by, number(study.training_metrics.get(by))),
        fmt.metric(by, number(study.validation_metrics.get(by))),
    )


def as_it_is(text: str) -> str:
    """Text as it is, whatever Markdown would make of it."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]{}<>#$|~:" else sign for sign in text)


def tried(study: Judged, crowd: Trained) -> str:
    """How many, of which kinds, on which data."""
    kinds = f"{len(crowd.families)} {'families' if len(crowd.families) != 1 else 'family'}"
    by, part = fmt.in_text(study.selected_metric.metric), f"{study.settings.train:.0%}"
    source = as_it_is(_source(study))
    told = [f"**{study.num_strategies:,} strategies** of {kinds} were traded on **{source}**."]
    told.append(f"The best {by} of the first {part} of the bars was selected: `{study.strategy}`.")
    earlier = study.tries - study.num_strategies
    if earlier > 0:
        told.append(f"With {earlier:,} of earlier studies, {study.tries:,} have been tried on this data.")
    if study.accounting == "per_trade":
        told.append("Accounting per trade: without costs, filled at the close that was looked at.")
    return " ".join(told)


def _source(study: Judged) -> str:
    asked = study.settings
    return " ".join(filter(None, (asked.source, asked.symbol, asked.interval)))


def data(again: Courses) -> str:
    """Which prices it were."""
    bars = f"{again.bars:,} bars of {fmt.span(again.interval_us)}"
    days = f"{fmt.day(again.first_us)} to {fmt.day(again.last_us - 1)}"
    return f"{as_it_is(again.symbol)}: {bars}, {days}."


def lucky_best(study: Judged) -> tuple[float, str]:
    """What the best is expected to show by luck, where that is known, and how."""
    sharpe, noise = study.honesty.sharpe, study.honesty.noise
    by = study.selected_metric.metric
    if by == "sharpe_ratio" and sharpe is not None and sharpe.expected_annual is not None:
        return sharpe.expected_annual, "best expected of luck alone"
    if noise is not None and noise.metric == by:
        values = sorted(value for value in noise.noise if value is not None)
        if values:
            return values[len(values) // 2], "best on prices without a pattern"
    return math.nan, ""


def crowd(study: Judged) -> str:
    """What the histogram shows."""
    by, (value, _) = study.selected_metric.metric, _both(study)
    luck, _ = lucky_best(study)
    if not math.isfinite(luck):
        return f"The winner had {value}. In a crowd, somebody is always that far out."
    if by == "sharpe_ratio":
        expected = fmt.metric(by, luck)
        return f"The winner had {value}. The best of as many without skill is expected at {expected}."
    return (
        f"The winner had {value}. On prices without any pattern the best of as many has about "
        f"{fmt.metric(by, luck)}: so far out luck alone gets."
    )


def before_and_after(study: Judged, theme: Theme) -> str:
    """Training against validation, metric by metric; the chosen one first."""
    columns = (Column("", "left"), Column("training"), Column("validation"), Column("whole", is_less=True))
    parts = (study.training_metrics, study.validation_metrics, study.whole_metrics)
    rows: list[list[Cell | str]] = []
    for name in dict.fromkeys([study.selected_metric.metric, *_SHOWN]):
        values = [number(part.get(name)) for part in parts]
        if any(map(math.isfinite, values)):
            cells: list[Cell | str] = [fmt.metric(name, value) for value in values]
            if name == study.selected_metric.metric:
                cells[1] = Cell(fmt.metric(name, values[1]), theme.down if study.overfit else "")
            rows.append(
                [fmt.label(name) + (" (chose)" if name == study.selected_metric.metric else ""), *cells]
            )
    return sheet(columns, rows)


def luck(study: Judged) -> str:
    """Tries, DSR and PBO in plain words."""
    return "\n".join(f"- {each}" for each in (*_of_tries(study), *_of_choosing(study), *_of_noise(study)))


def _of_tries(study: Judged) -> list[str]:
    sharpe = study.honesty.sharpe
    if sharpe is None:
        missing = study.honesty.missing.get("sharpe", "nobody knows why")
        return [f"The deflated Sharpe ratio was not computed: {as_it_is(missing)}."]
    told = []
    if sharpe.expected_annual is not None and sharpe.tries > 1:
        told.append(
            f"**The best of {sharpe.tries:,} coin flips looks like this:** a Sharpe ratio of about "
            f"{fmt.ratio(sharpe.expected_annual)} on this data. The winner shows "
            f"{fmt.ratio(number(sharpe.annual))}. {_above(sharpe, sharpe.expected_annual)}"
        )
    told.append(
        f"**Deflated Sharpe ratio {fmt.probability(number(sharpe.dsr))}:** the probability that it is really "
        "better than the luckiest of so many without skill. 0.95 is asked for."
    )
    return told


def _above(sharpe: Sharpe, expected: float) -> str:
    if number(sharpe.annual) <= expected:
        return "It does not stand above that."
    return "That is above it." if number(sharpe.dsr) >= 0.95 else "That is above it, but luck often is."


def _of_choosing(study: Judged) -> list[str]:
    found = study.honesty.overfitting
    if found is None:
        return []
    ways = math.comb(found.blocks, found.blocks // 2)
    told = (
        f"**Probability of overfitting (PBO) {fmt.percent(number(found.probability), 0)}:** the data was "
        f"halved in {ways:,} ways; so often the best of one half was below the middle in the other. At 50 % "
        "choosing by the past is as good as drawing lots."
    )
    return [told]


def _of_noise(study: Judged) -> list[str]:
    found = study.honesty.noise
    if found is None:
        return []
    told = (
        f"**The same study on noise:** on prices without any pattern it finds as good a "
        f"{fmt.in_text(found.metric)} {fmt.percent(number(found.p_value), 0)} of the time."
    )
    return [told]


def walked_by(study: Judged) -> str:
    """The metric of the walk-forward."""
    return stand_in(study.selected_metric.metric)


def way(found: WalkForward) -> str:
    """How it trained."""
    return "from the beginning on" if found.anchored else "on a rolling window"


def walked(found: WalkForward, by: str) -> str:
    """What remained of it."""
    told = "In each window the best so far was selected anew and traded on what came next."
    kept = number(found.efficiency)
    return (
        f"{told} Of its {fmt.in_text(by)} {fmt.percent(kept, 0)} remained." if math.isfinite(kept) else told
    )


def reasons(study: Judged) -> str:
    """The study's own words."""
    rows = "".join(f"<li>{escape(sentence(each))}</li>" for each in study.verdict.reasons)
    missing = "".join(
        f"<li>Not told: {escape(name.replace('_', ' '))} ({escape(why)}).</li>"
        for name, why in study.honesty.missing.items()
    )
    return f'<ul style="line-height: 1.55; padding-left: 1.2rem;">{rows}{missing}</ul>'


def comparison(studies: Sequence[tuple[str, Judged]], theme: Theme) -> str:
    """Studies side by side: a column each."""
    columns = (Column("", "left"), *(Column(name) for name, _ in studies))
    rows: list[list[Cell | str]] = []
    for title, value in _COMPARED:
        rows.append([title, *(value(study) for _, study in studies)])
    skill: list[Cell | str] = [
        Cell("shown", theme.up) if study.verdict.skill else Cell("not shown", theme.down)
        for _, study in studies
    ]
    return sheet(columns, [["skill", *skill], *rows])


def _dsr(study: Judged) -> str:
    found = study.honesty.sharpe
    return fmt.probability(number(found.dsr)) if found else fmt.NONE


def _pbo(study: Judged) -> str:
    found = study.honesty.overfitting
    return fmt.percent(number(found.probability), 0) if found else fmt.NONE


def _of(part: Callable[[Judged], Metrics], name: str) -> Callable[[Judged], str]:
    return lambda study: fmt.metric(name, number(part(study).get(name)))


_COMPARED: tuple[tuple[str, Callable[[Judged], str]], ...] = (
    ("data", lambda study: study.settings.source),
    ("strategies", lambda study: f"{study.num_strategies:,}"),
    ("tries on this data", lambda study: f"{study.tries:,}"),
    ("selected", lambda study: study.strategy.family.replace("_", " ")),
    ("selected by", lambda study: fmt.in_text(study.selected_metric.metric)),
    ("… in training", lambda study: _both(study)[0]),
    ("… in validation", lambda study: _both(study)[1]),
    ("overfit", lambda study: "yes" if study.overfit else "no"),
    ("Sharpe, training", _of(lambda study: study.training_metrics, "sharpe_ratio")),
    ("Sharpe, validation", _of(lambda study: study.validation_metrics, "sharpe_ratio")),
    ("deflated Sharpe", _dsr),
    ("PBO", _pbo),
    ("trades", _of(lambda study: study.whole_metrics, "num_trades")),
    ("max drawdown", _of(lambda study: study.whole_metrics, "max_drawdown")),
)
