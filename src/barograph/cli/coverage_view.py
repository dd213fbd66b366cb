"""The calendar of ``barograph coverage``: a line a day or an hour, a sign for some minutes each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from barograph.clock import DAY_US, MINUTE_US, from_us
from barograph.coverage.reasons import span
from barograph.coverage.rows import State
from barograph.coverage.summary import STATES, MissingTime, SeriesSummary, Tally, tally, total

SIGNS = {
    State.COMPLETE: "=",
    State.REPAIRED: "r",
    State.MISSING: "M",
    State.CLOSED: ".",
    State.IDLE: "-",
}
_COLOURS = {
    State.COMPLETE: "32",
    State.REPAIRED: "36",
    State.MISSING: "1;31",
    State.CLOSED: "90",
    State.IDLE: "2;32",
}
_WORST_FIRST = (State.MISSING, State.REPAIRED, State.COMPLETE, State.IDLE, State.CLOSED)
_HOUR_US = 60 * MINUTE_US
_LONG_US = 2 * DAY_US


def calendar_of(series: Sequence[SeriesSummary], *, gaps: int, coloured: bool) -> str:
    """Every series with its calendar and its newest ``gaps`` gaps (0: all), and the sum of all."""
    lines: list[str] = []
    for one in series:
        lines += [_title(one), *_calendar(one, coloured), *_listed(one.gaps, gaps), ""]
    lines += [_sum(total(series), len(series)), _legend(coloured)]
    return "\n".join(lines) + "\n"


def percent(pct: float | None) -> str:
    """A percentage that says 100 only when nothing at all is missing.

    >>> percent(100.0), percent(99.9999), percent(None)
    ('100 %', '99.99 %', '-')
    """
    if pct is None:
        return "-"
    return "100 %" if pct == 100 else f"{min(pct, 99.99):.2f} %"


def _title(one: SeriesSummary) -> str:
    up = percent(one.tally.uptime_pct)
    return f"{one.symbol} {one.channel}, {one.venue}: {up} up, {one.messages:,} messages"


def _sum(all_: Tally, count: int) -> str:
    states = ", ".join(f"{getattr(all_, str(state)):,} {state}" for state in STATES)
    return f"{percent(all_.uptime_pct)} up over {count} series, in minutes: {states}"


def _calendar(one: SeriesSummary, coloured: bool) -> Iterator[str]:
    """Hours of single minutes up to two days, else days of quarters of an hour."""
    by_day = int(one.minute_us[-1] - one.minute_us[0]) >= _LONG_US
    row_us, cell_us = (DAY_US, 15 * MINUTE_US) if by_day else (_HOUR_US, MINUTE_US)
    name = "%Y-%m-%d" if by_day else "%Y-%m-%d %H:%M"
    row = one.minute_us // row_us
    for number in np.unique(row).tolist():
        here = row == number
        cell = (one.minute_us[here] - number * row_us) // cell_us
        codes = one.code[here]
        cells = [_worst({STATES[k] for k in codes[cell == at].tolist()}) for at in range(row_us // cell_us)]
        signs = "".join(_painted(state, len(list(same)), coloured) for state, same in groupby(cells))
        yield f"  {from_us(number * row_us):{name}} {signs} {percent(tally(codes).uptime_pct):>8}"


def _worst(states: set[State]) -> State | None:
    """The worst that happened in a cell; None where nothing is known."""
    return next((state for state in _WORST_FIRST if state in states), None)


def _painted(state: State | None, times: int, coloured: bool) -> str:
    if state is None:
        return " " * times
    signs = SIGNS[state] * times
    return f"\x1b[{_COLOURS[state]}m{signs}\x1b[0m" if coloured else signs


def _listed(found: Sequence[MissingTime], most: int) -> Iterator[str]:
    """The newest gaps, a line each, cut to the terminal."""
    room = max(shutil.get_terminal_size().columns, 60)
    shown = found[-most:] if most else found
    if len(shown) < len(found):
        yield f"  {len(found) - len(shown):,} earlier gaps; --gaps 0 shows all"
    for gap in shown:
        line = f"  {from_us(gap.begin_us):%Y-%m-%d %H:%M} {span(gap.end_us - gap.begin_us):>9}  {gap.reason}"
        yield line if len(line) <= room else f"{line[: room - 1]}…"


def _legend(coloured: bool) -> str:
    return "  ".join(f"{_painted(state, 1, coloured)} {state}" for state in STATES)
