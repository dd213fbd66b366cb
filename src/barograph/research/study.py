"""The study in five steps: generate, backtest, select, validate, visualize.

Each step works on the files of the step before (``files``), so that they can run apart, days or machines
between them; :func:`run` does all of them and leaves the very same bytes. What a study finds follows from
its plan (in ``strategies_latest.json``), the data and the ledger's count of tries, and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from barograph import __version__
from barograph.errors import DataError
from barograph.research import evidence, files, preparing, selecting
from barograph.research.files import Stamp
from barograph.research.honesty.criteria import stand_in
from barograph.research.outcome import Backtest, Study, Sweep
from barograph.research.parts import swept, traded, whole
from barograph.research.plan import OVERFIT_DROP, Plan
from barograph.research.preparing import Changes, Generated, Surroundings, unseen
from barograph.research.strategy_files import Named
from barograph.research.trials import Tried
from barograph.research.verdict import Case, judge
from barograph.rows import Floats
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy


class Backtested(NamedTuple):
    """All strategies over the training part."""

    generated: Generated
    train: Sweep


class Selected(NamedTuple):
    """The best of them: its index."""

    generated: Generated
    train: Sweep
    best: int

    @property
    def named(self) -> Named:
        """The selected strategy."""
        return self.generated.strategies[self.best]


class Validated(NamedTuple):
    """The whole study, its fall, and all strategies over the whole sample."""

    study: Study
    fall: selecting.Fall
    whole: Sweep


def run(plan: Plan, around: Surroundings, given: Sequence[Named] | None = None) -> Validated:
    """All five steps.

    Args:
        plan: what to do.
        around: where.
        given: strategies; None: as many are generated as the plan says.

    Raises:
        UsageError: a setting is out of its bounds.
        DataError: the data cannot be read, or is too short.
    """
    generated, train = _backtest(preparing.generated(plan, around, given), around)
    chosen = _chosen(generated.strategies, train.metrics, plan, generated.stamp, around)
    validated = _validate(Selected(generated, train, chosen), around)
    _visualize(validated.study, around)
    return validated


def generate(plan: Plan, around: Surroundings, given: Sequence[Named] | None = None) -> Generated:
    """Step 1: strategies, into ``strategies_latest.json``, with the plan."""
    return preparing.generated(plan, around, given)


def backtest(around: Surroundings, changes: Changes | None = None) -> Backtested:
    """Step 2: all strategies over the training part, into ``training_performance.csv``.

    Args:
        around: where the study is.
        changes: to the plan; they hold for the steps that follow, too.
    """
    return _backtest(preparing.begun(around, changes), around)


def select(around: Surroundings, changes: Changes | None = None) -> tuple[Named, dict[str, float]]:
    """Step 3: the best by the plan's metric, into ``best_strategy.json``; it and its training metrics.

    Raises:
        DataError: the training was of other strategies, or none can be chosen.
    """
    begun = preparing.definition(around, changes)
    assert begun.plan is not None
    training = files.read_training(files.read(around.results, files.TRAINING))
    if training.ids != [entry.id for entry in begun.strategies]:
        raise DataError(
            f"{files.TRAINING} is of other strategies than {files.STRATEGIES}; "
            "run 'barograph research backtest' again"
        )
    stamp = Stamp(__version__, begun.plan.seed, training.data_hash)
    best = _chosen(begun.strategies, training.metrics, begun.plan, stamp, around)
    return begun.strategies[best], _row(training.metrics, best)


def validate(around: Surroundings, changes: Changes | None = None) -> Validated:
    """Step 4: the selected one on what it never saw, and is it luck? Into ``validation_results.json``."""
    return _validate(_reselected(around, changes), around)


def visualize(around: Surroundings, changes: Changes | None = None) -> Study:
    """Step 5: the plots and the report, with the number of tries that the validation was judged by."""
    tries = files.tries(files.read(around.results, files.VALIDATION))
    study = _study(_reselected(around, changes), around, tries).study
    _visualize(study, around)
    return study


def _backtest(generated: Generated, around: Surroundings) -> Backtested:
    train = swept(generated, around, "training", stop=generated.split)
    # Counted before anybody can see what came out: a crash in between must not give tries for nothing.
    _record(generated, around, train, "train", generated.split)
    around.results.write_bytes(
        files.TRAINING, files.training_csv(generated.strategies, train, generated.stamp)
    )
    return Backtested(generated, train)


def _record(
    generated: Generated, around: Surroundings, sweep: Sweep, split: str, stop: int | None = None
) -> None:
    from barograph.research.annualising import periods_per_year

    sharpe = sweep.metrics["sharpe_ratio"] / math.sqrt(
        periods_per_year(generated.prices.take(slice(0, stop)))
    )
    tried = Tried(generated.unnamed, split, sweep.metrics, sharpe)
    around.ledger.record(generated.span(stop), tried, around.now_us)


def _chosen(
    strategies: Sequence[Named], metrics: Mapping[str, Floats], plan: Plan, stamp: Stamp, around: Surroundings
) -> int:
    """The index of the best, once it is written down."""
    best = selecting.best(metrics, plan.select_by, plan.min_trades)
    body = files.best_json(strategies[best], _row(metrics, best), plan, len(strategies), stamp)
    around.results.write_bytes(files.BEST, body)
    return best


def _row(metrics: Mapping[str, Floats], index: int) -> dict[str, float]:
    return {name: float(values[index]) for name, values in metrics.items()}


def _reselected(around: Surroundings, changes: Changes | None) -> Selected:
    """The selection that ``best_strategy.json`` names, over a training part that is traded again."""
    chosen = files.best_id(files.read(around.results, files.BEST))
    generated = preparing.begun(around, changes)
    ids = [entry.id for entry in generated.strategies]
    if chosen not in ids:
        raise DataError(
            f"{files.BEST} names {chosen}, which is not in {files.STRATEGIES}; "
            "run 'barograph research select' again"
        )
    train = swept(generated, around, "training", stop=generated.split)
    return Selected(generated, train, ids.index(chosen))


def _validate(selected: Selected, around: Surroundings) -> Validated:
    generated = selected.generated
    tries = around.ledger.tries(generated.span(), {strategy.id for strategy in generated.unnamed})
    validated = _study(selected, around, tries)
    _record(generated, around, validated.whole, "whole")
    body = files.validation_json(validated.study, validated.fall, generated.plan)
    around.results.write_bytes(files.VALIDATION, body)
    return validated


def _study(selected: Selected, around: Surroundings, tries: int) -> Validated:
    """Everything that follows from the selection; writes nothing."""
    generated, train, best = selected
    plan, split = generated.plan, generated.split
    validation = swept(generated, around, "validation", start=split)
    everything = whole(generated, around, train, validation)
    full = [traded(generated, best, *part) for part in ((0, split), (split, None), (0, None))]
    fall = _fall(generated, full[0], full[1])
    subject = _subject(selected, around, everything, full[2], tries)
    honesty = evidence.gather(subject, around.progress)
    case = Case(
        honesty=honesty,
        fall=fall,
        strategies=len(generated.strategies),
        best=best,
        tries=tries,
        chance_alone=evidence.chance_alone(subject),
        whole=full[2].metrics,
        walked_by=stand_in(plan.select_by),
        idealised=generated.prices.idealised,
        free=not (plan.costs.fee_bps or plan.costs.slippage_bps or plan.costs.spread),
        per_trade=plan.accounting == "per_trade",
    )
    study = Study(
        **generated.stamp._asdict(),
        source=generated.source.name,
        symbol=generated.prices.symbol,
        interval_us=generated.prices.interval_us,
        idealised=generated.prices.idealised,
        periods_per_year=generated.periods_per_year,
        select_by=plan.select_by,
        overfit_drop=OVERFIT_DROP,
        accounting=plan.accounting,
        costs=plan.costs,
        train=train,
        validation=validation,
        best=best,
        best_train=full[0],
        best_validation=full[1],
        best_whole=full[2],
        gap=_gap(full[0], full[1], fall),
        overfit=fall.overfit,
        honesty=honesty,
        verdict=judge(case),
        ids=tuple(entry.id for entry in generated.strategies),
        tries=tries,
        remarks=generated.remarks,
    )
    return Validated(study, fall, everything)


def _subject(
    selected: Selected, around: Surroundings, everything: Sweep, best_whole: Backtest, tries: int
) -> evidence.Subject:
    generated = selected.generated
    plan, stop = generated.plan, generated.split
    by = plan.select_by
    quietly = replace(around, progress=unseen)

    def score(strategies: Sequence[Strategy]) -> Floats:
        return swept(generated, quietly, "", stop=stop, strategies=strategies).metrics[by]

    def score_best(prices: Prices) -> float:
        metrics = swept(generated, quietly, "", stop=stop, prices=prices).metrics
        try:
            return float(metrics[by][selecting.best(metrics, by, plan.min_trades)])
        except DataError:  # no strategy traded: worse than any that did
            return math.nan

    return evidence.Subject(
        plan=plan,
        prices=generated.prices,
        whole=everything,
        best=selected.best,
        best_whole=best_whole,
        tries=tries,
        periods_per_year=generated.periods_per_year,
        score=score,
        score_best=score_best,
    )


def _fall(generated: Generated, training: Backtest, validation: Backtest) -> selecting.Fall:
    """The chosen metric's fall; what grows with time is brought to the validation's length first."""
    by = generated.plan.select_by
    before, after = training.metrics[by], validation.metrics[by]
    if generated.plan.accounting == "compounded":
        before = selecting.over_equal_time(by, before, len(training.equity), len(validation.equity))
    return selecting.fall(by, before, after, OVERFIT_DROP)


def _gap(training: Backtest, validation: Backtest, fall: selecting.Fall) -> dict[str, float]:
    names = {"win_rate_drop": "win_rate", "return_drop": "total_return", "sharpe_drop": "sharpe_ratio"}
    gap = {drop: training.metrics[name] - validation.metrics[name] for drop, name in names.items()}
    return gap if fall.metric in names.values() else {**gap, f"{fall.metric}_drop": fall.drop}


def _visualize(study: Study, around: Surroundings) -> None:
    from barograph.research.plots import performance_comparison, win_rate_histogram
    from barograph.research.report import write_report

    makers = {
        files.HISTOGRAM: win_rate_histogram,
        files.COMPARISON: performance_comparison,
        files.REPORT: write_report,
    }
    for number, (key, make) in enumerate(makers.items()):
        around.progress("drawing", number, len(makers))
        around.results.write_bytes(key, make(study))
