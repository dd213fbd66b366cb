"""``barograph research check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.options import COMMON, CommonOptions
from barograph.cli.output import write, write_object
from barograph.cli.progress import progress
from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    from barograph.research.lookahead import Report

_MOST_BARS = 5_000


def check(
    function: str,
    /,
    *,
    data: str = "arch:sp500",
    symbol: str | None = None,
    args: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    bars: int = _MOST_BARS,
    points: int | None = None,
    seed: int = 0,
    common: CommonOptions = COMMON,
) -> int:
    """Try whether a strategy of your own looks ahead: does a signal change when later bars change?

    The function gets a Polars frame of bars (ts, open, high, low, close, volume) and returns a position
    a bar: 1 long, 0 flat, -1 short, NaN to go on as before. The first bar and the column that leak are
    named; so are randomness, errors on short data and dependence on where the data begins. The exit code
    is 4 unless it is found honest.

    Parameters
    ----------
    function
        FILE.py:function.
    data
        Where the bars are from: arch:sp500, a CSV or Parquet file, a data directory.
    symbol
        Which one, where there are several.
    args
        Arguments of the function: window=20 and so on.
    bars
        Only the last so many; 0 takes all.
    points
        Bars after which the data are cut off or changed, three calls each.
    seed
        Of their choice.
    """
    from barograph.research.data import load
    from barograph.research.lookahead import POINTS
    from barograph.research.lookahead import check as check_it
    from barograph.store.opening import Location
    from barograph.strategies.families.python import frame
    from barograph.strategies.families.python import load as load_function

    settings = common.settings()
    found = load_function(function)
    prices = load(data, symbol, data_dir=Location.of(settings)).prices
    given = frame(prices.take(slice(-bars, None) if bars > 0 else slice(None)))
    with progress("checking", quiet=common.quiet) as report:
        made = check_it(
            found,
            given,
            arguments(args or ()),
            name=function,
            points=POINTS if points is None else points,
            seed=seed,
            progress=report,
        )
    _show(made, as_json=common.json)
    return 0 if made.honest else DataError.exit_code


def arguments(given: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """``k=v`` words as arguments: whole numbers, numbers, or text.

    >>> arguments(["window=20", "level=0.5", "kind=ema"])
    {'window': 20, 'level': 0.5, 'kind': 'ema'}

    Raises:
        UsageError: a word is no such pair.
    """
    found: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--args {word!r} is not NAME=VALUE, such as window=20")
        found[name] = _value(value)
    return found


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _show(report: Report, *, as_json: bool) -> None:
    if not as_json:
        write("".join(f"{line}\n" for line in report.lines))
        return
    from dataclasses import asdict

    write_object({"honest": report.honest, **asdict(report), "words": report.lines}, as_json=True)
