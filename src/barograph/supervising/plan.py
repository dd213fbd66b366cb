"""What ``barograph up`` runs: the parts of the house that the settings make sensible.

A part is a verb of the command line in a process of its own. Nothing here starts anything.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from barograph.errors import SettingsError, UsageError
from barograph.supervising.probes import answers, recording, trading

if TYPE_CHECKING:
    from barograph.settings import Settings

RECORD, TRADE, SERVE, DASHBOARD = NAMES = ("record", "trade", "serve", "dashboard")
"""The parts, named like their verbs."""
WEB, TRADING, RECORDING = range(3)
"""When a part ends: those that look first, those that write last."""

_TRADE_S, _WEB_S = 20.0, 10.0
_BEYOND_S = 10.0
"""What a recorder is given beyond ``record.shutdown_s``: its queue, its last commit, its interpreter."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - to be asked, not to be bound


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the house.

    Attributes:
        name: what its lines in the log begin with.
        words: what Python is given to run: ``("-m", "barograph", "record")``, or a script's path.
        ends: the turn in which it is told to end; lower ones first, those of one turn together.
        patience_s: how long it may take to end before it is killed.
        ready: whether the process with this number does its work; asked again and again.
        after: the part that must be ready (or have ended for good) before this one begins.
        environ: variables that it gets beside the parent's.
        address: where people find it; empty when it has none.
        vital: whether the house counts as up only with it.
    """

    name: str
    words: tuple[str, ...]
    ends: int
    patience_s: float
    ready: Callable[[int], bool] = lambda _pid: True
    after: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    vital: bool = False


class LeftOut(NamedTuple):
    """A part that is not run, and why."""

    name: str
    why: str


class Plan(NamedTuple):
    """What is run, and what is not."""

    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...] = ()


def plan_of(
    settings: Settings, flags: Sequence[str] = (), only: Sequence[str] = (), without: Sequence[str] = ()
) -> Plan:
    """The plan that the settings ask for.

    Args:
        flags: what each verb is given: ``("--config", "barograph.toml")``. Never a secret: everybody on the
            machine may read command lines.
        only: of the parts, these; all when empty.
        without: but not these.

    Raises:
        UsageError: a name that no part has, or nothing is left to run.
    """
    _check_names(only, "--only")
    _check_names(without, "--without")
    makers = {RECORD: _record, TRADE: _trade, SERVE: _serve, DASHBOARD: _dashboard}
    parts: list[Part] = []
    left_out: list[LeftOut] = []
    for name, make in makers.items():
        if (only and name not in only) or name in without:
            continue
        why = _why_not(name, settings)
        if why:
            left_out.append(LeftOut(name, why))
        else:
            parts.append(make(settings, tuple(flags)))
    if not parts:
        reasons = "".join(f"\n  {name}: {why}" for name, why in left_out)
        raise UsageError(f"nothing is left to run; there are {', '.join(NAMES)}{reasons}")
    return Plan(tuple(parts), tuple(left_out))


def free_port(host: str) -> int:
    """A port of ``host`` that nobody listens on at this moment.

    Raises:
        SettingsError: the machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as asked:
            asked.bind((host, 0))
            port: int = asked.getsockname()[1]
            return port
    except OSError as error:
        raise SettingsError(
            f"web.host = {host!r} cannot be listened on: {error.strerror or error}; "
            "give an address of this machine, such as 127.0.0.1"
        ) from error


def url(host: str, port: int) -> str:
    """The address under which this machine reaches what listens on ``host``.

    >>> url("0.0.0.0", 8000), url("::1", 8501)
    ('http://127.0.0.1:8000', 'http://[::1]:8501')
    """
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _check_names(names: Sequence[str], flag: str) -> None:
    for name in names:
        if name not in NAMES:
            raise UsageError(f"{flag} {name}: there is no such process; there are {', '.join(NAMES)}")


def _why_not(name: str, settings: Settings) -> str:
    if name == RECORD and not settings.record.feeds:
        return "no feed to record; set record.feeds in barograph.toml (sim is a simulated market)"
    if name == TRADE and not settings.trade.strategies:
        return 'no strategy to trade; set trade.strategies in barograph.toml ("dip", or files)'
    return ""


def _verb(name: str, flags: tuple[str, ...]) -> tuple[str, ...]:
    return ("-m", "barograph", name, *flags)


def _record(settings: Settings, flags: tuple[str, ...]) -> Part:
    record = settings.record
    told = url(record.metrics_host, record.metrics_port) + "/metrics" if record.metrics_port else ""
    return Part(
        RECORD,
        _verb(RECORD, flags),
        RECORDING,
        record.shutdown_s + _BEYOND_S,
        ready=recording(settings.data_dir),
        address=told,
        vital=True,
    )


def _trade(settings: Settings, flags: tuple[str, ...]) -> Part:
    # Without a tape there is nothing to follow: the recorder makes it.
    ready = trading(settings.data_dir)
    return Part(TRADE, _verb(TRADE, flags), TRADING, _TRADE_S, ready=ready, after=RECORD)


def _serve(settings: Settings, flags: tuple[str, ...]) -> Part:
    port = settings.web.api_port or free_port(settings.web.host)
    address = url(settings.web.host, port)
    return Part(
        SERVE,
        _verb(SERVE, flags),
        WEB,
        _WEB_S,
        ready=answers(f"{address}/healthz"),
        environ={"BAROGRAPH__WEB__API_PORT": str(port)},
        address=address,
        vital=True,
    )


def _dashboard(settings: Settings, flags: tuple[str, ...]) -> Part:
    port = settings.web.dashboard_port or free_port(settings.web.host)
    address = url(settings.web.host, port)
    return Part(
        DASHBOARD,
        _verb(DASHBOARD, flags),
        WEB,
        _WEB_S,
        ready=answers(f"{address}/_stcore/health"),
        environ={"BAROGRAPH__WEB__DASHBOARD_PORT": str(port)},
        address=address,
    )
