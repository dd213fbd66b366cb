"""The vendor's own ticker, run as a process: Twisted's reactor runs only once in one.

Arguments: the address, API key, access token, and a JSON object of mode to tokens. Prints what
``on_ticks`` was given, as JSON, when an order comes, or ``{"error": ...}`` when the ticker fails.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from kiteconnect import KiteTicker


def main(root: str, api_key: str, access_token: str, wanted: str) -> None:
    ticks: list[Any] = []
    ended: list[bool] = []
    modes: dict[str, list[int]] = json.loads(wanted)
    ticker = KiteTicker(api_key, access_token, root=root, reconnect=False)

    def on_connect(ws: Any, _response: Any) -> None:
        for mode, tokens in modes.items():
            ws.subscribe(tokens)
            ws.set_mode(mode, tokens)

    def end(result: Any) -> None:
        if ended:
            return  # stopping is an error, too, as the ticker tells it
        ended.append(True)
        sys.stdout.write(json.dumps(result, default=_seconds))
        sys.stdout.flush()
        ticker.stop_retry()
        ticker.stop()

    ticker.on_connect = on_connect
    ticker.on_ticks = lambda _ws, more: ticks.append(more)
    ticker.on_order_update = lambda _ws, _order: end({"ticks": ticks})
    ticker.on_error = lambda _ws, code, reason: end({"error": f"{code} {reason}"})
    ticker.connect()


def _seconds(value: object) -> float:
    assert isinstance(value, datetime)
    return value.timestamp()


if __name__ == "__main__":
    main(*sys.argv[1:])
