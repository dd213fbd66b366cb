"""Reasons in words: how it came about, from when to when, how long."""

from __future__ import annotations

from barograph.clock import DAY_US, US_PER_S, from_us
from barograph.coverage.state import FOREVER, Blank, Hole

_MOST = 3


def span(us: int) -> str:
    """A length of time as people say it.

    >>> span(5_700_000), span(754_000_000), span(3 * 3_600_000_000)
    ('5.7 s', '12.6 min', '3.0 h')
    """
    seconds = us / US_PER_S
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def moment(us: int, near_us: int) -> str:
    """A moment to the tenth of a second, with its day where that is not the day of ``near_us``.

    >>> moment(1_723_075_384_150_000, 1_723_075_440_000_000), moment(0, 1_723_075_440_000_000)
    ('00:03:04.1', '1970-01-01 00:00:00.0')
    """
    day = "%Y-%m-%d " if us // DAY_US != near_us // DAY_US else ""
    return f"{from_us(us):{day}%H:%M:%S}.{us % US_PER_S // 100_000}"


def of_blank(blank: Blank, near_us: int) -> str:
    """Why nothing came, from when to when."""
    if blank.end_us == FOREVER:
        return f"{blank.cause} since {moment(blank.begin_us, near_us)}"
    between = f"{moment(blank.begin_us, near_us)}–{moment(blank.end_us, near_us)}"
    lost = f"{blank.cause} {between}, {span(blank.end_us - blank.begin_us)}"
    return f"{lost}: {blank.given_up}" if blank.given_up else lost


def of_hole(hole: Hole) -> str:
    """Which ids are not there, and whether they are still awaited."""
    ids = f"id {hole.first}" if hole.first == hole.last else f"ids {hole.first}–{hole.last}"
    cause = "" if hole.cause == "ids skipped" else f" ({hole.cause})"
    return f"{ids}{cause}: {hole.given_up}" if hole.given_up else f"{ids} awaited{cause}"


def joined(reasons: list[str]) -> str | None:
    """Reasons in one line, the first few of them."""
    if not reasons:
        return None
    more = [f"and {len(reasons) - _MOST} more"] if len(reasons) > _MOST else []
    return "; ".join([*reasons[:_MOST], *more])
