"""What ``barograph schedule`` shows: days, units, and what should be known of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from barograph.cli.output import write, write_object

if TYPE_CHECKING:
    from barograph.calendars import Calendar, Day
    from barograph.cli.options import Everywhere
    from barograph.scheduling import Change, House, Timetable, Unit
    from barograph.scheduling.units import Backups


def day_row(day: Day, calendar: Calendar) -> dict[str, Any]:
    """A day as it is printed: its hours by the market's clock and in UTC."""
    from barograph.clock import from_us

    local = [[from_us(us).astimezone(calendar.zone) for us in part[1:]] for part in day.sessions]
    utc = [[from_us(us) for us in part[1:]] for part in day.sessions]
    return {
        "day": day.day.isoformat(),
        "weekday": f"{day.day:%a}",
        "kind": day.kind,
        "hours": [f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in local],
        "utc": [f"{opens:%Y-%m-%dT%H:%MZ}/{closes:%Y-%m-%dT%H:%MZ}" for opens, closes in utc],
        "reason": day.reason,
    }


def tell(common: Everywhere, made: list[Unit], changes: list[Change], commands: list[list[str]]) -> None:
    """The files that were written, or would be (``made``, with their text), and the commands to run next."""
    lines = [" ".join(command) for command in commands]
    if common.json:
        texts = {unit.name: unit.text for unit in made}
        files = [
            {"path": str(change.path), "state": change.state}
            | ({"text": texts[change.path.name]} if change.path.name in texts else {})
            for change in changes
        ]
        write_object({"dry_run": bool(made), "files": files, "next": lines}, as_json=True)
        return
    for unit, change in zip(made, changes, strict=False):
        write(f"# {change.path} ({change.state})\n{unit.text}\n")
    if not made:
        write("".join(f"{change.state:<10}  {change.path}\n" for change in changes))
    common.remark("next:\n  " + "\n  ".join(lines))


def remarks(
    calendar: Calendar, today: date, times: Timetable | None, backups: Backups, house: House
) -> list[str]:
    """What a person should know of a timetable before going by it."""
    from barograph.calendars import horizon_warning

    found = [horizon_warning(calendar, today)]
    if times is not None and times.extra_starts:
        moments = ", ".join(f"{moment:%Y-%m-%d %H:%M}" for moment in times.extra_starts)
        found.append(f"special sessions: recording begins on {moments} too")
    if times is not None and times.zone == backups.zone and backups.at < times.stop:
        found.append(
            f"the day's backup at {backups.at:%H:%M} comes before recording ends at {times.stop:%H:%M}; "
            "set backup.daily_at to a later time"
        )
    if house.account is not None and not house.kept_by_systemd and not house.data.exists():
        found.append(
            f"{house.data} is not there yet: install -d -o {house.account} -g {house.account} {house.data}"
        )
    if house.account is None:
        found.append("to run while you are not logged in: loginctl enable-linger")
    return [remark for remark in found if remark]
