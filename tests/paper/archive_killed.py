"""A process that closes positions and archives them, over and over, until killed. Argument: the data."""

from __future__ import annotations

import sys
from pathlib import Path

from barograph.paper.archive import Archivist, LakeArchive
from barograph.paper.ledger import Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, completed

KEY = Key("dip", "sim", "NSE:INFY")


def main(data: Path) -> None:
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    archivist = Archivist(ledger, LakeArchive(data, grace_s=0.0))
    while True:
        item = ledger.read(KEY)
        if item.positions:
            ended = completed(
                item.positions[0],
                exit_price=101.0,
                exit_ts_us=item.version,
                exit_fee=0.0,
                exit_id=f"x{item.version}",
                reason="signal",
            )
            ledger.close(item, ended)
        else:
            ledger.open(item, Position(*KEY, 1.0, 100.0, item.version, 0.0, f"t{item.version}"))
        say("decided")
        archivist.drain()
        say("archived")


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
