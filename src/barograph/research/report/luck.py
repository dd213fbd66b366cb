"""Chapter: could it be luck?"""

from __future__ import annotations

import numpy as np

from barograph.research.honesty.expected_maximum import exact
from barograph.research.outcome import LuckTests, SharpeEvidence, Study
from barograph.research.plots import deflated, tries
from barograph.research.report import formats as fmt
from barograph.research.report.markup import absent, figure, pair, paragraph, section, table


def luck(study: Study) -> str:
    """The deflated Sharpe ratio and the tests of all strategies together."""
    missing = study.honesty.missing
    found, tests = study.honesty.sharpe, study.honesty.luck
    return section(
        "luck",
        "Could it be luck?",
        paragraph(
            "Of many strategies without any skill, one always looks good. These figures ask whether the "
            "selected one looks better than that."
        ),
        absent("Deflated Sharpe ratio", missing.get("sharpe")) if found is None else _deflated(found, study),
        absent("Reality Check, SPA and StepM", missing.get("luck"))
        if tests is None
        else _tests(tests, study),
    )


def yearly_factor(study: Study) -> float:
    """What turns a Sharpe ratio per period of the sweep over all bars into one per year."""
    found = study.honesty.sharpe
    if found is not None and found.sharpe:
        return found.annual / found.sharpe
    return float(np.sqrt(study.periods_per_year / study.train.period_bars))


def _deflated(found: SharpeEvidence, study: Study) -> str:
    factor = yearly_factor(study)
    return _panels(found, factor) + _evidence(found, factor)


def _panels(found: SharpeEvidence, factor: float) -> str:
    if found.tries < 2 or not found.expected_max > 0:
        return ""
    deviation = found.expected_max / exact(float(found.tries)) * factor
    most = 10.0 ** max(2.0, np.ceil(np.log10(found.tries * 3)))
    counts = np.geomspace(1.0, most, 60)
    expected = np.array([exact(float(n)) for n in counts]) * deviation
    marks = {"ledger": (float(found.tries), found.expected_max * factor)}
    return pair(
        figure(
            deflated.draw(found.annual, deviation, float(found.tries)),
            "Against the best of as many by luck",
            "over all bars. Filled: the best of so many unskilled strategies; thin: a single one.",
        ),
        figure(
            tries.draw(found.annual, counts, expected, marks),
            "What luck shows after N tries",
            "the curve is the expected best of luck alone; skill must stand above it.",
        ),
    )


def _evidence(found: SharpeEvidence, factor: float) -> str:
    years = found.min_track_record / factor**2
    rows = [
        (
            "Annual Sharpe ratio",
            fmt.ratio(found.annual),
            "of the selected strategy, returns taken as independent",
        ),
        ("Corrected for autocorrelation", fmt.ratio(found.annual_lo), "Lo (2002)"),
        (
            "Standard error, annual",
            fmt.ratio(found.standard_error * factor),
            f"over {found.periods:,} periods",
        ),
        (
            "Skewness, kurtosis",
            f"{fmt.ratio(found.skewness)}, {fmt.ratio(found.kurtosis)}",
            "normal: 0 and 3",
        ),
        (
            "Probabilistic Sharpe ratio",
            fmt.probability(found.psr),
            "probability that the true ratio is above 0, were it the only try",
        ),
        (
            "Expected best of luck",
            fmt.ratio(found.expected_max * factor),
            f"of {found.tries:,} tries, annual",
        ),
        (
            "Deflated Sharpe ratio",
            fmt.probability(found.dsr),
            "probability that the true ratio is above that",
        ),
        (
            "The same, like ones counted once",
            fmt.probability(found.dsr_effective),
            f"{found.effective_tries:,.0f} clusters of strategies that do the same",
        ),
        ("Minimum track record", _years(years), "needed for 95 % confidence in a ratio above 0"),
        (
            "Minimum backtest length",
            _years(found.min_backtest_years),
            "below it, so many tries show this ratio by luck",
        ),
    ]
    return _explained("Sharpe ratio, and what it is worth", rows)


def _years(years: float) -> str:
    return f"{fmt.ratio(years, 1)} years" if np.isfinite(years) else "no length is enough"


def _tests(found: LuckTests, study: Study) -> str:
    chosen = study.train.strategies[study.best].id
    among = "the selected one among them" if chosen in found.superior else "the selected one not among them"
    rows = [
        ("Reality Check", fmt.probability(found.reality_check), "White (2000)"),
        (
            "Superior predictive ability",
            fmt.probability(found.spa_consistent),
            "Hansen (2005), studentised, consistent",
        ),
        (
            "Its lower and upper bound",
            f"{fmt.probability(found.spa_lower)} to {fmt.probability(found.spa_upper)}",
            "poor strategies left out, or all kept as if they were nearly good",
        ),
        (
            "Strategies found better",
            f"{len(found.superior):,}",
            f"StepM, Romano and Wolf (2005), 5 % family-wise: {among}",
        ),
    ]
    told = (
        "p-values of: not even the best beats holding its own average exposure all the time. "
        f"{found.repetitions:,} stationary bootstraps with blocks of {found.block:,.1f} periods."
    )
    return _explained("All strategies tested together", rows) + paragraph(told, "under")


def _explained(caption: str, rows: list[tuple[str, str, str]]) -> str:
    return table(("", "Value", "Meaning"), rows, caption=caption, kind="explained")
