"""Chapter: does choosing by the past choose well?"""

from __future__ import annotations

from barograph.research.honesty.overfitting import dominates
from barograph.research.outcome import Overfitting, Study
from barograph.research.plots import degradation, dominance, logits
from barograph.research.report import formats as fmt
from barograph.research.report.luck import yearly_factor
from barograph.research.report.markup import absent, block, figure, pair, paragraph, section, table


def overfitting(study: Study) -> str:
    """Probability of backtest overfitting with its three figures."""
    found = study.honesty.overfitting
    if found is None:
        words = absent("Probability of backtest overfitting", study.honesty.missing.get("overfitting"))
        return section("overfitting", "Overfitting", words)
    annual = yearly_factor(study)
    return section(
        "overfitting",
        "Overfitting",
        paragraph(_words(found)),
        pair(
            figure(
                logits.draw(found),
                "Rank of the winner out of sample",
                "each split chooses anew; left of 0 its choice was worse than the middle of all.",
            ),
            figure(
                degradation.draw(found, annual),
                "Degradation",
                "one point a split: a slope below 0 means, the better in sample, the worse afterwards.",
            ),
            figure(
                dominance.draw(found, annual),
                "Stochastic dominance",
                "choosing helps where its curve lies to the right of all strategies'.",
            ),
            block(_table(found)),
        ),
    )


def _words(found: Overfitting) -> str:
    return (
        f"The returns are cut into {found.blocks} blocks. Each half of them once is the sample in which the "
        "best strategy is chosen, the other half shows what it is worth: "
        f"{len(found.logits):,} studies of the same kind as this one (combinatorially symmetric "
        "cross-validation; Bailey, Borwein, Lopez de Prado and Zhu 2017)."
    )


def _table(found: Overfitting) -> str:
    rows = [
        ("Probability of overfitting", fmt.percent(found.probability)),
        ("Probability that the winner loses", fmt.percent(found.loss_probability)),
        ("Slope of the degradation", fmt.ratio(found.slope)),
        ("R²", fmt.ratio(found.r_squared)),
        ("Choosing dominates all strategies", _dominance(found)),
        ("Blocks", f"{found.blocks}"),
        ("Oldest periods left out", f"{found.dropped:,}"),
    ]
    return table(("Over all splits", "Value"), rows)


def _dominance(found: Overfitting) -> str:
    first, second = dominates(found)
    return "in the first order" if first else "in the second order" if second else "no"
