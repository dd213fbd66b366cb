"""``barograph coverage``."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write, write_records
from barograph.cli.tables import sql_of
from barograph.cli.times import moment_us
from barograph.clock import from_us
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.coverage.summary import SeriesSummary, Tally

_DAY = timedelta(days=1)
_COLUMNS = (
    *("day", "symbol", "venue", "channel"),
    *("complete", "repaired", "missing", "closed", "idle", "uptime_pct"),
)


def coverage(
    *,
    symbol: str | None = None,
    venue: str | None = None,
    channel: Literal["trades", "quotes"] | None = None,
    day: str | None = None,
    start: Annotated[str | None, Parameter(name=["--start", "--from"])] = None,
    end: Annotated[str | None, Parameter(name=["--end", "--to"])] = None,
    gaps: int = 10,
    common: Options = DEFAULTS,
) -> None:
    """How complete the data is, minute by minute, and why what is missing is missing.

    On a terminal a calendar, into a pipe CSV with a row a series and day.

    Parameters
    ----------
    symbol
        One symbol only.
    venue
        One venue only.
    channel
        One channel only.
    day
        One UTC day: 2024-08-08. Without it and --start, the newest seven days.
    start
        First moment, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Moment to stop before.
    gaps
        Gaps listed of each series, the newest ones; 0 lists all.
    """
    from barograph.coverage.summary import QUERY, summarise

    if day is not None and (start is not None or end is not None):
        raise UsageError("--day goes with neither --start nor --end")
    first, behind = _moment(start, "--start"), _moment(end, "--end")
    if day is not None:
        first = _moment(day, "--day")
        behind = first + _DAY
    with sql_of(common.settings()) as connection:
        rows = connection.query(QUERY, [first, behind, symbol, venue, channel]).read_all()
    series = summarise(rows)
    form = common.form()
    if form == "json":
        write(encode(_as_object(series)) + "\n")
    elif form == "csv":
        write_records([row for one in series for row in _days(one)], _COLUMNS, "csv")
    elif series:
        from barograph.cli.coverage_view import calendar_of

        write(calendar_of(series, gaps=gaps, coloured=_coloured()))
    if not series:
        common.remark("nothing is known of that time; 'barograph symbols' lists what was recorded")


def _moment(text: str | None, flag: str) -> Any:
    us = moment_us(text, flag)
    return None if us is None else from_us(us)


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _counts(tally: Tally) -> dict[str, Any]:
    states = ("complete", "repaired", "missing", "closed", "idle")
    return {name: getattr(tally, name) for name in states} | {"uptime_pct": tally.uptime_pct}


def _days(one: SeriesSummary) -> list[dict[str, Any]]:
    names = {"symbol": one.symbol, "venue": one.venue, "channel": one.channel}
    return [{"day": str(day), **names, **_counts(tally)} for day, tally in one.days()]


def _as_object(series: list[SeriesSummary]) -> dict[str, Any]:
    from barograph.coverage.summary import total

    return _counts(total(series)) | {"series": [_series(one) for one in series]}


def _series(one: SeriesSummary) -> dict[str, Any]:
    found = [
        {
            "start": f"{from_us(gap.begin_us):%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{from_us(gap.end_us):%Y-%m-%dT%H:%M:%SZ}",
            "minutes": (gap.end_us - gap.begin_us) // 60_000_000,
            "reason": gap.reason,
        }
        for gap in one.gaps
    ]
    names = {"symbol": one.symbol, "venue": one.venue, "channel": one.channel}
    days = [{"day": str(day), **_counts(tally)} for day, tally in one.days()]
    return names | {"messages": one.messages} | _counts(one.tally) | {"days": days, "gaps": found}
