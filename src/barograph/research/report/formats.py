"""How numbers, times and metrics are written."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from barograph.clock import DAY_US
from barograph.research.plots.scale import Unit, number_format, percent_format

NONE = "–"
_PROPER = ("CAGR", "Sharpe", "Sortino", "Calmar")
_PERCENT = frozenset(
    [
        "total_return",
        "cagr",
        "volatility",
        "max_drawdown",
        "win_rate",
        "win_rate_periods",
        "exposure",
        "net_exposure",
        "alpha",
        "value_at_risk",
        "conditional_value_at_risk",
        "best_trade",
        "worst_trade",
        "average_trade",
        "market_return",
    ]
)
_WHOLE = frozenset(["num_trades", "max_drawdown_duration"])
_MONEY = frozenset(["final_equity", "fees", "expectancy"])
_NAMES = {
    "cagr": "CAGR",
    "win_rate_periods": "Win rate of periods",
    "num_trades": "Trades",
    "max_drawdown": "Maximum drawdown",
    "max_drawdown_duration": "Longest drawdown, bars",
    "average_holding": "Average holding, bars",
    "turnover": "Turnover per year",
    "market_return": "Return of the market",
    "value_at_risk": "Value at risk, 5 %",
    "conditional_value_at_risk": "Expected shortfall, 5 %",
}


def label(metric: str) -> str:
    """A metric's name for people."""
    return _NAMES.get(metric) or metric.replace("_", " ").capitalize()


def in_text(metric: str) -> str:
    """The same in the middle of a sentence."""
    name = label(metric)
    return name if name.startswith(_PROPER) else name[:1].lower() + name[1:]


def metric(name: str, value: float) -> str:
    """A metric's value, in percent, money or plain as the metric wants it."""
    return writer(name)(value)


def unit(name: str) -> Unit:
    """How the metric ``name`` is written in figures."""
    return Unit(writer(name), percent_format if name in _PERCENT else number_format)


def writer(name: str) -> Callable[[float], str]:
    """How the metric ``name`` is written."""
    if name in _PERCENT:
        return percent
    if name in _WHOLE:
        return whole
    return money if name in _MONEY else ratio


def percent(value: float, digits: int = 1) -> str:
    """A fraction as percent."""
    if not math.isfinite(value):
        return _odd(value)
    return _signed(f"{value * 100:,.{digits}f}") + " %"


def ratio(value: float, digits: int = 2) -> str:
    """A plain number."""
    return _signed(f"{value:,.{digits}f}") if math.isfinite(value) else _odd(value)


def money(value: float) -> str:
    """An amount of the quote currency."""
    return ratio(value, 2)


def whole(value: float) -> str:
    """A count."""
    return ratio(value, 0)


def price(value: float) -> str:
    """A price with six digits that count, and no more than it needs."""
    if not math.isfinite(value) or value == 0.0:
        return _odd(value) if value else "0"
    digits = max(2 if abs(value) >= 1.0 else 0, 5 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:,.{min(digits, 10)}f}")


def probability(value: float) -> str:
    """A probability or p-value: no certainty that a simulation cannot give."""
    if not math.isfinite(value):
        return _odd(value)
    if value < 0.001:
        return "< 0.001"
    return "> 0.999" if value > 0.999 else f"{value:.3f}"


def day(time_us: int) -> str:
    """A date, UTC."""
    return str(np.datetime64(int(time_us), "us").astype("datetime64[D]"))


def moment(time_us: int, interval_us: int) -> str:
    """A date, and the time of day where bars are shorter than a day; UTC."""
    if interval_us >= DAY_US:
        return day(time_us)
    return str(np.datetime64(int(time_us), "us").astype("datetime64[m]")).replace("T", " ")


def span(length_us: float) -> str:
    """A length of time in the unit that suits it."""
    days = length_us / DAY_US
    for unit, size in (("year", 365.25), ("day", 1.0), ("hour", 1 / 24), ("minute", 1 / 1440)):
        if days >= size * (2 if unit == "year" else 1):
            count = days / size
            shown = f"{count:.1f}".removesuffix(".0") if count < 20 else f"{count:,.0f}"
            return f"{shown} {unit}" + ("" if shown == "1" else "s")
    return f"{length_us / 1e6:g} s"


def _signed(shown: str) -> str:
    digits = shown.lstrip("-")
    return "−" + digits if shown.startswith("-") and digits.strip("0.,") else digits


def _odd(value: float) -> str:
    return NONE if math.isnan(value) else "∞" if value > 0 else "−∞"
