"""Chapter: all that were tried, and the one that was chosen."""

from __future__ import annotations

import numpy as np

from barograph.research.outcome import Study, Sweep
from barograph.research.plots import distribution, in_and_out
from barograph.research.plots.cloud import NAMED
from barograph.research.report import formats as fmt
from barograph.research.report.luck import yearly_factor
from barograph.research.report.markup import figure, pair, paragraph, section, table
from barograph.research.selecting import IN_POINTS, signed

_TOP = 10
TIES = ("num_trades", "total_return")
"""What decides between equals, as where the best is chosen."""


def selection(study: Study) -> str:
    """The distribution of the chosen metric, training against validation, and the best ten."""
    name = study.select_by
    train, validation = (sweep.metrics[name] for sweep in (study.train, study.validation))
    unit, luck = fmt.unit(name), _luck(study)
    order = in_and_out.rank_correlation(train, validation)
    return section(
        "selection",
        "Selection",
        paragraph(_words(study)),
        pair(
            figure(
                distribution.draw(
                    train,
                    float(train[study.best]),
                    f"{fmt.in_text(name)} in training",
                    luck=luck[0],
                    luck_name=luck[1],
                    unit=unit,
                ),
                "All strategies in training",
                "the selected one is the tail of a crowd: how far out is it?",
            ),
            figure(
                in_and_out.draw(train, validation, study.best, names(study.train), unit),
                "Training against validation",
                f"rank correlation {order:.2f}; at 1 the order lasts, at 0 it tells nothing.",
            ),
        ),
        _best(study),
    )


def _words(study: Study) -> str:
    name = fmt.in_text(study.select_by)
    said = "That is called overfit" if study.overfit else "That is not called overfit"
    limit = f"{study.overfit_drop * 100:.0f}"
    unit = "points" if study.select_by in IN_POINTS else "percent"
    before, after = (
        fmt.metric(study.select_by, float(b.metrics[study.select_by]))
        for b in (study.best_train, study.best_validation)
    )
    return (
        f"{len(study.train.strategies):,} strategies were compared by their {name} in training, and the best "
        f"was taken. It had {before} there and {after} in validation. "
        f"{said}: the limit is a fall of {limit} {unit}."
    )


def _luck(study: Study) -> tuple[float | None, str]:
    """What the best is expected to show by luck, and how that is known.

    Of Sharpe ratios theory tells it; of other metrics the same study on prices without any pattern.
    """
    sharpe, noise = study.honesty.sharpe, study.honesty.noise
    if study.select_by == "sharpe_ratio" and sharpe is not None:
        return sharpe.expected_max * yearly_factor(study), "best expected of luck alone"
    if noise is not None and noise.metric == study.select_by:
        return float(np.median(noise.noise)), "best on prices without a pattern"
    return None, ""


def names(sweep: Sweep) -> list[str]:
    """What stands beside the pointer: id and strategy; empty where there are too many to name."""
    if len(sweep.strategies) > NAMED:
        return []
    return [f"{strategy.id} {strategy}" for strategy in sweep.strategies]


def _best(study: Study) -> str:
    metrics = study.train.metrics
    values = signed(study.select_by, metrics[study.select_by])
    ties = [np.nan_to_num(-metrics[name]) for name in reversed(TIES)]
    order = np.lexsort([*ties, -np.where(np.isfinite(values), values, -np.inf)])[:_TOP]
    columns = list(dict.fromkeys([study.select_by, "sharpe_ratio", "total_return", "num_trades"]))
    head = ["Strategy", "Id"]
    for name in columns:
        head += [f"{fmt.label(name)}, training", "validation"]
    rows = [_row(study, int(i), columns) for i in order]
    if study.best not in order:
        rows.append(_row(study, study.best, columns))
    return f'<div class="list">{table(head, rows, words=2, caption="The best in training")}</div>'


def _row(study: Study, i: int, columns: list[str]) -> list[str]:
    strategy = study.train.strategies[i]
    mark = " (selected)" if i == study.best else ""
    row = [f"{strategy}{mark}", strategy.id]
    for name in columns:
        row += [fmt.metric(name, float(sweep.metrics[name][i])) for sweep in (study.train, study.validation)]
    return row
