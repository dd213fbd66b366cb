"""Does a strategy look at what comes after the bar that it decides on?

A causal function's positions up to bar k cannot depend on bars after k. So it is called on the data
cut off after k, and on the data with the bars after k changed, for many k, and its positions up to
k are compared with those on the data as they are. Where only one column is changed at a time, the
column that leaks shows. A check by trying can prove a leak and never its absence: k is therefore
chosen where it counts, at and just before the bars at which the positions change, and spread over the rest.

Three things that are no look-ahead are told apart from it:

* positions that differ although nothing was changed (randomness without a seed, a function with a memory);
* errors on short data: in live operation there is a first bar;
* positions that depend on where the data begins (recursive indicators such as an EMA): how many bars
  it takes until they agree again with those of an earlier beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.rows import Floats, Ints
from barograph.strategies.families.python import called

if TYPE_CHECKING:
    import polars as pl

Function = Callable[..., Any]
Progress = Callable[[int, int], None]

LEAST_BARS = 50
"""With fewer there is no room for a past and a future."""

POINTS = 36
"""Bars after which the data are cut off or changed, when nothing else is said."""

COLUMNS = ("close", "open", "high", "low", "volume", "ts")
"""Of the frame, in the order in which a leak is looked for."""

COUNT = "the number of bars"
"""What leaks when no column of later bars does, but whether they are there."""

_SHORT = (1, 2, 5, 10, 20, 50, 100)
_PRICES = ("open", "high", "low", "close")
_TELLING = 10
"""Cuts at which it is told which column leaks, of those that show a leak."""

_LATE_PART = 0.1
"""A difference in this last part of the data means that the positions never agree."""


@dataclass(frozen=True)
class Leak:
    """A bar whose position depends on later bars.

    Attributes:
        bar, ts: the first such bar, and its start as text.
        cut: bars after this one were changed or taken away.
        columns: which of them, changed alone, change the position; or :data:`COUNT`.
        position, changed: held at ``bar``, on the data as they are and as they were changed.
    """

    bar: int
    ts: str
    cut: int
    columns: tuple[str, ...]
    position: float
    changed: float

    def __str__(self) -> str:
        what = " or ".join(self.columns)
        if self.columns == (COUNT,):
            how = f"depends on {COUNT} that come after bar {self.cut}"
        else:
            how = f"changes when {what} of later bars changes"
        return f"bar {self.bar} ({self.ts}): the signal {how}: {self.position:g} becomes {self.changed:g}"


@dataclass(frozen=True)
class Failure:
    """The function raised, or returned no positions.

    Attributes:
        bars: how many it was given.
        error: what it said.
    """

    bars: int
    error: str


@dataclass(frozen=True)
class WarmUp:
    """How long positions depend on where the data begins.

    Attributes:
        bars: until they agree for good with those of an earlier beginning; None: they never do.
        starts: the later beginnings that were tried.
    """

    bars: int | None
    starts: tuple[int, ...]

    def __str__(self) -> str:
        if self.bars is None:
            return "the signal never becomes independent of where the data begins"
        if not self.bars:
            return "the signal does not depend on where the data begins"
        return f"the signal depends on where the data begins for {self.bars} bars"


@dataclass(frozen=True)
class Report:
    """What the check found.

    Attributes:
        name: of the function.
        bars: of the data.
        calls: of the function.
        cuts: bars after which the data were cut off or changed.
        deterministic: whether the same data twice gave the same positions; if not, nothing else is told.
        leak: the first one, or None.
        failures: by number of bars, ascending.
        active: bars with a position other than 0.
        warm_up: None where it could not be told.
    """

    name: str
    bars: int
    calls: int
    cuts: tuple[int, ...]
    deterministic: bool
    leak: Leak | None
    failures: tuple[Failure, ...]
    active: int
    warm_up: WarmUp | None

    @property
    def honest(self) -> bool:
        """No leak was found, and everything that was tried could be compared."""
        return self.deterministic and self.leak is None and not self.failures and self.active > 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The report in words, the most important first."""
        return tuple(_lines(self))


def check(
    function: Function,
    frame: pl.DataFrame,
    arguments: Mapping[str, Any] | None = None,
    *,
    name: str = "strategy",
    points: int = POINTS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Try whether ``function`` looks ahead.

    Args:
        function: as the family ``python`` takes it: a frame of bars in, a position (-1, 0, 1, or NaN to
            go on as before) a bar out.
        frame: the bars: ts (UTC), open, high, low, close, volume.
        arguments: passed on by keyword.
        name: for messages.
        points: bars after which the future is changed; three calls each, on all bars.
        seed: of their choice and of the changes; the same seed, the same report.
        progress: called with how many points are done, and how many there are.

    Raises:
        UsageError: too few bars.
        DataError: the function fails on the whole data.

    >>> import numpy as np
    >>> from datetime import UTC, datetime, timedelta
    >>> import polars as pl
    >>> close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 300)))
    >>> ts = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(300)]
    >>> prices = {name: close for name in ("open", "high", "low", "close")}
    >>> bars = pl.DataFrame({"ts": ts, **prices, "volume": np.ones(300)})
    >>> check(lambda bars: bars["close"] > bars["close"].rolling_mean(20).fill_null(1e9), bars).honest
    True
    >>> check(lambda bars: bars["close"] > bars["close"].mean(), bars).leak.columns[0]
    'close'
    """
    if frame.height < LEAST_BARS:
        raise UsageError(f"{frame.height} bars are too few to check on; take at least {LEAST_BARS}")
    trial = _Trial(function, name, dict(arguments or {}), frame, np.random.default_rng(seed))
    base = trial.positions(frame)
    if not _agree(base, trial.positions(frame)):
        return trial.report((), deterministic=False, base=base)
    base = _held(base)
    cuts = _cuts(base, points, trial.random)
    leak = _first_leak(trial, base, cuts, progress)
    warm_up = _warm_up(trial, base) if leak is None else None
    return trial.report(tuple(cuts), base=base, leak=leak, warm_up=warm_up)


class _Trial:
    """A function under trial: it is called on frames, and what it fails on is kept."""

    def __init__(
        self,
        function: Function,
        name: str,
        arguments: dict[str, Any],
        frame: pl.DataFrame,
        random: np.random.Generator,
    ) -> None:
        self.frame = frame
        self.random = random
        self._function = function
        self._name = name
        self._arguments = arguments
        self._calls = 0
        self._failures: dict[int, str] = {}

    def positions(self, frame: pl.DataFrame) -> Floats:
        """The function's positions on ``frame``.

        Raises:
            DataError: it fails.
        """
        self._calls += 1
        # A copy: columns may be put into a frame in place.
        return called(self._function, self._name, frame.clone(), self._arguments)

    def tried(self, frame: pl.DataFrame) -> Floats | None:
        """The same; None where it fails, which is kept for the report."""
        try:
            return self.positions(frame)
        except DataError as error:
            self._failures.setdefault(frame.height, str(error))
            return None

    def report(
        self,
        cuts: tuple[int, ...],
        *,
        base: Floats,
        deterministic: bool = True,
        leak: Leak | None = None,
        warm_up: WarmUp | None = None,
    ) -> Report:
        """What has come out."""
        failures = tuple(Failure(bars, error) for bars, error in sorted(self._failures.items()))
        active = int(np.count_nonzero(_held(base)))
        return Report(
            self._name, self.frame.height, self._calls, cuts, deterministic, leak, failures, active, warm_up
        )


def _cuts(base: Floats, points: int, random: np.random.Generator) -> list[int]:
    """Bars after which the future is changed: half of them where positions change, half anywhere."""
    last = len(base) - 2
    even = np.linspace(0, last, points // 4 + 2).astype(np.int64)[1:]
    anywhere = random.integers(0, last + 1, points // 4)
    changes: Ints = np.flatnonzero(base[1:] != base[:-1])
    if len(changes) > points // 4:
        changes = random.choice(changes, points // 4, replace=False)
    # The position changes from `changes` to the bar after it: both are tried as the last that is known.
    chosen = np.concatenate([even, anywhere, changes, np.minimum(changes + 1, last)])
    return sorted({int(cut) for cut in chosen})


def _first_leak(trial: _Trial, base: Floats, cuts: Sequence[int], progress: Progress | None) -> Leak | None:
    """The leak at the earliest bar, of all that the cuts show."""
    found: list[tuple[int, int, float, float]] = []
    whole = trial.frame
    short = [bars - 1 for bars in _SHORT if bars < whole.height]
    for done, cut in enumerate([*short, *cuts]):
        futures = [whole.head(cut + 1)]
        if done >= len(short):
            futures += [_changed(whole, cut, COLUMNS, direction, trial.random) for direction in (1.0, -1.0)]
        for future in futures:
            positions = trial.tried(future)
            if positions is not None:
                found += _difference(base, positions, cut)
        if progress is not None:
            progress(done + 1, len(short) + len(cuts))
    if not found:
        return None
    bar, cut, position, changed = min(found, key=lambda each: (each[0], each[1]))
    return Leak(bar, _shown(whole, bar), cut, _columns(trial, base, found), position, changed)


def _difference(base: Floats, positions: Floats, cut: int) -> Iterator[tuple[int, int, float, float]]:
    """The first bar up to ``cut`` at which another position is held, if there is one."""
    held = _held(positions)
    differs = np.flatnonzero(held[: cut + 1] != base[: cut + 1])
    if len(differs):
        bar = int(differs[0])
        yield bar, cut, float(base[bar]), float(held[bar])


def _columns(trial: _Trial, base: Floats, found: Sequence[tuple[int, int, float, float]]) -> tuple[str, ...]:
    """The columns that change a position when they alone are changed after the cuts that showed a leak."""
    cuts = sorted({cut for _, cut, _, _ in found})
    if len(cuts) > _TELLING:
        cuts = [cuts[place] for place in np.linspace(0, len(cuts) - 1, _TELLING).astype(int).tolist()]
    names = []
    for column in COLUMNS:
        for cut in cuts:
            if any(_leaks(trial, base, cut, column, direction) for direction in (1.0, -1.0)):
                names.append(column)
                break
    return tuple(names) or (COUNT,)


def _leaks(trial: _Trial, base: Floats, cut: int, column: str, direction: float) -> bool:
    try:
        positions = trial.positions(_changed(trial.frame, cut, (column,), direction, trial.random))
    except DataError:
        return False  # a column alone makes bars that cannot be (a close above the high): it may refuse them
    return any(_difference(base, positions, cut))


def _changed(
    frame: pl.DataFrame, cut: int, columns: Sequence[str], direction: float, random: np.random.Generator
) -> pl.DataFrame:
    """The frame with ``columns`` of the bars after ``cut`` gone another way, and all else as it is.

    Prices jump by a half in the ``direction`` and walk on from there, all four of a bar by the
    same factor, so that with all of them changed each bar is still sound. Times move away or closer.
    """
    import polars as pl

    later = frame.height - cut - 1
    steps = random.normal(0.002 * direction, 0.03, later)
    factor = np.exp(np.clip(0.5 * direction + np.cumsum(steps), -3.0, 3.0))
    known = np.ones(cut + 1)
    prices = np.concatenate([known, factor])
    volumes = np.concatenate([known, np.exp(2.0 * direction + random.normal(0.0, 1.0, later))])
    changed: list[pl.Expr | pl.Series] = []
    for name in columns:
        if name == "ts":
            changed.append(_moved(frame["ts"], cut, direction, random))
        else:
            changed.append(frame[name] * pl.Series(prices if name in _PRICES else volumes))
    return frame.with_columns(changed)


def _moved(ts: pl.Series, cut: int, direction: float, random: np.random.Generator) -> pl.Series:
    """The times with those after ``cut`` up to thrice as far from each other, or ten times closer."""
    import polars as pl

    us = ts.dt.epoch("us").to_numpy()
    steps = np.diff(us)[cut:]
    stretched = (
        steps * random.integers(1, 4, len(steps)) + steps if direction > 0 else np.maximum(steps // 10, 1)
    )
    moved = np.concatenate([us[: cut + 1], us[cut] + np.cumsum(stretched)])
    return pl.Series(ts.name, moved).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(ts.dtype)


def _warm_up(trial: _Trial, base: Floats) -> WarmUp | None:
    """Begin later and see when the held positions are those of the whole data again."""
    bars = trial.frame.height
    starts = tuple(dict.fromkeys((bars // 8, bars // 4, bars // 2)))
    longest = 0
    for start in starts:
        positions = trial.tried(trial.frame.slice(start))
        if positions is None:
            return None
        differs = np.flatnonzero(_held(positions) != base[start:])
        settled = int(differs[-1]) + 1 if len(differs) else 0
        if settled > (1 - _LATE_PART) * (bars - start):
            return WarmUp(None, starts)
        longest = max(longest, settled)
    return WarmUp(longest, starts)


def _held(positions: Floats) -> Floats:
    """The positions that are held: NaN means to go on as before, and before the first nothing is held."""
    known = np.where(np.isnan(positions), 0, np.arange(1, len(positions) + 1))
    last = np.maximum.accumulate(known)
    return np.where(last == 0, 0.0, positions[last - 1])


def _agree(one: Floats, other: Floats) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _shown(frame: pl.DataFrame, bar: int) -> str:
    """A bar's start: the day alone where bars begin at midnight."""
    moment = frame["ts"][bar]
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return text.removesuffix(" 00:00:00").removesuffix(":00") if moment.second == 0 else text


def _lines(report: Report) -> Iterator[str]:
    tried = f"{report.name}: {report.bars:,} bars, {len(report.cuts)} cuts, {report.calls} calls"
    if not report.deterministic:
        yield f"{tried}: not deterministic"
        yield "the same data twice gave different signals: seed its randomness, and keep no state outside"
        return
    if report.leak is not None:
        yield f"{tried}: looks ahead"
        yield str(report.leak)
    elif report.failures:
        yield f"{tried}: no look-ahead was seen, but it failed on some data and so is not shown to be honest"
    elif not report.active:
        yield f"{tried}: it never takes a position, so that nothing could be seen"
    else:
        yield f"{tried}: no look-ahead was found"
    for failure in _ends(report.failures):
        yield f"failed on {failure.bars} bars: {failure.error}"
    if report.warm_up is not None:
        yield f"{report.warm_up} (begun at bars {', '.join(map(str, report.warm_up.starts))})"


def _ends(failures: Sequence[Failure]) -> Sequence[Failure]:
    """The first and the last: between them it is the same story."""
    return failures if len(failures) <= 2 else (failures[0], failures[-1])
