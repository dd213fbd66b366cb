"""Chaos for the live recorder.

    python -m benchmarks.chaos [--minutes 5] [--seed 1] [--every 0.8] [--keep DIR] [--json]

Three venue servers trade some hundred events a second into one ``barograph record``, by way of relays
that play the network. Faults come by a seeded plan: the recorder, servers and connections are killed, the
network cuts, stalls and refuses, the store is gone, the disk is full, the recorder's clock jumps, venues send
rubbish, withhold trades and refuse requests. Then all is lifted, and it is judged from the servers' own logs:

- every trade and quote in a frame on the tape is in the tables, once, as the venue made it, and nothing else;
- every trade that a venue made is in ticks, or its minute is ``missing`` in coverage, with a reason;
- coverage is true for every minute of trades; no minute of quotes is whole that lost one;
- records that could be read when the recorder was killed are there at the end;
- a rebuild from a copy of the tape makes the same tables;
- SIGTERM ends it with 0.

Exit code 1 when anything of it is not so; the folder with all logs is kept then.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.chaos.run import chaos
from benchmarks.chaos.verdict import judged


def main() -> int:
    given = _arguments()
    folder = Path(given.keep or tempfile.mkdtemp(prefix="barograph-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {what}", file=sys.stderr, flush=True)

    tell(f"seed {given.seed}, in {folder}")
    survived = chaos(folder, given.minutes * 60, given.seed, tell, every_s=given.every, short=given.short)
    tell("judging")
    verdict = judged(folder, survived)
    result: dict[str, Any] = {
        "seed": given.seed,
        "faults_survived": survived.faults.total(),
        "faults": dict(sorted(survived.faults.items())),
        "faults_that_met_nothing": survived.missed.total(),
        "recorder_starts": survived.starts,
        "recorder_ends": survived.ended,
        **survived.figures,
        "settled": survived.settled,
        "stop_s": survived.stop_s,
        **verdict.figures,
        "wrong": verdict.wrong,
    }
    print(json.dumps(result, indent=None if given.json else 2))
    if verdict.wrong:
        tell(f"NOT survived: seed {given.seed}, everything is in {folder}")
        return 1
    if not given.keep:
        shutil.rmtree(folder)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=0.8, help="seconds between two faults, on average")
    parser.add_argument("--keep", help="work in this folder and keep it")
    parser.add_argument("--short", action="store_true", help="do not wait for the last minute's coverage")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
