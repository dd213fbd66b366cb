"""What ``barograph status`` tells of ``barograph up``: who runs, since when, and what went wrong."""

from __future__ import annotations

from typing import Any

from barograph.cli.text_table import text_table
from barograph.cli.times import iso_ns
from barograph.supervising.statefile import HouseState, PartState, fresh

_COLUMNS = ("process", "state", "since", "pid", "restarts", "address", "problem")
_ROOM = 200


def house_fields(state: HouseState | None, now_ns: int) -> dict[str, Any] | None:
    """The processes as plain data for JSON; None where none were ever run together."""
    if state is None:
        return None
    running = fresh(state, now_ns)
    return {
        "state": "running" if running else "ended",
        "pid": state.pid,
        "started": iso_ns(state.started_ns),
        "seen": iso_ns(state.now_ns),
        "processes": [_part(part) for part in state.parts] if running else [],
        "left_out": dict(state.left_out),
    }


def house_text(state: HouseState | None, now_ns: int) -> str:
    """The same for people; nothing where none were ever run together."""
    fields = house_fields(state, now_ns)
    if fields is None:
        return ""
    if fields["state"] == "ended":
        lasted = f"{_second(fields['started'])} to {_second(fields['seen'])}"
        return f"house     barograph up does not run; last ran {lasted}\n"
    rows = [[part[name] for name in _COLUMNS] for part in fields["processes"]]
    head = f"house     running since {_second(fields['started'])}, process {fields['pid']}\n"
    left_out = "".join(f"left out  {name}: {why}\n" for name, why in fields["left_out"].items())
    return head + text_table(list(_COLUMNS), rows, _ROOM) + left_out


def _part(part: PartState) -> dict[str, Any]:
    return {
        "process": part.name,
        "state": part.stage.value,
        "since": iso_ns(part.since_ns) if part.since_ns else None,
        "pid": part.pid or None,
        "restarts": part.restarts,
        "address": part.address or None,
        "code": part.code,
        "problem": part.problem or None,
    }


def _second(text: str | None) -> str:
    return f"{text[:19]}Z" if text else "-"
