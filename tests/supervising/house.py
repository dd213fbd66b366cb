"""A parent with stand-ins below it, as a program: ``house.py FOLDER SPECIFICATION``.

The specification is JSON: a list of ``{"name", "how", ...}`` with fields of ``Part``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from barograph.recorder.live.notify import Notifier
from barograph.supervising.logs import Log
from barograph.supervising.plan import LeftOut, Part, Plan
from barograph.supervising.runs import Waits
from barograph.supervising.supervisor import Supervisor

STANDING_IN = Path(__file__).with_name("standing_in.py")


def part(folder: Path, given: dict[str, Any]) -> Part:
    """A stand-in as a part."""
    name, how = given["name"], given.get("how", ["works"])
    return Part(
        name,
        (str(STANDING_IN), str(folder), name, *how),
        given.get("ends", 0),
        given.get("patience_s", 60.0),
        ready=lambda pid: (folder / f"{name}.{pid}.ready").exists(),
        after=given.get("after", ""),
        environ=given.get("environ", {}),
        vital=given.get("vital", False),
    )


def main(folder: Path, specification: str, form: str = "console") -> int:
    """Run them."""
    parts = tuple(part(folder, given) for given in json.loads(specification))
    log = Log(sys.stderr.buffer, form, [each.name for each in parts])  # type: ignore[arg-type]
    plan = Plan(parts, (LeftOut("nobody", "there is none"),))
    waits = Waits(min_s=0.01, max_s=0.05, ready_s=0.2)
    notifier = Notifier.from_environment()

    def up(_parts: object) -> None:
        sys.stdout.write("up\n")
        sys.stdout.flush()

    return Supervisor(plan, folder, log, notifier=notifier, waits=waits, on_up=up).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
