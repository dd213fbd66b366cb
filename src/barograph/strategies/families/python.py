"""A function of the user's own: bars in, positions out."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from barograph.errors import DataError, UsageError
from barograph.rows import Floats
from barograph.strategies.families.family import Family, Parameter, Params
from barograph.strategies.families.signals import HOLD
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Rules
from barograph.strategies.strategy import Strategy

if TYPE_CHECKING:
    import polars as pl

_CODE_DIGITS = 12


def load(path: str) -> Callable[..., Any]:
    """The function of ``FILE.py:function``.

    Raises:
        UsageError: no such file or function, or the file cannot be run.
    """
    file, name = _parts(path)
    source = _source(file, path)
    spec = importlib.util.spec_from_file_location(f"barograph_strategy_{file.stem}", file)
    if spec is None:
        raise UsageError(f"python: {file} is no Python file; path must be FILE.py:function, it is {path!r}")
    module = importlib.util.module_from_spec(spec)
    try:
        # Not through the import system's cache, which goes by whole seconds and would miss a quick change.
        exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102
    except Exception as error:
        raise UsageError(
            f"python: {file} cannot be run: {type(error).__name__}: {error}; to see where: python {file}"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        there = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise UsageError(f"python: {file} has no function {name!r}; it has {', '.join(there) or 'none'}")
    return found  # type: ignore[no-any-return]


def frame(bars: Prices) -> pl.DataFrame:
    """The bars as the function gets them: ts (UTC), open, high, low, close, volume."""
    import polars as pl

    columns: dict[str, Any] = {
        name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")
    }
    ts = pl.Series("ts", bars.ts_us).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"ts": ts, **columns})


def called(function: Callable[..., Any], path: str, bars: pl.DataFrame, arguments: Params) -> Floats:
    """The positions that ``function`` wants, one a bar: -1, 0, 1, or NaN to go on as before.

    Raises:
        DataError: it fails, or returns something else.
    """
    try:
        returned = function(bars, **arguments)
    except Exception as error:
        raise DataError(
            f"python: {path} failed on {len(bars)} bars: {type(error).__name__}: {error}; "
            "it is called with a Polars frame and its own parameters as keywords"
        ) from error
    try:
        positions = np.array(returned, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"python: {path} returned a {type(returned).__name__} that is no row of numbers ({error}); "
            "return one position a bar: -1, 0, 1, or NaN to go on as before"
        ) from error
    return _sound(positions, path, len(bars))


def _sound(positions: Floats, path: str, bars: int) -> Floats:
    if positions.shape != (bars,):
        raise DataError(
            f"python: {path} returned shape {positions.shape} for {bars} bars; return one position a bar"
        )
    wrong = np.flatnonzero(~(np.isin(positions, (-1.0, 0.0, 1.0)) | np.isnan(positions)))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"python: {path} returned {positions[row]} for bar {row}; "
            "a position is -1, 0, 1, or NaN to go on as before"
        )
    return positions


def _parts(path: str) -> tuple[Path, str]:
    file, colon, name = path.rpartition(":")
    if not colon or not name.isidentifier() or not file.endswith(".py"):
        raise UsageError(f"python: path is {path!r}, it must be FILE.py:function")
    return Path(file), name


def _source(file: Path, path: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"python: {path!r} cannot be read: {error.strerror} ({file.resolve()}); "
            "give the path from the folder that you are in, or the whole path"
        ) from error


def _settled(strategy: Strategy) -> Strategy:
    """With the digest of the file: changed code is another strategy, and another try."""
    path, told = str(strategy.params["path"]), strategy.params["code"]
    code = hashlib.sha256(_source(_parts(path)[0], path)).hexdigest()[:_CODE_DIGITS]
    if told not in ("", code):
        raise UsageError(
            f"python: {path} has changed since this strategy was written down (code {told}, now {code}); "
            "leave out 'code' to take it as it is now, or bring the old file back"
        )
    return msgspec.structs.replace(strategy, params={**strategy.params, "code": code})


def _external(strategy: Strategy, bars: Prices, first: int) -> Floats:  # noqa: ARG001
    path = str(strategy.params["path"])
    arguments = {name: value for name, value in strategy.params.items() if name not in ("path", "code")}
    return called(load(path), path, frame(bars), arguments)


def _rules(params: Params) -> Rules:  # noqa: ARG001
    return HOLD


PYTHON = Family(
    name="python",
    about="holds during the next bar what a function of your own says at this one",
    parameters=(
        Parameter("path", "FILE.py:function", None, kind="text"),
        Parameter("code", "first digits of the file's SHA-256; filled in", "", kind="text"),
    ),
    rules=_rules,
    external=_external,
    by_bar=False,
    settled=_settled,
    open_params=True,
    drawable=False,
    usual=False,
)
