"""A data directory with a little of everything, and a real server that serves it on a loopback port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from tests.store.making import DAY_0, DAY_1, MINUTE, Row, anomaly, bar, completed, rows, tick

from barograph.api.application import create_app
from barograph.api.state import State
from barograph.clock import Clock
from barograph.settings import Settings
from barograph.store import Commit, Lake
from barograph.store.traded import add_trades, table_of
from barograph.tables import COMPLETED_TRADES

SYMBOLS = ("BTC-USD", "ETH-USD")
MINUTES = 90
"""Of each symbol and day."""
TIED = 7
"""Trades of one frame that nothing tells apart but their sizes."""


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    client: httpx.Client
    app: FastAPI
    state: State

    def get(
        self, path: str, status: int = 200, headers: dict[str, str] | None = None, **parameters: Any
    ) -> Any:
        """An answer with this status."""
        answer = self.client.get(path, params=parameters or None, headers=headers)
        assert answer.status_code == status, answer.text[:500]
        return answer

    def rows(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a query, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, **parameters, **({"cursor": cursor} if cursor else {})).json()
            found += page["rows"]
            cursor = page["next"]
            if cursor is None:
                return found


@contextmanager
def served(settings: Settings, clock: Clock | None = None) -> Iterator[Served]:
    """The API of ``settings`` by a real uvicorn, whatever address they name, on loopback."""
    state = State.of(settings, clock)
    app = create_app(settings, state)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=30.0) as client:
                yield Served(url, client, app, state)
        finally:
            server.should_exit = True
            thread.join()


def settings_of(data: Path, **web: Any) -> Settings:
    """The settings of a data directory, with those of section ``[web]``."""
    return Settings.model_validate({"data_dir": data, "web": web})


def fill(data: Path) -> Lake:
    """Two days of two symbols, the first one sealed, and a third symbol by candles only."""
    lake = Lake(data / "lake")
    lake.commit(commit_of(0, 0))
    lake.seal(all=True, grace_s=0)
    lake.commit(commit_of(1, 10_000))
    add_trades(data / "lake", trades())
    return lake


def commit_of(day: int, pos: int) -> Commit:
    """All tables of one day."""
    start = DAY_0 + day * (DAY_1 - DAY_0)
    known: dict[str, list[Row]] = {
        "market_microstructure": [each for symbol in SYMBOLS for each in _bars(symbol, start, pos)],
        "ticks": [each for symbol in SYMBOLS for each in _ticks(symbol, start, pos)],
        "quotes": [_quote(start + number * 1_000_000, pos + number) for number in range(40)],
        "anomalies": [anomaly(start + number * MINUTE, pos + number, 3.5) for number in range(12)],
        "coverage": [each for symbol in SYMBOLS for each in _coverage(symbol, start, pos)],
        "candles": [_candle(start + number * MINUTE, pos) for number in range(30)],
    }
    return Commit(pos, pos + 10_000, {name: rows(name, *given) for name, given in known.items()})


def _bars(symbol: str, start: int, pos: int) -> list[Row]:
    return [
        bar(
            start + number * MINUTE,
            pos + number,
            symbol,
            open=100.0 + number,
            high=102.5 + number,
            low=99.0 + number,
            price=101.0 + number / 3,
            volume=float(number),
            rsi_14=None if number < 14 else float("nan") if number == 20 else 50.0 + number / 7,
        )
        for number in range(MINUTES)
    ]


def _ticks(symbol: str, start: int, pos: int) -> list[Row]:
    single = [tick(start + number * 700_000, pos + number, symbol, size=1.0) for number in range(60)]
    tied = [tick(start + 30_500_000, pos + 60, symbol, size=2.0 + number) for number in range(TIED)]
    return [*single, *tied]


def _quote(ts: int, pos: int) -> Row:
    return {"ts": ts, "recv_ts": ts, "symbol": "BTC-USD", "venue": "sim", "bid_price": 99.0, "tape_pos": pos}


def _coverage(symbol: str, start: int, pos: int) -> list[Row]:
    return [
        {
            "minute": start + number * MINUTE,
            "symbol": symbol,
            "venue": "sim",
            "channel": channel,
            "state": "missing" if number == 3 else "complete",
            "reason": "the line was down" if number == 3 else None,
            "messages": number,
            "tape_pos": pos + number,
        }
        for channel in ("trades", "quotes")
        for number in range(20)
    ]


def _candle(ts: int, pos: int) -> Row:
    prices = {"open": 5.0, "high": 6.0, "low": 4.0, "price": 5.5, "volume": 2.0}
    return {"timestamp": ts, "venue": "file", "symbol": "SPY", "interval_s": 60, "tape_pos": pos, **prices}


def trades() -> Any:
    """Three completed trades."""
    made = [
        completed(
            f"k{number}", entry_ts_us=DAY_0 + number, exit_ts_us=DAY_0 + number * MINUTE, exit_bar_version=7
        )
        for number in range(3)
    ]
    return table_of(COMPLETED_TRADES.schema(), made)


def moment(us: int) -> str:
    """A time as the API writes it."""
    seconds, rest = divmod(us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"
