"""A study told on the terminal, in plain words."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from barograph.clock import from_us
from barograph.research import files
from barograph.research.outcome import Study
from barograph.research.spans import span

_SHOWN = (
    *("win_rate", "total_return", "cagr", "volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown"),
    *("num_trades", "profit_factor", "exposure"),
)
_IN_PERCENT = frozenset(
    {"win_rate", "total_return", "cagr", "volatility", "max_drawdown", "exposure", "win_rate_periods"}
)
_MARGIN = 12
_WIDTH = 100


def story(study: Study) -> str:
    """From the data to the verdict; every line says one thing."""
    lines = [
        *_paragraph("Data", _data(study)),
        *_paragraph("Split", _split(study)),
        *_paragraph("Strategies", _strategies(study)),
        *_paragraph("Selected", _selected(study)),
        "",
        *_metrics(study),
        "",
        *_paragraph("Verdict", study.verdict.headline),
        *(line for reason in study.verdict.reasons for line in _item(reason)),
    ]
    missing = [f"{name} ({reason})" for name, reason in study.honesty.missing.items()]
    if missing:
        lines += _paragraph("Not told", "; ".join(missing))
    for remark in study.remarks:
        lines += _item(remark, "Remarks" if remark == study.remarks[0] else "")
    return "\n".join(lines) + "\n"


def summary(study: Study) -> dict[str, Any]:
    """The same for programs: what ``--json`` prints."""
    return {
        "strategy_id": study.id_of(study.best),
        "strategy": str(study.best_train.strategy),
        "select_by": study.select_by,
        "skill": study.verdict.skill,
        "verdict": study.verdict.headline,
        "reasons": list(study.verdict.reasons),
        "overfit": study.overfit,
        "performance_gap": dict(study.gap),
        "training_metrics": dict(study.best_train.metrics),
        "validation_metrics": dict(study.best_validation.metrics),
        "num_strategies": len(study.train.strategies),
        "tries": study.tries,
        "not_told": dict(study.honesty.missing),
        "version": study.version,
        "seed": study.seed,
        "data_hash": study.data_hash,
        "files": [*files.STEP_FILES],
    }


def _data(study: Study) -> str:
    prices = study.best_whole.prices
    fills = "filled at the next open (idealised)" if study.idealised else "filled at exec_price"
    if study.accounting == "per_trade":
        fills = "bought and sold at the close (per_trade)"
    return (
        f"{study.source}: {study.symbol}, {len(prices):,} bars of {span(study.interval_us)}, "
        f"{_day(study, 0)} to {_day(study, len(prices) - 1)}; {fills}"
    )


def _split(study: Study) -> str:
    bars, training = len(study.best_whole.prices), len(study.best_train.equity)
    return (
        f"the first {training:,} bars to train on, the last {bars - training:,} to validate, "
        f"from {_day(study, training)}"
    )


def _strategies(study: Study) -> str:
    families = Counter(strategy.family for strategy in study.train.strategies)
    named = ", ".join(f"{family} {count}" for family, count in families.most_common(4))
    more = f" and {len(families) - 4} more families" if len(families) > 4 else ""
    tries = (
        f"; {study.tries:,} tries on this data so far" if study.tries > len(study.train.strategies) else ""
    )
    costs = f"{study.costs.fee_bps:g} bps fee, {study.costs.slippage_bps:g} bps slippage a fill"
    return f"{len(study.train.strategies):,} ({named}{more}), seed {study.seed}{tries}; {costs}"


def _selected(study: Study) -> str:
    return f"{study.best_train.strategy} [{study.id_of(study.best)}], the best {study.select_by} in training"


def _metrics(study: Study) -> Iterator[str]:
    columns = (study.best_train.metrics, study.best_validation.metrics, study.best_whole.metrics)
    names = dict.fromkeys([study.select_by, *_SHOWN])
    wide = max(map(len, names))
    yield " " * (_MARGIN + wide) + "".join(f"{title:>13}" for title in ("training", "validation", "whole"))
    for name in names:
        if not all(math.isnan(metrics.get(name, math.nan)) for metrics in columns):
            values = "".join(f"{_value(name, metrics.get(name, math.nan)):>13}" for metrics in columns)
            yield " " * _MARGIN + f"{name:<{wide}}{values}"


def _value(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if name in _IN_PERCENT:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if name == "num_trades" else f"{value:.2f}"


def _day(study: Study, bar: int) -> str:
    return f"{from_us(int(study.best_whole.prices.ts_us[bar])):%Y-%m-%d}"


def _paragraph(title: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{title:<{_MARGIN}}", subsequent_indent=" " * _MARGIN)


def _item(text: str, title: str = "") -> Sequence[str]:
    indent = f"{title:<{_MARGIN}}- "
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=" " * (_MARGIN + 2))
