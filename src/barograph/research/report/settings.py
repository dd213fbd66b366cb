"""Chapter: what it was made from, so that it can be made again."""

from __future__ import annotations

from collections import Counter
from html import escape

from barograph.research.outcome import Study
from barograph.research.report import formats as fmt
from barograph.research.report.markup import facts, section
from barograph.strategies.trading import Costs


def settings(study: Study) -> str:
    """Data, strategies, costs, and the numbers that make it reproducible."""
    strategy = study.best_train.strategy
    told = f"<p>Selected strategy, {strategy.id}: <code>{escape(strategy.json.decode())}</code></p>"
    return section("settings", "Settings and data", facts([*_data(study), *_study(study)]), told)


def _data(study: Study) -> list[tuple[str, str]]:
    prices = study.best_whole.prices
    first, last = (fmt.moment(prices.ts_us[i], study.interval_us) for i in (0, -1))
    fills = (
        "at the next bar's open: idealised, the data has no price that could have been had"
        if study.idealised
        else "at the first price that could have been had (exec_price)"
    )
    border = study.best_validation
    return [
        ("Source", study.source),
        ("Symbol", study.symbol),
        ("Bars", f"{len(prices):,} of {fmt.span(study.interval_us)}, {first} to {last} UTC"),
        ("Validation from", fmt.moment(border.prices.ts_us[border.start], study.interval_us)),
        ("Fills", fills),
        ("Bars per year", f"{fmt.ratio(study.periods_per_year, 1)}, from the data's own calendar"),
        ("Data hash", study.data_hash),
    ]


def _study(study: Study) -> list[tuple[str, str]]:
    costs, sharpe = study.costs, study.honesty.sharpe
    families = Counter(strategy.family for strategy in study.train.strategies)
    ledger = f"{sharpe.tries:,}" if sharpe else "not known"
    return [
        ("Strategies", f"{len(study.train.strategies):,}: {_counted(families)}"),
        ("Tries in the ledger", ledger),
        (
            "Selected by",
            f"{fmt.in_text(study.select_by)}, overfit from a fall of {fmt.percent(study.overfit_drop, 0)}",
        ),
        ("Accounting", study.accounting.replace("_", " ")),
        ("Costs", _costs(costs)),
        ("Cash", f"{fmt.money(costs.cash)}" + (f", lots of {costs.lot:g}" if costs.lot else "")),
        ("Seed", str(study.seed)),
        ("Version", f"barograph {study.version}"),
    ]


def _costs(costs: Costs) -> str:
    told = f"fee {costs.fee_bps:g} and slippage {costs.slippage_bps:g} basis points a side"
    return told + (", and half of the last known bid-ask spread" if costs.spread else "")


def _counted(families: Counter[str]) -> str:
    return ", ".join(f"{count:,} {family}" for family, count in sorted(families.items()))
