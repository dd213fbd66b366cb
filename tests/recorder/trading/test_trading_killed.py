"""``barograph record`` and ``barograph trade`` as two processes, killed again and again, at any moment."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from tests.servers.forked import begin

from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.recorder.live.statusfile import read_status, status_path
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.figures import read_figures
from barograph.recorder.trading.reconciling import reconcile
from barograph.recorder.warming import warm
from barograph.store.layout import ledger_path
from barograph.tape import TapeReader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes"),
]

KILLS = 50
WITHIN_S = 60.0
SETTINGS = """
data_dir = "{data}"
[record]
feeds = ["sim"]
[feeds.sim]
symbols = ["BTC-USD", "ETH-USD"]
events_per_s = 300.0
cadence_s = 0.02
[trade]
strategies = ["dip", "{strategy}"]
fee_bps = 0.5
[trade.dip]
drop_pct = 0.01
profit_pct = 0.01
stop_pct = 0.02
lookback_s = 5.0
"""


class Processes:
    """The two, each begun again after its death."""

    def __init__(self, folder: Path) -> None:
        self.data, self.folder = folder / "data", folder
        strategy = folder / "cross.json"
        strategy.write_text(json.dumps({"family": "sma_cross", "params": {"fast": 1, "slow": 2}}))
        self.settings = folder / "barograph.toml"
        self.settings.write_text(SETTINGS.format(data=self.data, strategy=strategy))
        self.log = folder / "processes.log"
        self.running: dict[str, BaseProcess] = {}
        for verb in ("record", "trade"):
            self._begin(verb)

    def _begin(self, verb: str) -> None:
        if verb == "trade":
            self.until("there is a tape", (self.data / "tape").is_dir)
        self.running[verb] = begin([verb, "--config", str(self.settings)], self.log)

    def kill(self, verb: str) -> None:
        process = self.running.pop(verb)
        process.kill()
        assert ended(process) == -signal.SIGKILL
        self._begin(verb)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        until = time.monotonic() + WITHIN_S
        while not condition():
            for verb, process in self.running.items():
                assert process.is_alive(), f"{verb} ended by itself; see {self.log}"
            assert time.monotonic() < until, f"{what}: not within {WITHIN_S} s; see {self.log}"
            time.sleep(0.005)

    def are_up(self) -> bool:
        """Whether both have told their first figures; before that a signal just ends them."""
        recorder, trader = read_status(status_path(self.data), time.time_ns()), read_figures(self.data)
        pids = {recorder.status.pid if recorder else 0, trader.pid if trader else 0}
        return pids == {process.pid for process in self.running.values()}

    @property
    def traded_pos(self) -> int:
        figures = read_figures(self.data)
        return 0 if figures is None else figures.next_pos

    @property
    def tape_end(self) -> int:
        return TapeReader(self.data / "tape").end


def ended(process: BaseProcess) -> int | None:
    """The exit code of a process that ends; None: it did not."""
    process.join(WITHIN_S)
    return process.exitcode


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    both = Processes(folder)
    try:
        yield both
        for process in reversed(both.running.values()):
            process.terminate()
            assert ended(process) == 0
    finally:
        for process in both.running.values():
            process.kill()


def agreed(data: Path) -> int:
    """Ledger, archive and tape agree; how many trades there are."""
    ledger = SqliteLedger(ledger_path(data / "lake"), read_only=True)
    # Both may be at work again while this looks: what a look is held against was looked at in this order.
    before = {trade.trade_key for trade in ledger.trades()}
    pending = {trade.trade_key for trade in ledger.pending(1_000_000)}
    files = {path.stem: path for path in (data / "completed-trades").rglob("*.json")}
    trades = {trade.trade_key: trade for trade in ledger.trades()}
    assert before - pending <= files.keys(), "what is no longer pending is archived"
    assert files.keys() <= trades.keys(), "what is archived is in the ledger"
    for key, path in files.items():
        assert json.loads(path.read_bytes())["profit"] == trades[key].profit
    entries = [(t.strategy, t.venue, t.symbol, t.entry_id) for t in trades.values()]
    held = [position for item in ledger.items() for position in item.positions]
    entries += [(p.strategy, p.venue, p.symbol, p.entry_id) for p in held]
    assert len(set(entries)) == len(entries)
    assert len({(p.strategy, p.venue, p.symbol) for p in held}) == len(held)
    ledger.shut()
    return len(trades)


def test_killed_fifty_times_no_position_is_lost_and_none_is_doubled(tmp_path: Path) -> None:
    warm()
    rng = random.Random(4)
    with processes(tmp_path) as both:
        both.until("it trades", lambda: both.traded_pos > 100)
        for number in range(KILLS):
            reached = both.tape_end + rng.randrange(1, 300)
            if number % 3 == 0:  # both are at work
                both.until("it goes on", lambda pos=reached: both.traded_pos >= pos)
            elif number % 3 == 1:  # the recorder is; who was killed last may be on the way up
                both.until("it is recorded", lambda pos=reached: both.tape_end >= pos)
            both.kill(rng.choice(("record", "trade", "trade")))
            agreed(both.data)
        both.until("both are up", both.are_up)
        reached = both.tape_end
        both.until("it has caught up", lambda: both.traded_pos >= reached)
    assert agreed(tmp_path / "data") > 20
    ledger = SqliteLedger(ledger_path(tmp_path / "data" / "lake"), read_only=True)
    report = reconcile(tmp_path / "data", ledger, LineSettings())
    assert (report.differences, report.rows) == (0, ())
    assert not ledger.pending()
    assert report.to_pos >= reached
    ledger.shut()
