"""The book of series: their minutes, which of them are to be written, and what is let go of.

Minutes stay in memory for ``RETAIN_MINUTES``. Older ones that had no rows are remembered in stretches
(:class:`~barograph.coverage.state.Past`), so that a refill may still change them; those that lack trades
which are awaited stay as they are. What is left of all others is that they were written.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from barograph.clock import MINUTE_US
from barograph.coverage.chains import DENSE_VENUES
from barograph.coverage.rows import State
from barograph.coverage.state import FOREVER, Claim, LedgerState, Minute, Past, Series
from barograph.gaps import Channel

RETAIN_MINUTES = 60
SWEEP_MINUTES = 10
MOST_AWAITED = 1440
MOST_PAST = 64
MOST_BLANKS = 100
_NEIGHBOURS = 1440
"""Minutes closed for good with no more than so many between them are one stretch."""

Key = tuple[str, str, str]


class Book:
    """All series of a ledger's state, by number and by name.

    Attributes:
        claimed: series that are asked for, or were and are not written to the end, by name.
        asked: bool, shape (series,): whether each was asked for when that was last noted.
    """

    def __init__(self, state: LedgerState) -> None:
        self.state = state
        self._numbers = {key_of(one): number for number, one in enumerate(state.series)}
        self.claimed: list[int] = []
        self.asked = np.zeros(0, dtype=np.bool_)
        self.order_claimed()

    def __getitem__(self, number: int) -> Series:
        return self.state.series[number]

    def number(self, venue: str, symbol: str, channel: str) -> int:
        """The series of that name, a new one if need be."""
        key = (venue, symbol, channel)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.state.series)
            numbered = channel == Channel.TRADES and venue in DENSE_VENUES
            self.state.series.append(Series(*key, numbered=numbered))
        return found

    def known(self, venue: str, symbol: str, channel: str) -> int | None:
        """The series of that name, if there is one."""
        return self._numbers.get((venue, symbol, channel))

    def in_order(self) -> list[int]:
        """The numbers of all series, by name: numbers themselves depend on how the tape was cut."""
        return [self._numbers[key] for key in sorted(self._numbers)]

    def order_claimed(self) -> None:
        """Note anew which series are asked for, or were and are not written to the end."""
        self.claimed = [
            number
            for number in self.in_order()
            if self[number].claims and self[number].next_minute * MINUTE_US < self[number].claims[-1].to_us
        ]
        self.asked = np.zeros(len(self.state.series), dtype=np.bool_)
        self.asked[[number for number in self.claimed if self[number].claim is not None]] = True

    def count(self, number: int, minute: int, messages: int, repaired: int) -> None:
        """Rows of a minute have come."""
        series = self.state.series[number]
        entry = series.minutes.get(minute) or self._entry(series, minute)
        if entry is None:
            self.state.lost_rows += messages
            return
        if entry.revision >= 0 or not entry.messages:
            self.write(number, minute)  # one that was never written waits already
        entry.messages += messages
        entry.repaired += repaired

    def write(self, number: int, minute: int) -> None:
        """That minute's row is to be written, or looked at again."""
        self.state.pending.setdefault(minute, set()).add(number)

    def visit(self, number: int, minute: int) -> None:
        """A minute of a claim is over: if nothing came, its row has yet to be thought of."""
        series = self[number]
        if minute not in series.minutes and _place(series.past, minute) is None:
            series.minutes[minute] = Minute()
            self.write(number, minute)

    def again(self, number: int, begin_us: int, end_us: int, deep: bool = False) -> None:
        """What is known of that time has changed: look again at its minutes that were looked at.

        Args:
            deep: at those in the past, too, not only at those in memory.
        """
        series = self[number]
        first, last = begin_us // MINUTE_US, (min(end_us, self.state.now_us + MINUTE_US)) // MINUTE_US
        for minute in [minute for minute in series.minutes if first <= minute <= last]:
            self.write(number, minute)
        if not deep:
            return
        for past in [p for p in series.past if p.state and p.first <= last and first <= p.last]:
            for minute in range(max(first, past.first), min(last, past.last) + 1):
                if minute * MINUTE_US >= series.floor_us and self._entry(series, minute) is not None:
                    self.write(number, minute)

    def sweep(self, now_us: int) -> None:
        """Let go of what is old; at the same places of the tape however it is cut."""
        minute = now_us // MINUTE_US
        if abs(minute - self.state.swept_minute) < SWEEP_MINUTES:
            return
        self.state.swept_minute = minute
        for number, series in enumerate(self.state.series):
            self._forget(number, series, minute - RETAIN_MINUTES - series.delay_us // MINUTE_US)

    def _entry(self, series: Series, minute: int) -> Minute | None:
        """A minute in memory, taken back from the past or new; None where it is closed for good."""
        entry = series.minutes.get(minute)
        if entry is not None:
            return entry
        at = _place(series.past, minute)
        if at is None:
            entry = series.minutes[minute] = Minute()
            return entry
        past = series.past[at]
        if not past.state:
            return None
        series.minutes[minute] = entry = Minute(state=past.state, reason="", revision=past.revision)
        rest = (Past(past.first, minute - 1, *_what(past)), Past(minute + 1, past.last, *_what(past)))
        series.past[at : at + 1] = [one for one in rest if one.first <= one.last]
        return entry

    def _forget(self, number: int, series: Series, before: int) -> None:
        pending = self.state.pending
        old = sorted(m for m in series.minutes if m < before and number not in pending.get(m, ()))
        if not old:
            return
        awaits = series.channel == Channel.TRADES and _awaits(series)
        kept = [m for m in old if awaits and _may_change(series.minutes[m])][-MOST_AWAITED:]
        for minute in sorted(set(old) - set(kept)):
            entry = series.minutes.pop(minute)
            known = (entry.state, entry.revision) if entry.messages == 0 else ("", 0)
            if entry.revision >= 0:
                _remember(series.past, minute, *known)
        if len(series.past) > MOST_PAST:
            half = MOST_PAST // 2
            series.past[:half] = [Past(series.past[0].first, series.past[half - 1].last, "", 0)]


def key_of(series: Series) -> Key:
    """A series' name."""
    return (series.venue, series.symbol, series.channel)


def limit_history(series: Series) -> None:
    """Forget the oldest outages and claims of a series that has had very many."""
    for kept in (series.blanks, series.claims):
        if len(kept) > MOST_BLANKS:
            gone = kept.pop(0)
            end_us = gone.to_us if isinstance(gone, Claim) else gone.end_us
            series.floor_us = max(series.floor_us, end_us)


def _awaits(series: Series) -> bool:
    return any(not hole.given_up for hole in series.chain.holes) or any(
        not (blank.settled or blank.given_up) for blank in series.blanks
    )


def _may_change(entry: Minute) -> bool:
    """Whether a minute is worth keeping: it lacks trades, and what it has cannot be told in a stretch."""
    return entry.state == State.MISSING and entry.messages > 0


def _what(past: Past) -> tuple[str, int]:
    return past.state, past.revision


def _place(past: list[Past], minute: int) -> int | None:
    """The index of the stretch that ``minute`` is in."""
    at = bisect_right(past, minute, key=lambda one: one.first) - 1
    return at if at >= 0 and minute <= past[at].last else None


def _remember(past: list[Past], minute: int, state: str, revision: int) -> None:
    at = bisect_right(past, minute, key=lambda one: one.first)
    before = past[at - 1] if at else None
    near = 1 if state else _NEIGHBOURS
    if before is not None and _what(before) == (state, revision) and minute - before.last <= near:
        before.last = minute
        return
    past.insert(at, Past(minute, minute, state, revision))


def next_claimed(series: Series, minute: int) -> int | None:
    """The first minute from ``minute`` on that the series was asked for; None: there is none."""
    for claim in series.claims:
        if claim.to_us > minute * MINUTE_US:
            return max(minute, claim.from_us // MINUTE_US)
    return None


def end_of_claims(series: Series) -> int:
    """The minute behind the last one that the series was asked for, FOREVER while it is."""
    to_us = series.claims[-1].to_us
    return FOREVER if to_us == FOREVER else -(-to_us // MINUTE_US)
