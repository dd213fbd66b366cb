"""A process that opens and closes one position after the other, until it is done or killed.

Arguments: Python code that opens the ledger as ``ledger``, and how many positions. Every answer is a line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from barograph.paper.ledger import Account, Answer, Item, Key, Ledger, Overtaken
from barograph.paper.positions import Position, completed

KEY = Key("dip", "sim", "BTC-USD")


def main(code: str, count: int) -> None:
    names: dict[str, Any] = {}
    exec(code, names)
    ledger: Ledger = names["ledger"]
    for n in range(count):
        one = Position("dip", "sim", "BTC-USD", 0.1, 100.0, n, 0.01, f"e{n}")
        exit_ = completed(
            one, exit_price=105.0, exit_ts_us=n, exit_fee=0.02, exit_id=f"x{n}", reason="take_profit"
        )
        tell(f"open e{n}", ledger, lambda item, account, one=one: ledger.open(item, one, account))
        tell(f"close e{n}", ledger, lambda item, account, exit_=exit_: ledger.close(item, exit_, account))
    ledger.shut()


def tell(what: str, ledger: Ledger, write: Callable[[Item, Account], Answer]) -> None:
    while True:
        item, account = ledger.read(KEY), ledger.account("shared")
        state = b"%d" % (item.version + 1)
        try:
            answer = write(item._replace(state=state), account._replace(state=state))
        except Overtaken:
            continue
        sys.stdout.write(f"{what} {answer.value}\n")
        sys.stdout.flush()
        return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
