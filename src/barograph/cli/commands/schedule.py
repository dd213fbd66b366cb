"""``barograph schedule``: market hours, and the units that record and back up by them."""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write, write_object, write_records
from barograph.cli.schedule_view import day_row, remarks, tell
from barograph.errors import BarographError, SettingsError, UsageError

if TYPE_CHECKING:
    from barograph.calendars import Calendar
    from barograph.scheduling import House, Timetable, Today
    from barograph.scheduling.units import Backups
    from barograph.settings import Settings

NO = 10
"""Exit code of a no: systemd's ExecCondition= takes 1 to 254 as "skip this, it is no failure"."""
_MOST_DAYS = 3_660
_STATE = Path("/var/lib/barograph")


def show(*, market: str, days: int = 14, first: str | None = None, common: Options = DEFAULTS) -> None:
    """The coming sessions of a market, in its own time and in UTC, and the days without one.

    Warns when the calendar's holidays will soon not be known any more.

    Parameters
    ----------
    market
        NSE, BSE, NYSE, NASDAQ, 24/7, or a name of docs/calendars.md.
    days
        So many days of the market's calendar.
    first
        Begin with this day, 2026-11-20; today when absent.
    """
    from barograph.calendars import agenda, horizon_warning

    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"--days {days} is not between 1 and {_MOST_DAYS}")
    known = _Known.of(market, common.settings().data_dir)
    begin = _day(first, "--first") or known.today()
    found = agenda(known.calendar, begin, begin + dt.timedelta(days=days - 1), known.reasons)
    warning = horizon_warning(known.calendar, begin)
    rows = [day_row(day, known.calendar) for day in found]
    if common.json:
        until = known.calendar.known_until
        told = {"market": market, "calendar": known.calendar.name, "zone": str(known.calendar.zone)}
        write_object({**told, "holidays_known_until": until, "warning": warning, "days": rows}, as_json=True)
    else:
        plain = [row | {name: " and ".join(row[name]) or "-" for name in ("hours", "utc")} for row in rows]
        write_records(plain, ("day", "weekday", "kind", "hours", "utc", "reason"), common.form())
    if warning:
        common.remark(f"warning: {warning}")


def session_today(
    *,
    market: str,
    date: str | None = None,
    not_before: str | None = None,
    over: bool = False,
    unsure_is_yes: bool = False,
    common: Options = DEFAULTS,
) -> int:
    """Whether a market has a session today, by its own date: exit code 0, or 10 when it has not.

    For systemd's ExecCondition=, and for scripts.

    Parameters
    ----------
    market
        NSE, BSE, NYSE, NASDAQ, 24/7, or a name of docs/calendars.md.
    date
        Ask about this day, 2026-11-20, in place of today.
    not_before
        Say no before this time of the market's clock, 08:55, too; earlier where a session opens earlier.
    over
        Ask the opposite: is nothing left of today, no session, or all of them over?
    unsure_is_yes
        When the calendar cannot be read, say so and end with 0: better recorded for nothing than not at all.
    """
    try:
        answer = _answer(common, market, _day(date, "--date"), _time(not_before, "--not-before"), over=over)
    except (BarographError, OSError) as error:
        if not unsure_is_yes or isinstance(error, UsageError):
            raise
        sys.stderr.write(f"barograph: warning: it is not known whether there is a session today: {error}\n")
        return 0
    if common.json:
        write_object({"yes": answer.go, "day": answer.day.day, "why": answer.why}, as_json=True)
    else:
        write(answer.why + "\n")
    return 0 if answer.go else NO


def install(  # noqa: PLR0913 - its options
    *record: str,
    market: str,
    start: str | None = None,
    stop: str | None = None,
    user: bool = False,
    account: str = "barograph",
    directory: Path | None = None,
    power_off: bool = False,
    enable: bool = False,
    dry_run: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Write systemd units that record a market's sessions and back up each day.

    What they run is this program with these settings. Holidays are skipped, early closes and special sessions
    have their own end. Run it again after a change: what is the same stays as it is. Nothing is started
    unless --enable is said; the commands to run next are told.

    Parameters
    ----------
    record
        After --, options for barograph record: -- --feed kite --symbols NSE:INFY
    market
        NSE, BSE, NYSE, NASDAQ, or a name of docs/calendars.md; 24/7 records around the clock.
    start
        Begin to record then on days with a session, 08:55, by the market's clock.
    stop
        End then, 15:35; as long after the close on days that close at another time.
    user
        Units of your own service manager (systemctl --user), without root.
    account
        The system account to run as.
    directory
        Write them there; where systemd looks when absent.
    power_off
        Turn the machine off once the day's backup is made and verified, and no session is left.
    enable
        Run the systemctl commands too.
    dry_run
        Print the files, write nothing.
    """
    from barograph.scheduling import install as put
    from barograph.scheduling import next_commands, units
    from barograph.scheduling.installing import SYSTEM, own_folder, run

    _check_flags(
        user=user, power_off=power_off, elsewhere=directory is not None, enable=enable, dry_run=dry_run
    )
    settings = common.settings()
    _check_record(settings, record)
    house = _house(common, settings, None if user else account)
    known = _Known.of(market, house.data)
    times, backups = _times(known, start, stop), _backups(settings, known)
    made = units(house, market, times, backups, record, power_off=power_off)
    folder = (directory or (own_folder() if user else SYSTEM)).absolute()
    changes = put(made, folder, dry_run=dry_run)
    commands = next_commands(changes, user=user)
    tell(common, made if dry_run else [], changes, commands)
    for remark in remarks(known.calendar, known.today(), times, backups, house):
        common.remark(remark)
    if enable and not dry_run:
        run(commands)


@dataclass(frozen=True, slots=True)
class _Known:
    """A market's calendar with the special days of a data directory."""

    calendar: Calendar
    reasons: dict[dt.date, str]

    @classmethod
    def of(cls, market: str, data: Path) -> _Known:
        from barograph.calendars import calendar, files_of, reasons

        file, cache = files_of(data)
        # Who asks may be root; folders that root has made would be closed to the recorder.
        kept = cache if cache.is_dir() and os.access(cache, os.W_OK) else None
        return cls(calendar(market, file, kept), reasons(market, file, kept))

    def today(self) -> dt.date:
        return dt.datetime.now(self.calendar.zone).date()


def _day(text: str | None, flag: str) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text!r} is not a day; write 2026-11-20") from None


def _time(text: str | None, flag: str) -> dt.time | None:
    try:
        moment = None if text is None else dt.time.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text!r} is not a time of day; write 08:55") from None
    if moment is not None and moment.tzinfo is not None:
        raise UsageError(f"{flag} {text!r} names a zone; it is the market's own clock: write 08:55")
    return moment


def _answer(
    common: Everywhere, market: str, day: dt.date | None, not_before: dt.time | None, *, over: bool
) -> Today:
    from barograph.clock import NS_PER_US, SystemClock
    from barograph.scheduling import session_today as asked
    from barograph.scheduling.today import over_today

    settings = common.settings()
    known = _Known.of(market, settings.data_dir)
    now_us = SystemClock().now_ns() // NS_PER_US
    if over:
        grace_s = settings.record.close_grace_s
        return over_today(known.calendar, day or known.today(), known.reasons, now_us, grace_s)
    return asked(
        known.calendar,
        day or known.today(),
        known.reasons,
        now_us=None if day else now_us,
        not_before=not_before,
    )


# What the units are made from.


def _check_flags(*, user: bool, power_off: bool, elsewhere: bool, enable: bool, dry_run: bool) -> None:
    if sys.platform != "linux" and not dry_run:
        raise UsageError(
            "schedule install writes units for systemd, which this system has not; docs/schedule.md has "
            "the lines for launchd (macOS) and the Task Scheduler (Windows); --dry-run shows the units anyway"
        )
    if user and power_off:
        raise UsageError("--power-off needs units of the system; leave --user out")
    if elsewhere and enable:
        raise UsageError("--enable needs the units where systemd looks for them; leave --directory out")


def _check_record(settings: Settings, record: tuple[str, ...]) -> None:
    if not settings.record.feeds and "--feed" not in record:
        raise UsageError(
            "no feed to record; name it behind two dashes: -- --feed kite --symbols NSE:INFY, "
            "or set record.feeds in barograph.toml and name that file with --config"
        )


def _house(common: Everywhere, settings: Settings, account: str | None) -> House:
    from barograph.scheduling import House

    data = settings.data_dir.absolute()
    if account is not None and settings.origin("data_dir").kind == "default":
        data = _STATE
    beside = Path("barograph.toml")
    config = common.config or (beside if beside.exists() else None)
    return House(
        command=_command(),
        data=data,
        config=None if config is None else config.absolute(),
        account=account,
        writable=tuple(_places(settings, data)),
    )


def _command() -> tuple[str, ...]:
    """The words that run this program."""
    program = Path(sys.argv[0])
    if program.name == "barograph" and os.access(program, os.X_OK):
        return (str(program.absolute()),)
    return (sys.executable, "-m", "barograph")


def _places(settings: Settings, data: Path) -> list[Path]:
    """Directories of backups that lie outside of the data directory."""
    found = []
    for name, place in (("to", settings.backup.to), ("remote", settings.backup.remote)):
        if place is None or "://" in place:
            continue
        if not Path(place).is_absolute():
            raise SettingsError(
                f"backup.{name} = {place!r} is relative, and a service has another current directory; "
                f"write the whole path: {Path(place).absolute()}"
            )
        if not Path(place).is_relative_to(data):
            found.append(Path(place))
    return found


def _times(known: _Known, start: str | None, stop: str | None) -> Timetable | None:
    from barograph.calendars import ALWAYS_OPEN
    from barograph.scheduling import timetable

    begin, end = _time(start, "--start"), _time(stop, "--stop")
    if known.calendar is ALWAYS_OPEN:
        if begin or end:
            raise UsageError("24/7 has no --start and no --stop: it is recorded around the clock")
        return None
    if begin is None or end is None:
        raise UsageError(
            f"{known.calendar.name} needs --start and --stop, by its own clock, "
            "such as --start 08:55 --stop 15:35"
        )
    return timetable(known.calendar, known.today(), begin, end)


def _backups(settings: Settings, known: _Known) -> Backups:
    """When to back up: by the market's zone and days, unless the settings say others."""
    from barograph.scheduling.units import Backups

    def said(name: str) -> bool:
        return bool(settings.origin(f"backup.{name}").kind != "default")

    backup = settings.backup
    return Backups(
        at=dt.time.fromisoformat(backup.daily_at),
        zone=backup.zone if said("zone") else str(known.calendar.zone),
        calendar=backup.market if said("market") else known.calendar.name,
    )
