"""The recorder as a process: signals, and a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from barograph.gaps import Channel, Subscribed
from barograph.records import Kind
from barograph.store import Scan
from barograph.store.lake import Lake
from barograph.store.reading import read
from barograph.tape import TapeReader
from barograph.testing import LiveMarket, Served, serving

from ..house import warmed
from .venues import BINANCE, Case, where

TOML = """
data_dir = "{data}"

[record]
feeds = ["{feed}"]
commit_interval_s = 0.05
backoff_min_s = 0.02
backoff_max_s = 0.2
checkpoint_interval_s = 0.5

[feeds.{feed}]
symbols = {symbols}
url = "{url}"
rest_url = "{rest_url}"
"""


class Recording:
    """``barograph record`` in a process of its own, and what it has made."""

    def __init__(self, folder: Path, case: Case, served: Served) -> None:
        self.folder, self.case, self.served = folder, case, served
        self.data = folder / "data"
        self.process: subprocess.Popen[bytes] | None = None

    def settings(self, *symbols: str) -> None:
        url = case_url(self.case, self.served)
        text = TOML.format(
            data=self.data.as_posix(),
            feed=self.case.feed,
            symbols=json.dumps(list(symbols)),
            url=url,
            rest_url=self.served.rest_url,
        )
        (self.folder / "barograph.toml").write_text(text)

    def start(self, **environment: str) -> None:
        """Begin, and wait until it is subscribed."""
        before = len(self.served.log.noted("opened"))
        self.begin(**environment)
        self.until(lambda: len(self.served.log.noted("opened")) > before, "connected")
        self.served.connected(1)

    def begin(self, **environment: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "barograph", "record", "--json"],
                cwd=self.folder,
                env=os.environ | environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within_s: float = 15.0) -> int:
        assert self.process is not None
        return self.process.wait(within_s)

    def until(self, condition: Callable[[], object], what: str, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, f"not in {within_s} s: {what}; {self.log}"
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def rows(self, table: str) -> list[dict[str, Any]]:
        return (
            read(Lake(self.data / "lake"), Scan(table)).to_pylist() if (self.data / "lake").exists() else []
        )

    def trade_ids(self, symbol: str) -> list[int]:
        return sorted(row["trade_id"] for row in self.rows("ticks") if row["symbol"] == symbol)

    def all_stored(self, symbol: str) -> None:
        def whole() -> bool:
            return self.trade_ids(symbol) == sorted(self.served.log.numbers_made(symbol, Channel.TRADES))

        self.until(whole, f"all trades of {symbol}")

    def trade(self, n: int, symbol: str | None = None) -> None:
        for _ in range(n):
            self.served.market.trade(symbol or self.case.symbol)
        self.served.do(lambda _: None)


def case_url(case: Case, served: Served) -> str:
    return str(case.settings(served)[f"feeds__{case.feed}__url"])


@contextmanager
def place(case: Case, folder: Path) -> Iterator[Recording]:
    """A server, and a folder with settings for it; whatever runs there at the end is killed."""
    warmed()
    with serving(case.venue(LiveMarket((case.symbol, case.other)))) as served:
        it = Recording(folder, case, served)
        it.settings(case.symbol)
        try:
            yield it
        finally:
            if it.process is not None and it.process.poll() is None:
                it.process.kill()
                it.process.wait()


@where(BINANCE)
def test_sigterm_drains_and_ends_with_0_within_10_seconds(case: Case, tmp_path: Path) -> None:
    with place(case, tmp_path) as it:
        it.start()
        it.served.market.make(trades=2000, quotes=4000)
        it.served.do(lambda _: None)
        handed = it.served.log.numbers_handed(case.symbol, Channel.TRADES)
        it.until(lambda: len(it.trade_ids(case.symbol)) > 0, "recording")
        begun = time.monotonic()
        it.tell(signal.SIGTERM)
        assert it.ended() == 0, it.log
        assert time.monotonic() - begun < 10.0
        assert it.trade_ids(case.symbol) == sorted(handed)
        (last,) = list(TapeReader(it.data / "tape").read())[-1:]
        assert Kind.CLOSE in [record.kind for record in last][-3:]


@where(BINANCE)
def test_sighup_changes_symbols_without_dropping_the_connection(case: Case, tmp_path: Path) -> None:
    with place(case, tmp_path) as it:
        it.start()
        it.trade(3)
        it.all_stored(case.symbol)
        it.settings(case.symbol, case.other)
        it.tell(signal.SIGHUP)
        it.served.until(
            lambda: any(case.other in client.trades for client in it.served.server.connections.values())
        )
        it.trade(3)
        it.trade(4, case.other)
        it.until(lambda: len(it.trade_ids(case.other)) == 4, "the new symbol's trades")
        it.all_stored(case.symbol)
        assert len(it.served.log.noted("opened")) == 1
        it.settings(case.other)
        it.tell(signal.SIGHUP)
        it.served.until(
            lambda: not any(case.symbol in client.trades for client in it.served.server.connections.values())
        )
        assert len(it.served.log.noted("opened")) == 1
        it.tell(signal.SIGTERM)
        assert it.ended() == 0
        asked = [
            set(msgspec.json.decode(record.payload, type=Subscribed).wanted)
            for run in TapeReader(it.data / "tape").read()
            for record in run
            if record.kind == Kind.CONFIG
        ]
        assert asked == [{case.symbol}, {case.symbol, case.other}, {case.other}]


@where(BINANCE)
def test_after_a_kill_nothing_is_lost_nothing_is_twice_and_the_outage_is_refilled(
    case: Case, tmp_path: Path
) -> None:
    with place(case, tmp_path) as it:
        it.start()
        it.trade(10)
        it.all_stored(case.symbol)
        it.trade(50)
        it.tell(signal.SIGKILL)
        assert it.ended() == -signal.SIGKILL
        it.trade(20)
        it.start()
        it.trade(10)
        it.all_stored(case.symbol)
        it.tell(signal.SIGTERM)
        assert it.ended() == 0
        closes = [
            msgspec.json.decode(record.payload)["reason"]
            for run in TapeReader(it.data / "tape").read()
            for record in run
            if record.kind == Kind.CLOSE
        ]
        assert closes[0] == "the process ended"
        assert len(closes) == 2


def test_a_signal_during_the_start_ends_it_too(tmp_path: Path) -> None:
    with place(BINANCE, tmp_path) as it:
        it.served.faults.change(refuse=503, rest_slow_s=30.0)
        it.begin()
        it.until(lambda: "recording" in it.log, "it has begun")
        it.tell(signal.SIGINT)
        assert it.ended() == 0, it.log
