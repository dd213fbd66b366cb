"""The units as text. Pure: the same house and times give the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

from barograph.scheduling.house import House
from barograph.scheduling.sandbox import account_lines, sandbox_lines
from barograph.scheduling.timetable import Timetable, expression

MARK = "# Written by 'barograph schedule install', which writes over it. Changes of yours: systemctl edit"
RECORD, BACKUP, RAW, POWER_OFF = (
    "barograph-record",
    "barograph-backup",
    "barograph-backup-raw",
    "barograph-power-off",
)
NAMES = (
    f"{RECORD}.service",
    f"{RECORD}.timer",
    f"{BACKUP}.service",
    f"{BACKUP}.timer",
    f"{RAW}.service",
    f"{RAW}.timer",
    f"{POWER_OFF}.service",
)
"""Every unit that there may be."""
_DOCUMENTED = "Documentation=man:systemd.service(5)"
_NEEDS_A_PERSON = "RestartPreventExitStatus=2 3 4"


class Unit(NamedTuple):
    """A unit's file name and content."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Backups:
    """When a day's backup is made.

    Attributes:
        at: time of the wall clock in ``zone``, an IANA name.
        calendar: says which days and weeks have sessions.
    """

    at: time
    zone: str
    calendar: str


def units(
    house: House,
    market: str,
    times: Timetable | None,
    backups: Backups,
    record: Sequence[str] = (),
    *,
    power_off: bool = False,
) -> list[Unit]:
    """Every unit of a house.

    Args:
        house: how Barograph is run here.
        market: as the person called it.
        times: when to record; None: around the clock.
        backups: when to back up.
        record: further words for ``barograph record``.
        power_off: whether the machine is turned off once the day's backup is made and verified.
    """
    made = [_record(house, market, times, record)]
    if times is not None:
        made.append(_timer(RECORD, "Barograph recorder, on days with a session", _starts(times)))
    due = [f"OnCalendar=*-*-* {backups.at:%H:%M:%S} {backups.zone}", *_late_backups(times, backups)]
    made += [
        _backup(house, backups, power_off=power_off),
        # A day's backup that was missed, since the machine was off, is made up for.
        _timer(BACKUP, "Barograph's backup of the day", [*due, "AccuracySec=1min", "Persistent=true"]),
        _raw(house),
        # Segments end with the hour; what one run misses the next one takes.
        _timer(
            RAW, "Barograph's hourly backup of the tape", ["OnCalendar=*-*-* *:05:00", "AccuracySec=1min"]
        ),
    ]
    if power_off:
        made.append(_power_off(house, market))
    return made


def _record(house: House, market: str, times: Timetable | None, record: Sequence[str]) -> Unit:
    lines = [
        "Type=notify",
        "NotifyAccess=main",
        *_when(house, market, times, record),
        "# Reads the settings again: symbols come and go, connections stay.",
        "ExecReload=/bin/kill -HUP $MAINPID",
        *_environment(() if times is None else (f"BAROGRAPH__RECORD__CLOSE_GRACE_S={times.grace_s}",)),
        "",
        "# Compiling the kernels for the first time takes its time on a small machine.",
        "TimeoutStartSec=180",
        "# The loop tells that it lives every half of this; if it does not, it is killed and started again.",
        "WatchdogSec=30",
        *_restarts(times),
        "# A wrong word (2) or setting (3) or a broken tape (4) needs a person; a restart does not help.",
        _NEEDS_A_PERSON,
        "KillSignal=SIGTERM",
        "# A clean end takes up to record.shutdown_s (10 s).",
        "TimeoutStopSec=20",
        "",
        *account_lines(house),
        "",
        *_favoured(house),
        "",
        *sandbox_lines(house),
    ]
    unit = [
        *_network(house),
        "# Never give up: the network may be away for a day.",
        "StartLimitIntervalSec=0",
    ]
    # With a timetable the timer starts it.
    wanted = (
        []
        if times is not None
        else ["WantedBy=multi-user.target" if house.account else "WantedBy=default.target"]
    )
    return _unit(f"{RECORD}.service", "Barograph recorder", unit, lines, wanted)


def _when(house: House, market: str, times: Timetable | None, record: Sequence[str]) -> Iterable[str]:
    if times is None:
        return (f"ExecStart={house.run('record', *record)}",)
    today = house.run(
        "schedule",
        "session-today",
        "--market",
        market,
        "--not-before",
        f"{times.start:%H:%M}",
        "--unsure-is-yes",
    )
    return (
        "# On a holiday it is skipped, which is no failure.",
        f"ExecCondition={today}",
        "# It ends by itself, after the close of this day: early closes and special sessions have their own.",
        f"ExecStart={house.run('record', '--until', 'session-close', '--market', market, *record)}",
    )


def _restarts(times: Timetable | None) -> Iterable[str]:
    if times is None:
        return ("Restart=always", "RestartSec=2")
    return (
        "# Within the session only: what is started again after the close ends at once.",
        "Restart=on-failure",
        "RestartSec=2",
        "# Nothing records for longer than from the start to the day's end: what is still there then, hangs.",
        f"RuntimeMaxSec={times.longest_s}",
    )


def _favoured(house: House) -> Iterable[str]:
    if house.account is None:
        return ("LimitNOFILE=65536",)
    return (
        "# When the machine runs out of memory, others go first; recording before queries.",
        "OOMScoreAdjust=-200",
        "Nice=-5",
        "LimitNOFILE=65536",
    )


def _starts(times: Timetable) -> list[str]:
    return [
        *(f"OnCalendar={each}" for each in times.starts()),
        "# After a reboot within the session too; the service asks whether it is one.",
        "OnBootSec=20",
        "AccuracySec=1s",
    ]


def _late_backups(times: Timetable | None, backups: Backups) -> list[str]:
    """Another backup of days on which recording ends later than the daily one is made."""
    if times is None or times.zone != backups.zone:
        return []
    after = timedelta(minutes=15)
    ends = [moment for moment in times.extra_ends if moment > datetime.combine(moment.date(), backups.at)]
    return [f"OnCalendar={expression(moment + after, times.zone)}" for moment in ends]


def _backup(house: House, backups: Backups, *, power_off: bool) -> Unit:
    given = (f"BAROGRAPH__BACKUP__ZONE={backups.zone}", f"BAROGRAPH__BACKUP__MARKET={backups.calendar}")
    lines = [
        "Type=oneshot",
        "# Where no recorder does it any more, the tables are brought up to the tape's end first.",
        f"ExecStartPre=-{house.run('replay', '--quiet')}",
        f"ExecStart={house.run('backup', 'run', '--kind', 'auto')}",
        f"ExecStartPost={house.run('backup', 'verify')}",
        *_environment(given),
        "TimeoutStartSec=6h",
        *_again(),
        *_modest(house),
        *account_lines(house),
        "",
        *sandbox_lines(house),
    ]
    then = [f"OnSuccess={POWER_OFF}.service"] if power_off else []
    return _unit(
        f"{BACKUP}.service", "Barograph's backup of the day", [*_network(house), *_tries(), *then], lines
    )


def _raw(house: House) -> Unit:
    lines = [
        "Type=oneshot",
        f"ExecStart={house.run('backup', 'run', '--kind', 'hourly-raw')}",
        *_environment(()),
        "TimeoutStartSec=1h",
        *_modest(house),
        *account_lines(house),
        "",
        *sandbox_lines(house),
    ]
    return _unit(f"{RAW}.service", "Barograph's hourly backup of the tape", _network(house), lines)


def _power_off(house: House, market: str) -> Unit:
    over = house.run("schedule", "session-today", "--market", market, "--over")
    lines = [
        "Type=oneshot",
        "# Not while there is a session, or one is still to come today.",
        f"ExecCondition={over}",
        "ExecStart=systemctl --no-block poweroff",
    ]
    unit = [f"After={BACKUP}.service"]
    return _unit(f"{POWER_OFF}.service", "Turn the machine off, its day's backup is made", unit, lines)


def _tries() -> tuple[str, ...]:
    return ("# Six tries, then somebody must look.", "StartLimitIntervalSec=3h", "StartLimitBurst=6")


def _again() -> tuple[str, ...]:
    return ("Restart=on-failure", "RestartSec=300", _NEEDS_A_PERSON)


def _modest(house: House) -> tuple[str, ...]:
    polite = ("# Recording goes first.", "Nice=10", "IOSchedulingClass=best-effort", "IOSchedulingPriority=7")
    return (*polite, *(("OOMScoreAdjust=200",) if house.account else ()))


def _network(house: House) -> list[str]:
    if house.account is None:  # one's own service manager knows nothing of the machine's targets
        return []
    return ["Wants=network-online.target time-sync.target", "After=network-online.target time-sync.target"]


def _environment(given: Iterable[str]) -> Iterable[str]:
    return (
        "# Secrets, one a line: POLYGON_API_KEY=..., mode 0600.",
        "EnvironmentFile=-%E/barograph/environment",
        "Environment=BAROGRAPH__LOG__FORMAT=json BAROGRAPH__LOG__LEVEL=info",
        "Environment=NUMBA_CACHE_DIR=%C/barograph PYTHONUNBUFFERED=1",
        *(f"Environment={each}" for each in given),
    )


def _timer(name: str, what: str, lines: Sequence[str]) -> Unit:
    body = [
        MARK,
        "[Unit]",
        f"Description={what}",
        "",
        "[Timer]",
        *lines,
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return Unit(f"{name}.timer", "\n".join(body) + "\n")


def _unit(
    name: str, what: str, unit: Sequence[str], service: Sequence[str], wanted: Sequence[str] = ()
) -> Unit:
    body = [MARK, "[Unit]", f"Description={what}", _DOCUMENTED, *unit, "", "[Service]", *service]
    body += ["", "[Install]", *wanted] if wanted else []
    return Unit(name, "\n".join(body) + "\n")
