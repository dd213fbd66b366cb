"""A study's files: where they go, and what stands in them.

Every step reads the files of the step before and writes its own, at fixed keys below a place that
is a directory today and may be a bucket: :class:`Results` is all that a place must offer.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np

from barograph.errors import DataError
from barograph.research.outcome import Honesty, Metrics, Study, Sweep
from barograph.research.plan import Plan
from barograph.research.selecting import Fall
from barograph.research.strategy_files import Named

if TYPE_CHECKING:
    from barograph.settings import Settings

PRICES = "raw/btc_price_data.csv"
STRATEGIES = "strategies/strategies_latest.json"
TRAINING = "results/training_performance.csv"
BEST = "results/best_strategy.json"
VALIDATION = "results/validation_results.json"
HISTOGRAM = "plots/win_rate_histogram.png"
COMPARISON = "plots/performance_comparison.png"
REPORT = "report.html"

STEP_FILES = (STRATEGIES, TRAINING, BEST, VALIDATION, HISTOGRAM, COMPARISON, REPORT)
"""Everything that a study writes."""

FIRST_COLUMNS = ("win_rate", "total_return", "sharpe_ratio", "max_drawdown", "num_trades")
"""Metrics that come first in ``training_performance.csv``, after ``strategy_id``."""

_STEP_BEFORE = {STRATEGIES: "generate", TRAINING: "backtest", BEST: "select", VALIDATION: "validate"}
_COUNTS = frozenset({"num_trades", "max_drawdown_duration"})


def studies_folder(settings: Settings) -> Path:
    """Where past studies are looked for: ``web.studies``, else the folder ``study`` beside the data."""
    return settings.web.studies or settings.data_dir.absolute().parent / "study"


class Results(Protocol):
    """A place for a study's files."""

    def read_bytes(self, key: str) -> bytes:
        """The file at ``key``; FileNotFoundError when there is none."""
        ...

    def write_bytes(self, key: str, data: bytes) -> None:
        """Put a file at ``key``, whole or not at all, in place of what was there."""
        ...


class Directory:
    """A study's files below a directory, which is made when it is written to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_bytes(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def write_bytes(self, key: str, data: bytes) -> None:
        from barograph.store.durable import publish, stage, storage_errors, temporary

        target = self.path / key
        with storage_errors("writing", target):
            staged = temporary(target.parent, target.name)
            stage(staged, memoryview(data))
            publish(staged, target)


def read(results: Results, key: str) -> bytes:
    """The file that an earlier step has written.

    Raises:
        DataError: it has not; the message names the step.
    """
    try:
        return results.read_bytes(key)
    except FileNotFoundError:
        raise DataError(
            f"{key} is not there; run 'barograph research {_STEP_BEFORE[key]}' with the same --out first"
        ) from None


class Stamp(NamedTuple):
    """What every result carries, so that it can be made again."""

    version: str
    seed: int
    data_hash: str


def training_csv(strategies: Sequence[Named], sweep: Sweep, stamp: Stamp) -> bytes:
    """``training_performance.csv``: a row a strategy, in the order of ``strategies_latest.json``.

    Empty where a metric is undefined. The stamp stands in the last three columns.
    """
    names = [*FIRST_COLUMNS, *(name for name in sweep.metrics if name not in FIRST_COLUMNS)]
    columns = [_cells(name, sweep.metrics[name].tolist()) for name in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["strategy_id", *names, "family", "strategy", *Stamp._fields])
    for named, *values in zip(strategies, *columns, strict=True):
        writer.writerow([named.id, *values, named.strategy.family, str(named.strategy), *stamp])
    return text.getvalue().encode()


def _cells(name: str, values: Sequence[float]) -> list[str]:
    if name in _COUNTS:
        return ["" if math.isnan(value) else str(int(value)) for value in values]
    return ["" if math.isnan(value) else repr(value) for value in values]


class Training(NamedTuple):
    """``training_performance.csv``, read back."""

    ids: list[str]
    metrics: dict[str, Any]
    data_hash: str


def read_training(data: bytes) -> Training:
    """The metrics by name, (N,) each, NaN where empty.

    Raises:
        DataError: it is no such file.
    """
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8", "replace"))))
    if not rows or "strategy_id" not in rows[0]:
        raise DataError(f"{TRAINING} holds no strategies; make it again with 'barograph research backtest'")
    texts = {"strategy_id", "family", "strategy", *Stamp._fields}
    try:
        metrics = {
            name: np.array([float(row[name] or "nan") for row in rows])
            for name in rows[0]
            if name not in texts
        }
    except (ValueError, TypeError) as error:
        raise DataError(f"{TRAINING}: {error}; make it again with 'barograph research backtest'") from None
    return Training([row["strategy_id"] for row in rows], metrics, rows[0].get("data_hash") or "")


def best_json(named: Named, metrics: Metrics, plan: Plan, candidates: int, stamp: Stamp) -> bytes:
    """``best_strategy.json``."""
    return _json(
        {
            "strategy_id": named.id,
            "strategy": named.strategy,
            "description": str(named.strategy),
            "select_by": plan.select_by,
            "num_strategies": candidates,
            "training_metrics": metrics,
            **stamp._asdict(),
        }
    )


def best_id(data: bytes) -> str:
    """The selected strategy's id out of ``best_strategy.json``.

    Raises:
        DataError: it names none.
    """
    return str(_field(data, BEST, "strategy_id"))


def tries(data: bytes) -> int:
    """How many tries ``validation_results.json`` was judged by.

    Raises:
        DataError: it does not say.
    """
    return int(_field(data, VALIDATION, "tries"))


def _field(data: bytes, key: str, name: str) -> Any:
    try:
        return msgspec.json.decode(data)[name]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise DataError(
            f"{key} names no {name}; run 'barograph research {_STEP_BEFORE[key]}' again"
        ) from None


def validation_json(study: Study, fall: Fall, plan: Plan) -> bytes:
    """``validation_results.json``: the classic fields first, then what says whether it was luck."""
    gaps = ("win_rate_drop", "return_drop", "sharpe_drop")
    return _json(
        {
            "strategy_id": study.id_of(study.best),
            "strategy": study.best_train.strategy,
            "training_metrics": study.best_train.metrics,
            "validation_metrics": study.best_validation.metrics,
            "performance_gap": {name: study.gap[name] for name in gaps},
            "overfit": study.overfit,
            "selected_metric": {**fall._asdict(), "in_points": fall.in_points},
            "whole_metrics": study.best_whole.metrics,
            "verdict": study.verdict,
            "tries": study.tries,
            "honesty": honesty_fields(study.honesty),
            "accounting": study.accounting,
            "idealised_fills": study.idealised,
            "periods_per_year": study.periods_per_year,
            "num_strategies": len(study.train.strategies),
            "settings": plan,
            **Stamp(study.version, study.seed, study.data_hash)._asdict(),
        }
    )


def honesty_fields(honesty: Honesty) -> dict[str, Any]:
    """The honesty section as plain values; long series are left to the report."""
    return {field.name: _short(getattr(honesty, field.name)) for field in fields(honesty)}


def _short(value: Any) -> Any:
    """Dataclasses as objects; arrays of more than 64 values left out."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: _short(one) for name, one in inner.items() if not _long(one)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_short(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _short(one) for name, one in value.items()}
    return value


def _long(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 64


def _json(value: Mapping[str, Any]) -> bytes:
    """Indented, so that people can read it; NaN and infinities as null."""
    return msgspec.json.format(msgspec.json.encode(_finite(_short(value)), enc_hook=_plain), indent=2) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a result cannot hold {type(value).__name__}")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _counted(name, _finite(one)) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value


def _counted(name: str, value: Any) -> Any:
    return int(value) if name in _COUNTS and isinstance(value, float) else value
