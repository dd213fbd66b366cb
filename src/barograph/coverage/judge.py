"""What can be said of one minute, from what is known of its series."""

from __future__ import annotations

from typing import NamedTuple

from barograph.clock import DAY_US, MINUTE_US, US_PER_S
from barograph.coverage.hours import Hours
from barograph.coverage.reasons import joined, moment, of_blank, of_hole
from barograph.coverage.rows import State
from barograph.coverage.state import FOREVER, Blank, Hole, Minute, Series

GRACE_US = 5 * US_PER_S
"""A minute is written so long after its end, at the earliest."""
BOUND_US = 30 * US_PER_S
"""A connection counts as alive for so long after its last sign of life, until it is known better."""
PATIENCE_US = 60 * US_PER_S
"""A minute of an outage that lasts is written after so long: most are over sooner."""
MOST_US = 7 * DAY_US
"""An outage is written minute by minute for so long; after that nothing is claimed any more."""


class Signs(NamedTuple):
    """What speaks for a series at a beat.

    Attributes:
        alive_us: the last sign of life on a connection that brings it.
        chain_from_us, chain_us: between these, every id is there or in a hole.
        now_us: the receipt clock.
        woken_us: since when the tape has gone on without a long silence.
    """

    alive_us: int
    chain_from_us: int
    chain_us: int
    now_us: int
    woken_us: int


class Verdict(NamedTuple):
    """A minute's state and reason."""

    state: State
    reason: str | None


def is_over(series: Series, minute: int, now_us: int) -> bool:
    """Whether a minute may be written at ``now_us``."""
    return (minute + 1) * MINUTE_US + series.delay_us + GRACE_US <= now_us


def judge(series: Series, minute: int, counted: Minute, signs: Signs, hours: Hours) -> Verdict | None:
    """The state of ``minute``; None while that cannot be told."""
    begin_us, end_us = minute * MINUTE_US, (minute + 1) * MINUTE_US
    if counted.messages == 0 and not hours.open_in(series.calendar, minute):
        return Verdict(State.CLOSED, None)
    asked = asked_part(series, begin_us, end_us)
    reasons = [of_hole(hole) for hole in series.chain.holes if touches(hole, minute)]
    repaired: list[Blank] = []
    if asked is not None:
        blanks = [b for b in series.blanks if b.begin_us < asked[1] and asked[0] < b.end_us]
        standing = [blank for blank in blanks if not blank.settled and not proven(series, blank, signs)]
        if _too_early(series, standing, asked[1], signs):
            return None
        reasons += [of_blank(blank, begin_us) for blank in standing]
        repaired = [blank for blank in blanks if blank.settled and not series.numbered]
    notes = _notes(series, begin_us, end_us)
    if reasons:
        return Verdict(State.MISSING, joined(reasons + notes))
    if counted.repaired or repaired:
        rows = f"{counted.repaired} row{'s' * (counted.repaired > 1)} came by a refill"
        told = (
            [rows] if counted.repaired else [f"{of_blank(repaired[0], begin_us)}: asked, nothing was missing"]
        )
        return Verdict(State.REPAIRED, joined(told + notes))
    return Verdict(State.COMPLETE if counted.messages else State.IDLE, joined(notes))


def asked_part(series: Series, begin_us: int, end_us: int) -> tuple[int, int] | None:
    """The part of that time for which the series was asked for, from its first moment to its last."""
    claims = [c for c in series.claims if c.from_us < end_us and begin_us < c.to_us]
    if not claims:
        return None
    return max(begin_us, claims[0].from_us), min(end_us, claims[-1].to_us)


def proven(series: Series, blank: Blank, signs: Signs) -> bool:
    """Whether ids say what came in an outage, so that it takes nothing away."""
    inside = signs.chain_from_us <= blank.begin_us and blank.end_us <= signs.chain_us
    return series.numbered and inside


def touches(hole: Hole, minute: int) -> bool:
    """Whether a trade of the hole may be of ``minute``."""
    return hole.begin_us // MINUTE_US <= minute <= hole.end_us // MINUTE_US


def _too_early(series: Series, standing: list[Blank], asked_until_us: int, signs: Signs) -> bool:
    if standing and standing[-1].end_us == FOREVER:
        return signs.now_us - max(series.lost_us, signs.woken_us) < PATIENCE_US
    if not series.carriers:
        return False
    return max(signs.alive_us, signs.chain_us if series.numbered else 0) < asked_until_us - BOUND_US


def _notes(series: Series, begin_us: int, end_us: int) -> list[str]:
    """Where in the minute the asking began or ended."""
    notes = [
        f"asked for from {moment(claim.from_us, begin_us)}"
        for claim in series.claims
        if begin_us < claim.from_us < end_us
    ]
    return notes + [
        f"asked for until {moment(claim.to_us, begin_us)}"
        for claim in series.claims
        if begin_us < claim.to_us < end_us
    ]
