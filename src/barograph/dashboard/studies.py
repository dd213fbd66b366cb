"""Past studies: where they are, how far each has come, and what it found.

A study is a folder with the files of ``research.files``. It is read as it lies there: no code of a study is
run, and nothing is written. What was computed for its verdict is taken from its files, never made again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import streamlit as st

from barograph.dashboard.troubles import Unavailable, told_apart
from barograph.research import files
from barograph.rows import Floats

if TYPE_CHECKING:
    import polars as pl

    from barograph.settings import Settings

MOST = 200
"""Studies that are listed, the newest."""

STEPS = (
    (files.STRATEGIES, "generate"),
    (files.TRAINING, "backtest"),
    (files.BEST, "select"),
    (files.VALIDATION, "validate"),
    (files.REPORT, "visualize"),
)
"""What each step leaves behind, in order."""


class Place(NamedTuple):
    """A study's folder.

    Attributes:
        name: as it is listed.
        stamp: changes when one of its files does.
        next_step: of ``barograph research``, that is still to be done; empty: none is.
        changed_ns: when its newest file was written.
    """

    name: str
    path: Path
    stamp: str
    next_step: str
    changed_ns: int

    @property
    def is_judged(self) -> bool:
        """Whether there is a verdict."""
        return self.next_step in ("", "visualize")


class Words(msgspec.Struct, frozen=True):
    """The verdict, as the study has it."""

    skill: bool
    headline: str
    reasons: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """The settings that the story tells."""

    source: str
    symbol: str | None = None
    interval: str | None = None
    train: float = 0.7


class Fall(msgspec.Struct, frozen=True):
    """The chosen metric, in training and in validation."""

    metric: str
    training: float | None = None
    validation: float | None = None
    in_points: bool = False


class Sharpe(msgspec.Struct, frozen=True):
    """What the winner's Sharpe ratio is worth; see ``research.outcome.SharpeEvidence``."""

    sharpe: float | None
    annual: float | None
    dsr: float | None
    tries: int
    expected_max: float | None

    @property
    def yearly(self) -> float | None:
        """What turns a ratio per period into one per year."""
        return self.annual / self.sharpe if self.sharpe and self.annual is not None else None

    @property
    def expected_annual(self) -> float | None:
        """The annual ratio that the best of so many tries shows by luck."""
        if self.expected_max is None or self.yearly is None:
            return None
        return self.expected_max * self.yearly


class Overfitting(msgspec.Struct, frozen=True):
    """Probability of overfitting, over all ways to halve so many blocks."""

    probability: float | None
    blocks: int


class WalkForward(msgspec.Struct, frozen=True):
    """Selecting anew, window by window."""

    anchored: bool
    starts_us: tuple[int, ...]
    in_sample: tuple[float | None, ...]
    out_of_sample: tuple[float | None, ...]
    efficiency: float | None = None


class Noise(msgspec.Struct, frozen=True):
    """The best of the same study on prices without a pattern."""

    metric: str
    noise: tuple[float | None, ...]
    p_value: float | None = None


class Honesty(msgspec.Struct, frozen=True):
    """What says whether it was luck; None where it could not be told, ``missing`` says why."""

    sharpe: Sharpe | None = None
    overfitting: Overfitting | None = None
    walk_forward: tuple[WalkForward, ...] = ()
    noise: Noise | None = None
    missing: dict[str, str] = {}


class Winner(msgspec.Struct, frozen=True):
    """The selected strategy."""

    family: str
    params: dict[str, int | float | str] = {}

    def __str__(self) -> str:
        shown = ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={str(value)[:16]}"
            for name, value in self.params.items()
        )
        return f"{self.family}({shown})"


Metrics = dict[str, float | None]


class Judged(msgspec.Struct, frozen=True):
    """``validation_results.json``, as far as it is told."""

    strategy_id: str
    strategy: Winner
    training_metrics: Metrics
    validation_metrics: Metrics
    whole_metrics: Metrics
    overfit: bool
    selected_metric: Fall
    verdict: Words
    tries: int
    honesty: Honesty
    accounting: str
    num_strategies: int
    settings: Asked
    version: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """``training_performance.csv``: all that were tried.

    Attributes:
        ids: (N,); families: name -> how many; metrics: name -> (N,), NaN where undefined.
    """

    ids: tuple[str, ...]
    families: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Floats] = field(default_factory=dict)


def places(settings: Settings) -> list[Place]:
    """Every study there, the newest first: the folder itself, and those in it.

    Raises:
        Unavailable: the folder cannot be read.
    """
    root = files.studies_folder(settings)
    with told_apart():
        if not root.is_dir():
            return []
        inside = sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
        found = [place for each in (root, *inside) if (place := _place(each)) is not None]
    return sorted(found, key=lambda place: -place.changed_ns)[:MOST]


def _place(path: Path) -> Place | None:
    stats = {key: stat for key, _ in STEPS if (stat := _stat(path / key)) is not None}
    if files.STRATEGIES not in stats and files.VALIDATION not in stats:
        return None
    stamp = ",".join(f"{ns}.{size}" for ns, size in stats.values())
    missing = next((step for key, step in STEPS if key not in stats), "")
    return Place(path.name or str(path), path, stamp, missing, max(ns for ns, _ in stats.values()))


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def judged(place: Place) -> Judged:
    """What the study found.

    Raises:
        Unavailable: it cannot be read, or another version has written it.
    """
    with told_apart():
        return _judged(str(place.path), place.stamp)


def trained(place: Place) -> Trained:
    """All that were tried, with their metrics in training.

    Raises:
        Unavailable: it cannot be read.
    """
    with told_apart():
        return _trained(str(place.path), place.stamp)


@st.cache_resource(show_spinner=False, max_entries=MOST)
def _judged(path: str, stamp: str) -> Judged:
    del stamp  # it names the state
    data = (Path(path) / files.VALIDATION).read_bytes()
    try:
        return msgspec.json.decode(data, type=Judged)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"{files.VALIDATION} of the study at {path} cannot be read: {error}.",
            f"barograph research validate --out {path}",
        ) from error


@st.cache_resource(show_spinner=False, max_entries=20)
def _trained(path: str, stamp: str) -> Trained:
    import polars as pl

    del stamp
    try:
        rows = pl.read_csv(
            io.BytesIO((Path(path) / files.TRAINING).read_bytes()),
            infer_schema_length=None,
            schema_overrides={"strategy_id": pl.String, "family": pl.String, "strategy": pl.String},
        )
        return _of_rows(rows)
    except (pl.exceptions.PolarsError, FileNotFoundError) as error:
        raise Unavailable(
            f"{files.TRAINING} of the study at {path} cannot be read: {error}.",
            f"barograph research backtest --out {path}",
        ) from error


def _of_rows(rows: pl.DataFrame) -> Trained:
    import polars as pl

    texts = {"strategy_id", "family", "strategy", *files.Stamp._fields}
    numbers = rows.select(pl.exclude(*texts).cast(pl.Float64))
    counted = rows["family"].value_counts()
    return Trained(
        ids=tuple(rows["strategy_id"]),
        families=dict(zip(counted["family"].to_list(), counted["count"].to_list(), strict=True)),
        metrics={name: _floats(numbers[name]) for name in numbers.columns},
    )


def _floats(column: pl.Series) -> Floats:
    """As an array that nobody can change: all viewers share it."""
    values: Floats = np.array(column.fill_null(float("nan")).to_numpy())
    values.flags.writeable = False
    return values
