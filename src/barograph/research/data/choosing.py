"""Which series of a source with several: one symbol, one venue, one interval."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from barograph.clock import US_PER_S
from barograph.errors import DataError, UsageError
from barograph.research.spans import span

_SHOWN = 10


class Series(NamedTuple):
    """A symbol at a venue; empty where the source does not say."""

    symbol: str
    venue: str = ""

    def __str__(self) -> str:
        return f"{self.symbol}@{self.venue}" if self.venue else self.symbol


def chosen_series(name: str, there: Iterable[Series], symbol: str | None) -> Series:
    """The one series that ``symbol`` names, ``SYMBOL`` or ``SYMBOL@VENUE``; None: the only one there is.

    Raises:
        DataError: there is none at all.
        UsageError: none of that name, or several; the message lists them.
    """
    known = sorted(set(there))
    if not known:
        raise DataError(f"{name} holds no bars")
    wanted = {each for each in known if symbol in (None, each.symbol, str(each))}
    if len(wanted) == 1:
        return wanted.pop()
    if wanted:
        raise UsageError(
            f"{name} has {_listed(sorted(wanted))}; say which one, such as --symbol {min(wanted)}"
        )
    like = difflib.get_close_matches(str(symbol), [each.symbol for each in known], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(dict.fromkeys(like))}?" if like else f"it has {_listed(known)}"
    raise UsageError(f"{name} has no {symbol!r}; {hint}")


def chosen_interval(name: str, there: Iterable[int], wanted_us: int | None) -> int:
    """Of intervals in seconds the one to read, in microseconds: the longest that ``wanted_us`` is made of.

    Raises:
        UsageError: several, and none is wanted; or none that fits.
    """
    known = sorted({seconds * US_PER_S for seconds in there})
    shown = ", ".join(span(each) for each in known)
    if wanted_us is None:
        if len(known) != 1:
            raise UsageError(f"{name} has bars of {shown}; say which, such as --interval {span(known[0])}")
        return known[0]
    fitting = [each for each in known if wanted_us % each == 0]
    if not fitting:
        raise UsageError(f"{name} has bars of {shown}; {span(wanted_us)} cannot be made of them")
    return fitting[-1]


def _listed(known: list[Series]) -> str:
    shown = ", ".join(str(each) for each in known[:_SHOWN])
    return f"{shown} and {len(known) - _SHOWN} more" if len(known) > _SHOWN else shown
