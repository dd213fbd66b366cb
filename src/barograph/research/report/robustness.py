"""Chapter: how much does it hang on this very sample, start and parameter?"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from barograph.research.honesty.criteria import stand_in
from barograph.research.outcome import NoiseTest, Plateau, Study, WalkForward
from barograph.research.plots import noise as noise_plot
from barograph.research.plots import plateau as plateau_plot
from barograph.research.plots import range_bar, walk_forward
from barograph.research.report import formats as fmt
from barograph.research.report.markup import absent, figure, pair, raw_table, section, wide

_KNOWN = frozenset(["sharpe", "overfitting", "luck", "intervals", "walk_forward", "noise", "plateau"])


def robustness(study: Study) -> str:
    """Bootstrap intervals, walk-forward, noise test, plateau."""
    honesty, missing = study.honesty, study.honesty.missing
    parts = [
        _intervals(study) if honesty.intervals else absent("Bootstrap intervals", missing.get("intervals"))
    ]
    if honesty.walk_forward:
        parts += [_walk(found, stand_in(study.select_by)) for found in honesty.walk_forward]
    else:
        parts.append(absent("Walk-forward", missing.get("walk_forward")))
    parts.append(_side_by_side(study))
    parts += [absent(fmt.label(name), why) for name, why in missing.items() if name not in _KNOWN]
    return section("robustness", "Robustness", *parts)


def _intervals(study: Study) -> str:
    intervals: Mapping[str, tuple[float, float]] = study.honesty.intervals
    rows = [_interval(study, name, *bounds) for name, bounds in intervals.items()]
    head = ("Selected strategy", "Whole", "from", "to", "")
    return raw_table(head, rows, caption="95 % intervals by stationary bootstrap")


def _interval(study: Study, name: str, low: float, high: float) -> tuple[str, ...]:
    value = float(study.best_whole.metrics.get(name, float("nan")))
    shown = (fmt.label(name), *(fmt.metric(name, v) for v in (value, low, high)))
    return (*(escape(cell) for cell in shown), range_bar.draw(value, low, high))


def _walk(found: WalkForward, metric: str) -> str:
    kind = "anchored" if found.anchored else "rolling"
    words = (
        f"select the best again and again, trade it on what comes next. {len(found.chosen)} windows, "
        f"{len(set(found.chosen))} different strategies; out of sample it kept "
        f"{fmt.percent(found.efficiency, 0)} of the {fmt.in_text(metric)} in training."
    )
    return wide(walk_forward.draw(found, fmt.unit(metric)), f"Walk-forward, {kind}", words)


def _side_by_side(study: Study) -> str:
    honesty = study.honesty
    noise = (
        absent("Noise test", honesty.missing.get("noise")) if honesty.noise is None else _noise(honesty.noise)
    )
    plateau = (
        absent("Parameter plateau", honesty.missing.get("plateau"))
        if honesty.plateau is None
        else _plateau(honesty.plateau, study)
    )
    return pair(noise, plateau) if honesty.noise and honesty.plateau else noise + plateau


def _noise(found: NoiseTest) -> str:
    words = (
        f"the whole study on {len(found.noise)} sets of prices with the same volatility and no pattern: "
        f"p-value {fmt.probability(found.p_value)}."
    )
    return figure(
        noise_plot.draw(found, fmt.in_text(found.metric), fmt.unit(found.metric)), "Noise test", words
    )


def _plateau(found: Plateau, study: Study) -> str:
    params = study.train.strategies[study.best].params
    at = tuple(float(params[name]) for name in found.names if name in params)
    words = (
        f"{fmt.in_text(study.select_by)} around the winner (outlined); its neighbours' median is "
        f"{fmt.percent(found.neighbours, 0)} of its own. A hill can be trusted, a needle cannot."
    )
    return figure(plateau_plot.draw(found, at, fmt.unit(study.select_by)), "Parameter plateau", words)
