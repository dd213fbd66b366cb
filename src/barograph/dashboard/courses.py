"""A study's strategies traded once more, for what its files do not keep: equity, and all in validation.

The same plan on the same prices gives the same numbers to the bit; where the prices are not the same
any more, this is refused with the reason, and the page shows the pictures that the study has drawn itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import streamlit as st

from barograph.dashboard.troubles import Unavailable, told_apart
from barograph.errors import DataError
from barograph.research import files
from barograph.research.files import Directory
from barograph.rows import Floats, Ints

if TYPE_CHECKING:
    from barograph.dashboard.studies import Place
    from barograph.research.preparing import Generated, Surroundings
    from barograph.research.trials import Ledger
    from barograph.settings import Settings
    from barograph.store.opening import Location

CELLS_MOST = 400_000_000
"""Strategies times bars that are traded for a page, in all; of more, the winner only."""


@dataclass(frozen=True)
class Courses:
    """What became of it.

    Attributes:
        symbol, bars, interval_us, first_us, last_us: the prices.
        times_us: (T,) starts of bars; winner, market: (T,) growth of 1.
        border_us: where validation begins.
        validation: (N,) the chosen metric of all strategies there; None: too many to trade for a page.
        reason: why there is nothing of all this; empty: there is.
    """

    symbol: str = ""
    bars: int = 0
    interval_us: int = 0
    first_us: int = 0
    last_us: int = 0
    times_us: Ints | None = None
    winner: Floats | None = None
    market: Floats | None = None
    border_us: int = 0
    validation: Floats | None = None
    reason: str = ""


def courses(settings: Settings, place: Place, winner: str, metric: str) -> Courses:
    """Trade the study's strategies again, once for each state of its files.

    Args:
        winner: id of the selected strategy.
        metric: the one that chose it.
    """
    from barograph.store.opening import Location

    return _courses(str(place.path), place.stamp, winner, metric, Location.of(settings))


@st.cache_resource(show_spinner="Trading the study's strategies once more …", max_entries=20)
def _courses(path: str, stamp: str, winner: str, metric: str, _where: Location) -> Courses:
    del stamp  # it names the state
    try:
        with told_apart():
            return _traded(Path(path), winner, metric, _where)
    except Unavailable as unavailable:
        return Courses(reason=unavailable.reason)


def _traded(path: Path, winner: str, metric: str, where: Location) -> Courses:
    from barograph.research.parts import swept, traded
    from barograph.research.preparing import begun
    from barograph.research.report.course import course

    _no_code(path)
    around = _around(path, where)
    generated = begun(around, None)
    ids = [entry.id for entry in generated.strategies]
    if winner not in ids:
        raise DataError(f"the selected strategy {winner} is not in {files.STRATEGIES} any more")
    best = ids.index(winner)
    bars = course(traded(generated, best, 0, None), generated.periods_per_year)
    validation = None
    if len(generated.strategies) * len(generated.prices) <= CELLS_MOST:
        validation = swept(generated, around, "", start=generated.split).metrics[metric]
    return _told(generated, bars.strategy, bars.market, validation)


def _told(generated: Generated, winner: Floats, market: Floats, validation: Floats | None) -> Courses:
    prices = generated.prices
    return Courses(
        symbol=prices.symbol,
        bars=len(prices),
        interval_us=prices.interval_us,
        first_us=int(prices.ts_us[0]),
        last_us=int(prices.ts_us[-1]) + prices.interval_us,
        times_us=prices.ts_us[-len(winner) :],
        winner=winner,
        market=market,
        border_us=int(prices.ts_us[generated.split]),
        validation=validation,
    )


class _Member(msgspec.Struct):
    family: str = ""


class _Members(msgspec.Struct):
    strategies: tuple[_Member, ...]


class _Kept(Directory):
    """A study that is looked at: a step that would write has found something else than there was."""

    def write_bytes(self, key: str, data: bytes) -> None:  # noqa: ARG002
        raise DataError("its prices are not those any more that the study was made of")


def _around(path: Path, where: Location) -> Surroundings:
    from barograph.research.preparing import Surroundings

    return Surroundings(results=_Kept(path), ledger=_none(path), folder=path, data_dir=where, workers=1)


def _none(path: Path) -> Ledger:
    """A ledger that is asked by nobody here: looking is no try."""
    from barograph.research.trials import Ledger

    return Ledger(path / "trials")


def _no_code(path: Path) -> None:
    """Nothing, unless trading the study would run code of its own.

    Raises:
        DataError: it would. To look at a page must never run a program that somebody has put there.
    """
    try:
        members = msgspec.json.decode((path / files.STRATEGIES).read_bytes(), type=_Members)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{files.STRATEGIES} cannot be read: {error}") from error
    if any(member.family == "python" for member in members.strategies):
        raise DataError("it has strategies in Python, and looking at a page runs nobody's program")
