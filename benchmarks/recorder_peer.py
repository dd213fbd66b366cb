"""cryptofeed against our Binance server: what a frame costs it, and the rate at which it falls behind.

It gets only best bids and asks, since the server has the true ``trade`` stream and cryptofeed asks for
``aggTrade``, and a callback that does nothing: no disk, no tables, no gaps looked for.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import Any

from benchmarks.peers import python_of
from benchmarks.servers import Servers

RATES = (5_000, 10_000, 20_000, 30_000, 40_000, 60_000, 80_000, 100_000)
STEP_S = 10.0
SETTLE_S = 1.0
BEHIND_S = 1.0
"""Frames of more than this much time still on their way: it has fallen behind."""

SCRIPT = """
import asyncio, json, sys, threading, time
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TICKER
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols

import cryptofeed.connection as connection

url, rest = sys.argv[1:]
url = url.replace('ws://', 'wss://')
plain = connection.connect
# It insists on TLS, which our server does without; the rest of the connection is its own.
connection.connect = lambda address, **given: plain(address.replace('wss://', 'ws://'), **given)
class Local(Binance):
    websocket_endpoints = [WebsocketEndpoint(url)]
    rest_endpoints = [RestEndpoint(rest, routes=Routes('/api/v3/exchangeInfo'))]
names = {'BTC-USDT': 'BTCUSDT', 'ETH-USDT': 'ETHUSDT'}
Symbols.set(Local.id, names, {'tick_size': {}, 'instrument_type': {name: 'spot' for name in names}})
count = 0
async def ticker(t, receipt):
    global count
    count += 1
def tell():
    while True:
        time.sleep(0.2)
        print(json.dumps([time.monotonic(), count, time.process_time()]), flush=True)
threading.Thread(target=tell, daemon=True).start()
handler = FeedHandler(config={'uvloop': True, 'log': {'disabled': True}})
asyncio.set_event_loop(asyncio.new_event_loop())  # which uvloop's policy does not make by itself
handler.add_feed(Local(symbols=list(names), channels=[TICKER], callbacks={TICKER: ticker}))
handler.run()
"""


class _Peer:
    """A running cryptofeed and the newest of what it tells."""

    def __init__(self, address: dict[str, str]) -> None:
        command = [str(python_of("decoders")), "-c", SCRIPT, address["url"], address["rest_url"]]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.newest: tuple[float, int, float] = (0.0, 0, 0.0)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            moment, count, cpu = json.loads(line)
            self.newest = (moment, count, cpu)


def _sent(servers: Servers) -> tuple[int, int]:
    """Quotes made, and connections ever opened."""
    told = servers.say("report")["venues"]["binance"]
    return sum(count for _, channel, _, count in told["made"] if channel == "quotes"), told["opened"]


def cryptofeed(servers: Servers) -> dict[str, Any]:
    """Rates in steps, until it falls behind or loses its connection."""
    peer = _Peer(servers.addresses["binance"])
    steps: list[dict[str, float]] = []
    try:
        deadline = time.monotonic() + 30
        while not servers.say("report")["venues"]["binance"]["connections"]:
            if time.monotonic() > deadline:
                raise TimeoutError("cryptofeed did not connect")
            time.sleep(0.1)
        servers.say("only binance quotes")
        for rate in RATES:
            (before, opened), (_, count, cpu) = _sent(servers), peer.newest
            servers.say(f"rate {rate}")
            time.sleep(STEP_S)
            sent, opened_now = _sent(servers)
            _, reached, spent = peer.newest
            behind_s = max(sent - before - (reached - count), 0) / rate
            steps.append(
                {
                    "rate": (sent - before) / STEP_S,
                    "received_per_s": (reached - count) / STEP_S,
                    "cpu_us_a_frame": (spent - cpu) / max(reached - count, 1) * 1e6,
                    "behind_s": behind_s,
                    "connections_lost": opened_now - opened,
                }
            )
            servers.say("rate 0")
            if behind_s > BEHIND_S or opened_now > opened:
                break
            time.sleep(SETTLE_S)
    finally:
        servers.say("rate 0")
        servers.say("only all")
        peer.process.kill()
        peer.process.wait()
    failed = steps[-1]["behind_s"] > BEHIND_S or steps[-1]["connections_lost"] > 0
    return {"steps": steps, "falls_behind_at": steps[-1]["rate"] if failed else None}
