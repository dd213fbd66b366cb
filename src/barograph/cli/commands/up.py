"""``barograph up``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from barograph.cli.options import DEFAULTS, Everywhere, Options, Words, split
from barograph.cli.output import encode, write

if TYPE_CHECKING:
    from barograph.supervising.statefile import PartState


def up(*, only: Words = None, without: Words = None, common: Options = DEFAULTS) -> int:
    """Run everything: recorder, paper trading, API and dashboard, with one log and one Ctrl-C.

    Each is a process of its own, the same as barograph record, trade, serve and dashboard. One that dies is
    begun again; one that needs a person (a wrong setting) is told of and left, the others go on. Without
    feeds (record.feeds) there is no recorder, without strategies (trade.strategies) no trading. Ctrl-C
    or SIGTERM ends all in order. barograph status shows who runs.

    Parameters
    ----------
    only
        Of record, trade, serve, dashboard only these, with commas or spaces.
    without
        Not these.
    """
    from barograph.cli.logs import colour
    from barograph.disk import Lock
    from barograph.recorder.live.notify import Notifier
    from barograph.supervising.logs import Log
    from barograph.supervising.plan import plan_of
    from barograph.supervising.supervisor import Supervisor

    settings = common.settings()
    plan = plan_of(settings, handed_on(common), split(only), split(without))
    names = [part.name for part in plan.parts]
    log = Log(sys.stderr.buffer, settings.log.format, names, colour=colour(), quiet=common.quiet)
    data = settings.data_dir
    with Lock(data / "state" / "up.lock", f"barograph up runs with {data} already,"):
        return Supervisor(
            plan,
            data,
            log,
            on_up=lambda parts: _tell(parts, as_json=common.json),
            notifier=Notifier.from_environment(),
        ).run()


def handed_on(common: Everywhere) -> tuple[str, ...]:
    """The options of every verb that each process is given as well.

    >>> from pathlib import Path
    >>> handed_on(Everywhere(data=Path("d"), quiet=True))
    ('--data', 'd', '--quiet')
    """
    values = {"--config": common.config, "--data": common.data, "--log-level": common.log_level}
    words = [word for flag, value in values.items() if value is not None for word in (flag, str(value))]
    switches = {"--quiet": common.quiet, "--debug": common.debug}
    return (*words, *(flag for flag, given in switches.items() if given))


def _tell(parts: Sequence[PartState], *, as_json: bool) -> None:
    """Who is up, and where: on standard output, once."""
    if as_json:
        text = encode({"up": True, "processes": list(map(_fields, parts))}) + "\n"
    else:
        width = max(len(part.name) for part in parts)
        text = "".join(f"{part.name:<{width}}  {_where(part)}\n" for part in parts)
    with suppress(BrokenPipeError):  # who wanted to know has gone; the house goes on
        write(text)
        sys.stdout.flush()


def _fields(part: PartState) -> dict[str, Any]:
    return {
        "name": part.name,
        "state": part.stage.value,
        "pid": part.pid or None,
        "address": part.address or None,
        "code": part.code,
        "problem": part.problem or None,
    }


def _where(part: PartState) -> str:
    if not part.pid:
        return f"not running: {part.problem or 'it has ended'}"
    return part.address or f"running, process {part.pid}"
