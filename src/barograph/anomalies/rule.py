"""What a rule is, and what rules share.

A rule looks at one instrument's :class:`~barograph.anomalies.history.Series` and says
which minutes are crossings. It is a pure function of the bars, it looks at most
``LOOKBACK`` minutes back, and it computes its windows anew each time, by sums that are
rounded once (``math.fsum``) or added up in one order.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import msgspec

from barograph.anomalies.history import Series
from barograph.anomalies.settings import LOOKBACK


class Crossing(NamedTuple):
    """A minute at which a rule's threshold is crossed; ``detail`` is compact JSON."""

    score: float
    detail: str


class Rule(Protocol):
    """One kind of anomaly.

    Attributes:
        kind: its name, as in the table.
        wide: whether it depends on the other instruments of the venue.
        threshold: as in the table.
    """

    kind: ClassVar[str]
    wide: ClassVar[bool]

    @property
    def threshold(self) -> float: ...

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        """Minutes ``[start, stop)`` of the rows that can change when bars of minutes low to high do.

        Those bars are the instrument's own, or any of the venue's for a wide rule.
        """
        ...

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        """The crossings with ``start <= minute < stop``, by minute, ascending."""
        ...


def after_bars(series: Series, low: int, high: int, bars: int) -> tuple[int, int]:
    """The reach of a rule that looks ``bars`` bars back."""
    newest = int(series.minute[-1])
    if high < newest:
        last = int(series.minute.searchsorted(high, side="right")) + bars
        newest = int(series.minute[min(last, len(series.minute)) - 1])
    return low, newest + 1


def before(series: Series, at: int, bars: int) -> slice:
    """The bars, at most ``bars`` of them, that a rule compares bar ``at`` with."""
    oldest = int(series.minute[:at].searchsorted(series.minute[at] - LOOKBACK))
    return slice(max(oldest, at - bars), at)


def as_json(**values: float) -> str:
    """Compact JSON with six significant digits; NaN as null."""
    short = {name: float(f"{value:.6g}") for name, value in values.items()}
    whole = {name: int(value) if value.is_integer() else value for name, value in short.items()}
    return msgspec.json.encode(whole).decode()
