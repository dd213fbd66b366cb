"""Chapter: what the selected strategy did."""

from __future__ import annotations

import numpy as np

from barograph.research import metrics
from barograph.research.outcome import Study
from barograph.research.plots import equity, return_histogram, underwater, yearly
from barograph.research.plots import rolling as rolling_plot
from barograph.research.report import formats as fmt
from barograph.research.report.course import (
    Course,
    Drawdown,
    by_calendar,
    course,
    daily,
    returns,
    rolling,
    rolling_window,
    worst_drawdowns,
)
from barograph.research.report.course import underwater as below_peak
from barograph.research.report.markup import block, figure, pair, paragraph, section, table, wide
from barograph.research.report.months import months
from barograph.strategies.trading import TRADE

_LEFT = [
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "max_drawdown_duration",
    "value_at_risk",
    "conditional_value_at_risk",
    "skewness",
    "kurtosis",
    "market_return",
    "alpha",
    "beta",
]


def performance(study: Study) -> str:
    """Key figures, equity, drawdowns, calendar, rolling figures."""
    bars = course(study.best_whole, study.periods_per_year)
    steps = daily(bars)
    border = validation_start(study)
    return section(
        "performance",
        "Performance",
        _accounting(study),
        _key_figures(study, bars),
        wide(
            equity.draw(bars.times_us, bars.strategy, bars.market, border),
            "Growth of 1",
            "after costs, against buying and holding. Shaded: not seen when the strategy was chosen.",
        ),
        wide(
            underwater.draw(bars.times_us, below_peak(bars.strategy), below_peak(bars.market), border),
            "Underwater",
            "how far below the highest point so far.",
        ),
        months(bars),
        pair(_years(bars), _histogram(steps)),
        _rolling(steps, border),
        _drawdowns(bars),
    )


def validation_start(study: Study) -> int:
    """When validation begins."""
    found = study.best_validation
    return int(found.prices.ts_us[found.start])


def _key_figures(study: Study, bars: Course) -> str:
    market = metrics.of(
        bars.market, np.ones(len(bars.market)), np.zeros(0, TRADE), bars.market, study.periods_per_year
    )
    known = [name for name in study.best_train.metrics if name in metrics.NAMES and _told(study, name)]
    right = [name for name in known if name not in _LEFT]
    head = ("Training", "Validation", "Whole")
    left_rows = [_row(study, name, _of_market(name, market)) for name in _LEFT if name in known]
    right_rows = [_row(study, name) for name in right]
    return pair(
        block(table(("Return and risk", *head, "Market"), left_rows)),
        block(table(("Trading", *head), right_rows)),
    )


def _accounting(study: Study) -> str:
    if study.accounting != "per_trade":
        return ""
    return paragraph(
        "Accounting per trade: every signal buys at the close that it saw and sells at the next, returns are "
        "summed and nothing is paid. These are numbers to compare with others of that kind, not to expect "
        "from a market."
    )


def _told(study: Study, name: str) -> bool:
    """Whether this accounting knows the metric at all."""
    parts = (study.best_train, study.best_validation, study.best_whole)
    return study.accounting != "per_trade" or any(
        np.isfinite(part.metrics.get(name, np.nan)) for part in parts
    )


def _row(study: Study, name: str, *more: str) -> tuple[str, ...]:
    parts = (study.best_train, study.best_validation, study.best_whole)
    values = (fmt.metric(name, float(part.metrics.get(name, np.nan))) for part in parts)
    return (fmt.label(name), *values, *more)


def _of_market(name: str, market: dict[str, float]) -> str:
    against_itself = ("alpha", "beta", "market_return")
    return fmt.NONE if name in against_itself else fmt.metric(name, market[name])


def _years(bars: Course) -> str:
    years, strategy = by_calendar(bars.times_us, bars.strategy, "Y")
    _, market = by_calendar(bars.times_us, bars.market, "Y")
    return figure(
        yearly.draw(years.tolist(), strategy, market),
        "Years",
        "the first and the last may be parts of one.",
    )


def _histogram(steps: Course) -> str:
    made = returns(steps.strategy)[1:]
    held = made[made != 0.0]
    note = f"per {steps.unit} on which equity moved, {len(held):,} of {len(made):,}; the line is normal."
    if len(held) < 10:
        return figure("", "Returns", "too few to show: equity moved less than ten times.")
    tail = metrics.tail_losses(held)[0]
    return figure(return_histogram.draw(held, steps.unit, tail), "Returns", note)


def _rolling(steps: Course, border: int) -> str:
    window = rolling_window(len(steps.strategy), steps.per_year)
    if len(steps.strategy) <= window + 1:
        return ""
    own, market = (rolling(growth, window, steps.per_year) for growth in (steps.strategy, steps.market))
    told = f"annualised, over the last {window} {steps.unit}s"
    return pair(
        figure(
            rolling_plot.draw(steps.times_us, own.sharpe, market.sharpe, "Sharpe ratio", border_us=border),
            "Rolling Sharpe ratio",
            f"{told}.",
        ),
        figure(
            rolling_plot.draw(
                steps.times_us,
                own.volatility,
                market.volatility,
                "Volatility",
                percent=True,
                border_us=border,
            ),
            "Rolling volatility",
            f"{told}.",
        ),
    )


def _drawdowns(bars: Course) -> str:
    found = worst_drawdowns(bars.strategy)
    rows = [_fall(bars, i, fall) for i, fall in enumerate(found, start=1)]
    head = ("", "Depth", "Highest point", "Deepest point", "Back again", "Falling", "Recovering")
    return table(head, rows, words=1, caption="Five worst drawdowns") if rows else ""


def _fall(bars: Course, number: int, fall: Drawdown) -> tuple[str, ...]:
    when = [fmt.moment(bars.times_us[i], bars.interval_us) for i in (fall.peak, fall.trough)]
    down = fmt.span(float(bars.times_us[fall.trough] - bars.times_us[fall.peak]))
    if fall.recovery is None:
        return (str(number), fmt.percent(fall.depth), *when, "not yet", down, fmt.NONE)
    up = fmt.span(float(bars.times_us[fall.recovery] - bars.times_us[fall.trough]))
    back = fmt.moment(bars.times_us[fall.recovery], bars.interval_us)
    return (str(number), fmt.percent(fall.depth), *when, back, down, up)
