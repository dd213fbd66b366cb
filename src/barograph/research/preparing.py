"""What a study begins with: its plan, its data, its strategies, and where it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from barograph import __version__
from barograph.errors import DataError
from barograph.research import files, strategy_files
from barograph.research.files import Results, Stamp
from barograph.research.plan import Plan
from barograph.research.spans import span
from barograph.research.strategy_files import Named, StrategyFile
from barograph.research.trials import Ledger, Span
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy

if TYPE_CHECKING:
    from barograph.research.data import Source
    from barograph.store.opening import Location

Changes = Callable[[Plan], Plan]
"""What a step wants otherwise than the step before."""

LEAST_BARS = 3
"""Of each part of the data."""


def unseen(_title: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Surroundings:
    """Where a study runs. Nothing of it changes a byte of the study's files, but the ledger's count.

    Attributes:
        results: the place of its files.
        folder: where ``raw/btc_price_data.csv`` is looked for, before the current directory.
        ledger: of trials.
        data_dir: for the source ``lake``, or where else the tables are.
        workers: threads; None: one a processor.
        progress: told what is going on, what is done, and what there is.
        now_us: when this is, for the ledger.
    """

    results: Results
    ledger: Ledger
    folder: Path | None = None
    data_dir: Path | Location | None = None
    workers: int | None = None
    progress: Callable[[str, int, int], None] = unseen
    now_us: int = 0


@dataclass(frozen=True)
class Generated:
    """Strategies, and the data that they are for.

    Attributes:
        split: the first bar of the validation part.
        periods_per_year: of bars, from the data's own calendar; ``reason`` says how.
        remarks: on the data, the calendar, the strategies.
    """

    plan: Plan
    source: Source
    split: int
    periods_per_year: float
    strategies: tuple[Named, ...]
    remarks: tuple[str, ...]

    @property
    def prices(self) -> Prices:
        """All bars."""
        return self.source.prices

    @property
    def unnamed(self) -> list[Strategy]:
        """The strategies themselves."""
        return [entry.strategy for entry in self.strategies]

    @property
    def stamp(self) -> Stamp:
        """What every file of the study carries."""
        return Stamp(__version__, self.plan.seed, self.source.data_hash)

    def span(self, stop: int | None = None) -> Span:
        """The data up to bar ``stop``, as the ledger names it."""
        prices, last = self.prices, (stop or len(self.prices)) - 1
        return Span(
            source=self.source.name,
            symbol=prices.symbol,
            interval=span(prices.interval_us),
            start_us=int(prices.ts_us[0]),
            end_us=int(prices.ts_us[last]) + prices.interval_us,
            data_hash=self.source.data_hash,
        )


def generated(plan: Plan, around: Surroundings, given: Sequence[Named] | None) -> Generated:
    """The strategies of a new study, given or drawn, written to ``strategies_latest.json``."""
    plan = plan.checked()
    around.progress("reading prices", 0, 1)
    source = _load(plan, around)
    if given is None:
        given = strategy_files.named(_drawn(plan, len(source.prices)))
    plan = msgspec.structs.replace(plan, count=len(given))
    begun = StrategyFile(tuple(given), plan, source.data_hash)
    _write(begun, around)
    return _prepared(begun, source)


def begun(around: Surroundings, changes: Changes | None) -> Generated:
    """The study that the directory holds, with its data."""
    study = definition(around, changes)
    assert study.plan is not None
    source = _load(study.plan, around)
    if study.data_hash != source.data_hash:
        # Other data, or strategies from elsewhere: from here on the study is of these bars.
        study = study._replace(data_hash=source.data_hash)
        _write(study, around)
    return _prepared(study, source)


def definition(around: Surroundings, changes: Changes | None) -> StrategyFile:
    """The study that the directory holds, with ``changes`` to its plan written back."""
    study = strategy_files.decode(files.read(around.results, files.STRATEGIES), files.STRATEGIES)
    plan = study.plan or Plan(source=files.PRICES, count=len(study.strategies))
    plan = (plan if changes is None else changes(plan)).checked()
    if plan != study.plan:
        study = study._replace(plan=plan)
        _write(study, around)
    return study


def _write(study: StrategyFile, around: Surroundings) -> None:
    around.results.write_bytes(files.STRATEGIES, strategy_files.encode(study, __version__))


def _drawn(plan: Plan, bars: int) -> tuple[Strategy, ...]:
    from barograph.strategies.generating import LONGEST, generate

    # A window of a tenth of the training part leaves room to trade behind it.
    longest = max(min(int(bars * plan.train) // 10, LONGEST), 10)
    families = ("coinflip",) if plan.accounting == "per_trade" and plan.families is None else plan.families
    return generate(plan.count, plan.seed, families, sides=plan.sides, stops=plan.stops, longest=longest)


def _load(plan: Plan, around: Surroundings) -> Source:
    from barograph.research.data import load

    source = plan.source
    if source == files.PRICES and around.folder is not None and (around.folder / source).exists():
        source = str(around.folder / source)
    return load(source, plan.symbol, plan.interval, plan.start, plan.end, around.data_dir)


def _prepared(study: StrategyFile, source: Source) -> Generated:
    from barograph.research.annualising import annualisation

    assert study.plan is not None
    calendar = annualisation(source.prices)
    return Generated(
        plan=study.plan,
        source=source,
        split=_split(source, study.plan.train),
        periods_per_year=calendar.periods_per_year,
        strategies=study.strategies,
        remarks=(*source.remarks, calendar.reason),
    )


def _split(source: Source, train: float) -> int:
    """The first bar of validation."""
    bars = len(source.prices)
    split = int(bars * train) if source.split is None else int(np.count_nonzero(source.split == 0))
    if min(split, bars - split) < LEAST_BARS:
        raise DataError(
            f"{bars} bars give {split} for training and {bars - split} for validation; each part needs at "
            f"least {LEAST_BARS}. Give more data, or another --train"
        )
    return split
