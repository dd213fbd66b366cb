"""What the recorder should ask venues for: gaps that stand, and series that have gone mute."""

from __future__ import annotations

from barograph.clock import US_PER_S
from barograph.coverage.book import Book
from barograph.coverage.connections import Connections
from barograph.coverage.hours import Hours
from barograph.coverage.judge import BOUND_US
from barograph.coverage.quiet import UNUSUAL, newest_us, usual_silence_us
from barograph.coverage.reasons import span
from barograph.coverage.state import FOREVER, Blank, Hole, Series
from barograph.gaps import Channel, Gap

SETTLE_US = 10 * US_PER_S
"""An outage is asked about so long after its end: by then the next trade's id has often proven it empty."""
MARGIN_US = 5 * US_PER_S
"""A time is asked for with so much on both sides, since clocks differ and frames take their time."""


def standing_gaps(book: Book, hours: Hours) -> list[Gap]:
    """The gaps of trades that are not refilled and not given up."""
    found: list[Gap] = []
    for number in book.in_order():
        series = book[number]
        if series.channel != Channel.TRADES or not (series.chain.holes or series.blanks):
            continue
        found += [_of_hole(series, hole) for hole in series.chain.holes if not hole.given_up]
        blanks = [blank for blank in series.blanks if _stands(series, blank, book.state.now_us, hours)]
        found += _tail(series, blanks) if series.numbered else [_of_blank(series, one) for one in blanks]
    return found


def _stands(series: Series, blank: Blank, now_us: int, hours: Hours) -> bool:
    if blank.settled or blank.given_up or blank.end_us == FOREVER:
        return False
    if series.numbered and series.chain.from_us <= blank.begin_us and blank.end_us <= series.chain.top_us:
        return False
    settled_us = blank.end_us + series.delay_us + SETTLE_US
    return settled_us <= now_us and hours.open_between(series.calendar, blank.begin_us, blank.end_us)


def _named(series: Series, first_us: int, last_us: int, cause: str) -> Gap:
    return Gap(series.venue, series.symbol, Channel(series.channel), first_us, last_us, cause=cause)


def _of_hole(series: Series, hole: Hole) -> Gap:
    return Gap(
        series.venue,
        series.symbol,
        Channel.TRADES,
        hole.begin_us,
        hole.end_us,
        hole.first,
        hole.last,
        hole.cause,
    )


def _of_blank(series: Series, blank: Blank) -> Gap:
    return _named(series, blank.begin_us - MARGIN_US, blank.end_us + MARGIN_US, blank.cause)


def _tail(series: Series, blanks: list[Blank]) -> list[Gap]:
    """Outages behind which no id has come yet: what is there since the highest one?"""
    if not blanks:
        return []
    chain = series.chain
    if chain.highest < 0 or chain.from_us > blanks[0].begin_us:
        return [_of_blank(series, blank) for blank in blanks]
    first_us = min(chain.top_us, blanks[0].begin_us)
    gap = _named(series, first_us, blanks[-1].end_us, blanks[-1].cause)
    return [_since(gap, chain.highest + 1)]


def _since(gap: Gap, first_id: int) -> Gap:
    """The same gap, told by its first id and open at its end."""
    return Gap(gap.feed, gap.symbol, gap.channel, gap.first_us, gap.last_us, first_id, None, gap.cause)


def mute_series(book: Book, connections: Connections, hours: Hours, now_us: int, after_s: float) -> list[Gap]:
    """Series that are silent for longer than ever, nearly, while their connection lives."""
    found = []
    for number in book.claimed:
        series = book[number]
        last_us = newest_us(book.state, number)
        silent_us = now_us - last_us
        if not series.carriers or silent_us < after_s * US_PER_S:
            continue
        if connections.alive_us(series) + series.delay_us < now_us - BOUND_US:
            continue
        usual_us = usual_silence_us(book.state, number)
        if usual_us is None:
            continue
        open_us = hours.open_for_us(series.calendar, last_us - series.delay_us, now_us - series.delay_us)
        unusual_us = max(round(after_s * US_PER_S), UNUSUAL * usual_us)
        if open_us < unusual_us:
            continue
        gap = _mute(series, last_us - series.delay_us, silent_us, unusual_us)
        known = series.numbered and series.chain.highest >= 0
        found.append(_since(gap, series.chain.highest + 1) if known else gap)
    return found


def _mute(series: Series, first_us: int, silent_us: int, unusual_us: int) -> Gap:
    """The gap of a mute series: its end moves on by doubling, so that it is asked about ever less often."""
    told_us = unusual_us
    while 2 * told_us <= silent_us:
        told_us *= 2
    cause = f"nothing came for {span(told_us)} although the connection is alive"
    return _named(series, first_us, first_us + told_us, cause)
