"""``barograph research run | generate | backtest | select | validate | visualize | trials``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from barograph.cli.options import COMMON, Common, CommonOptions
from barograph.cli.output import encode, write, write_object, write_records, write_stream
from barograph.cli.progress import stages
from barograph.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.research.plan import Plan
    from barograph.research.preparing import Surroundings
    from barograph.research.strategy_files import Named
    from barograph.research.study import Validated

_PLACE = Group("The study", sort_key=1)
_DATA = Group("Data", sort_key=2)
_DRAWING = Group("Strategies", sort_key=3)
_TRADING = Group("Trading and choosing", sort_key=4)
_OUT = Path("study")
_TOP = 10


@Parameter(name="*", group=_PLACE)
@dataclass(frozen=True)
class Place:
    """Where a study is."""

    out: Path = _OUT
    "The study's directory."
    ledger: Path | None = None
    "The trial ledger's directory; trials below the data directory when absent."
    workers: int | None = None
    "Threads; one a processor when absent. The results do not depend on it."


@Parameter(name="*")
@dataclass(frozen=True)
class Choices:
    """What every step may be told; what is not said stays as the step before had it."""

    source: Annotated[str | None, Parameter(name="--data", group=_DATA)] = None
    """Prices: arch:sp500, arch:nasdaq, a CSV or Parquet file, a data directory, or lake (the data directory
    of the settings); raw/btc_price_data.csv when absent."""
    symbol: Annotated[str | None, Parameter(group=_DATA)] = None
    "Which symbol, where there are several."
    interval: Annotated[str | None, Parameter(name=["--interval", "--every"], group=_DATA)] = None
    "Length of a bar: 5m, 1h, 1d; the source's own when absent."
    start: Annotated[str | None, Parameter(group=_DATA)] = None
    "First moment, UTC: 2024-08-08 or 2024-08-08T13:35."
    end: Annotated[str | None, Parameter(group=_DATA)] = None
    "Moment to stop before."
    train: Annotated[float | None, Parameter(group=_TRADING)] = None
    "Part of the bars to train on (0.7); a split column of the data overrides it."
    select_by: Annotated[str | None, Parameter(group=_TRADING)] = None
    "The metric that chooses (win_rate); any column of training_performance.csv."
    min_trades: Annotated[int | None, Parameter(group=_TRADING)] = None
    "Closed trades that a strategy needs in training to be chosen (1)."
    accounting: Annotated[Literal["compounded", "per_trade"] | None, Parameter(group=_TRADING)] = None
    "compounded (the default), or per_trade: each 1 of an array buys at this close and sells at the next."
    fee_bps: Annotated[float | None, Parameter(group=_TRADING)] = None
    "Fee of a fill, in basis points of its value (10)."
    slippage_bps: Annotated[float | None, Parameter(group=_TRADING)] = None
    "How much worse than the price a fill is, in basis points (0)."
    cash: Annotated[float | None, Parameter(group=_TRADING)] = None
    "Cash that each strategy begins with (10000)."
    quick: Annotated[bool, Parameter(group=_TRADING)] = False
    "Leave out the evidence that takes long: intervals, walk-forward, noise test, plateau."

    def change(self, plan: Plan) -> Plan:
        """``plan`` with what was said."""
        import msgspec

        names = ("source", "symbol", "interval", "start", "end", "train", "select_by", "min_trades")
        said: dict[str, Any] = {name: getattr(self, name) for name in (*names, "accounting")}
        said = {name: value for name, value in said.items() if value is not None}
        costs = {name: getattr(self, name) for name in ("fee_bps", "slippage_bps", "cash")}
        costs = {name: value for name, value in costs.items() if value is not None}
        if self.accounting == "per_trade" and plan.accounting != "per_trade":
            costs = {"fee_bps": 0.0, "slippage_bps": 0.0} | costs
        if self.quick:
            said["quick"] = True
        return msgspec.structs.replace(plan, costs=msgspec.structs.replace(plan.costs, **costs), **said)


@Parameter(name="*", group=_DRAWING)
@dataclass(frozen=True)
class Drawing:
    """Which strategies."""

    strategies: str = "500"
    "How many to draw, or a JSON file of strategies."
    seed: int = 42
    "Of the strategies and of all resampling: the same seed, the same study."
    families: list[str] | None = None
    "Families to draw from, separated by commas; all that trade on prices when absent."
    side: list[Literal["long", "short", "both"]] | None = None
    "Positions that strategies may hold (long); may be said several times."
    stops: bool = False
    "Draw a stop-loss and a profit target for them, too."


_NOWHERE = Place()
_NOTHING = Choices()
_USUAL = Drawing()
At = Annotated[Place, Parameter(name="*")]
Said = Annotated[Choices, Parameter(name="*")]
Drawn = Annotated[Drawing, Parameter(name="*")]


def run(
    *,
    at: At = _NOWHERE,
    drawing: Drawn = _USUAL,
    choices: Said = _NOTHING,
    common: CommonOptions = COMMON,
) -> None:
    """A study, start to end: generate, backtest, select, validate, visualize.

    Makes strategies, trades them all on the first part of the data, chooses the best, sees how it does on the
    rest, and says whether it is skill or luck. The study's directory then holds the strategies, all results,
    two plots and report.html. Every strategy is counted in the trial ledger.
    """
    from barograph.cli.research_view import story, summary
    from barograph.research import study as steps

    plan, given = _begin(drawing, choices)
    with _around(at, common) as around:
        validated = steps.run(plan, around, given)
    if common.json:
        write(encode(summary(validated.study)) + "\n")
        return
    write(story(validated.study))
    common.remark(f"written below {at.out}; open {at.out / 'report.html'}")


def generate(
    *,
    at: At = _NOWHERE,
    drawing: Drawn = _USUAL,
    choices: Said = _NOTHING,
    common: CommonOptions = COMMON,
) -> None:
    """Step 1 of a study: make random strategies, or take those of a file.

    Writes strategies/strategies_latest.json, with all settings of the study: later steps need no flags but
    --out, and may change the settings by theirs.
    """
    from barograph.research import study as steps

    plan, given = _begin(drawing, choices)
    with _around(at, common) as around:
        made = steps.generate(plan, around, given)
    families: dict[str, int] = {}
    for strategy in made.unnamed:
        families[strategy.family] = families.get(strategy.family, 0) + 1
    fields = {
        "strategies": len(made.strategies),
        "families": families,
        "data": made.source.name,
        "bars": len(made.prices),
        "data_hash": made.source.data_hash,
        "seed": plan.seed,
        "written": str(at.out / "strategies/strategies_latest.json"),
    }
    write_object(fields, as_json=common.json)


def backtest(*, at: At = _NOWHERE, choices: Said = _NOTHING, common: CommonOptions = COMMON) -> None:
    """Step 2 of a study: trade all strategies on the training part of the data.

    Writes results/training_performance.csv and prints the ten best. Every strategy is counted in the trial
    ledger.
    """
    from barograph.research import files, selecting
    from barograph.research import study as steps

    with _around(at, common) as around:
        generated, train = steps.backtest(around, choices.change)
    by = generated.plan.select_by
    order = selecting.ranked(train.metrics, by)[:_TOP]
    names = list(dict.fromkeys([*files.FIRST_COLUMNS, by]))
    rows = [
        {"strategy_id": generated.strategies[i].id, "strategy": str(generated.strategies[i].strategy)}
        | {name: float(train.metrics[name][i]) for name in names}
        for i in order
    ]
    write_records(rows, ["strategy_id", "strategy", *names], common.form())
    common.remark(f"all {len(generated.strategies):,} are in {at.out / files.TRAINING}")


def select(*, at: At = _NOWHERE, choices: Said = _NOTHING, common: CommonOptions = COMMON) -> None:
    """Step 3 of a study: choose the strategy that did best in training.

    Reads results/training_performance.csv, writes results/best_strategy.json.
    """
    from barograph.research import study as steps

    with _around(at, common) as around:
        named, metrics = steps.select(around, choices.change)
    shown = {name: value for name, value in metrics.items() if common.json or value == value}  # noqa: PLR0124
    fields = {"strategy_id": named.id, "strategy": str(named.strategy), **shown}
    write_object(fields, as_json=common.json)


def validate(*, at: At = _NOWHERE, choices: Said = _NOTHING, common: CommonOptions = COMMON) -> None:
    """Step 4 of a study: does the selected strategy hold on what it never saw, and is it luck?

    Writes results/validation_results.json.
    """
    from barograph.cli.research_view import story, summary
    from barograph.research import study as steps

    with _around(at, common) as around:
        validated: Validated = steps.validate(around, choices.change)
    write(encode(summary(validated.study)) + "\n" if common.json else story(validated.study))


def visualize(*, at: At = _NOWHERE, choices: Said = _NOTHING, common: CommonOptions = COMMON) -> None:
    """Step 5 of a study: the two plots, and report.html.

    It computes the validation again, which takes as long as step 4, with the number of tries that step found.
    """
    from barograph.research import files
    from barograph.research import study as steps

    with _around(at, common) as around:
        steps.visualize(around, choices.change)
    made = [str(at.out / key) for key in (files.HISTOGRAM, files.COMPARISON, files.REPORT)]
    write_object({"written": made}, as_json=common.json)


def trials(
    *,
    each: Annotated[bool, Parameter(name="--list")] = False,
    source: str | None = None,
    symbol: str | None = None,
    ledger: Path | None = None,
    common: CommonOptions = COMMON,
) -> None:
    """What was ever tried, counted by the data that it was tried on.

    A try is a distinct strategy; ranges of one series that overlap count together, so that a new day of data
    does not begin a new count. Sharpe ratios are per bar.

    Parameters
    ----------
    each
        List every backtest instead.
    source
        Only this source, such as arch:sp500.
    symbol
        Only this symbol.
    ledger
        The trial ledger's directory; trials below the data directory when absent.
    """
    from barograph.research.trials import Ledger

    book = Ledger(_ledger(ledger, common))
    if each:
        _list(book, source, symbol, common)
        return
    rows = [
        one.plain() for one in book.counts() if source in (None, one.source) and symbol in (None, one.symbol)
    ]
    names = ["source", "symbol", "interval", "tries", "backtests", "runs", "range_start", "range_end"]
    write_records(rows, [*names, "sharpe_best", "sharpe_variance"], common.form())
    if not rows:
        common.remark("nothing was tried yet; barograph research run begins")


def _list(book: Any, source: str | None, symbol: str | None, common: Common) -> None:
    from barograph.tables import TRIALS

    rows = (row for table in book.rows() for row in _plain(table) if _wanted(row, source, symbol))
    if common.json:
        write_stream(rows)
    else:
        write_records(list(rows), list(TRIALS.names), common.form())


def _plain(table: pa.Table) -> Iterator[dict[str, Any]]:
    from barograph.cli.plain import plain_batch

    for batch in table.to_batches():
        yield from plain_batch(batch).to_pylist()


def _wanted(row: dict[str, Any], source: str | None, symbol: str | None) -> bool:
    return source in (None, row["source"]) and symbol in (None, row["symbol"])


def _begin(drawing: Drawing, choices: Choices) -> tuple[Plan, tuple[Named, ...] | None]:
    """The plan, and the strategies where a file holds them."""
    from barograph.research.files import PRICES
    from barograph.research.plan import Plan

    families = [name.strip() for text in drawing.families or () for name in text.split(",") if name.strip()]
    given = None if drawing.strategies.isdigit() else _read(Path(drawing.strategies))
    plan = Plan(
        source=PRICES,
        count=int(drawing.strategies) if given is None else len(given),
        seed=drawing.seed,
        families=tuple(families) or None,
        sides=tuple(drawing.side or ("long",)),
        stops=drawing.stops,
    )
    return choices.change(plan), given


def _read(path: Path) -> tuple[Named, ...]:
    from barograph.research.strategy_files import decode

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"--strategies {path} is neither a number nor a file; say how many, or name a JSON file"
        ) from None
    return decode(data, str(path)).strategies


@contextmanager
def _around(at: Place, common: Common) -> Iterator[Surroundings]:
    """Where the step runs, with a progress bar."""
    from barograph.research.files import Directory
    from barograph.research.preparing import Surroundings
    from barograph.research.trials import Ledger
    from barograph.store.opening import Location

    if at.workers is not None and at.workers < 1:
        raise UsageError(f"--workers is {at.workers}; it must be 1 or more")
    settings = common.settings()
    with stages(quiet=common.quiet) as stage:
        yield Surroundings(
            results=Directory(at.out),
            ledger=Ledger(at.ledger or settings.data_dir / "trials"),
            folder=at.out,
            data_dir=Location.of(settings),
            workers=at.workers,
            progress=stage,
            now_us=time.time_ns() // 1_000,
        )


def _ledger(given: Path | None, common: Common) -> Path:
    from barograph.research.trials import FOLDER

    return given or common.settings().data_dir / FOLDER
