"""Every compiled kernel, used once: ``python -m barograph.recorder.exercise``.

What that compiles is kept on disk; :mod:`~barograph.recorder.warming` runs it in a process of its own.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import structlog

from barograph.anomalies import history
from barograph.anomalies.models.features import NAMES, features
from barograph.anomalies.models.forest import LEAF, Forest
from barograph.bars import BarSettings
from barograph.clock import MINUTE_US, ManualClock
from barograph.recorder.replaying import replay
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.process import TradingProcess
from barograph.recorder.trading.specs import BarStrategy, Member, Plan
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.strategies.families import check
from barograph.strategies.strategy import Strategy
from barograph.tape import TapeWriter


def use_them_all() -> None:
    """A small tape through the whole line: closing, revising, letting go, recalling."""
    start_us = 1_723_075_200_000_000
    with tempfile.TemporaryDirectory(prefix="barograph-warm-") as name:
        data = Path(name)
        with TapeWriter(data / "tape", clock=ManualClock(start_us * 1000)) as tape:
            for batch in frames(Market(1, ["BTC-USD", "ETH-USD"], start_us=start_us, minutes=100, rate=0.2)):
                tape.append_many([Stream("sim", "sim-1")], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
            for at, frame in _binance(start_us + 100 * MINUTE_US):
                tape.append(Stream("binance", "b-1"), at, Kind.FRAME, frame)
        _score()
        bars = BarSettings(kept_rows=200, retain_us=0, history_bars=30, spike_window=20)
        replay(data, LineSettings(bars=bars), stride_records=500)
        _trade(data)


def _trade(data: Path) -> None:
    """The kernel that all strategies of bars share, one minute after the other."""
    cross = check(Strategy(family="sma_cross", params={"fast": 1, "slow": 2}))
    plan = Plan(bars=(BarStrategy(name="cross", members=(Member("cross", cross),)),))
    TradingProcess(data, LineSettings(), plan).replay()


def _score() -> None:
    """A bar with an hour behind it, and a tree of one leaf."""
    series = history.History(np.arange(61), np.ones((history.COLUMNS, 61)), 61).series(history.Market())
    none = np.zeros(1, dtype=np.int32)
    tree = Forest(np.zeros(1, dtype=np.int64), none + LEAF, np.ones(1), none, none, 1.0, len(NAMES))
    tree.scores(features(series, 60, 61))


def _binance(start_us: int) -> list[tuple[int, bytes]]:
    """Trades and quotes in the forms that are read by a compiled scanner."""
    made = []
    for number in range(300):
        us = start_us + number * 1_000_000
        ms, late_ms = us // 1000, us // 1000 - (90_000 if number % 50 == 49 else 0)
        trade = (
            f'{{"e":"trade","E":{ms},"s":"BTCUSDT","t":{number},"p":"61800.10","q":"0.5",'
            f'"T":{late_ms},"m":true,"M":true}}'
        )
        quote = f'{{"u":{number},"s":"BTCUSDT","b":"61800.1","B":"1.5","a":"61800.2","A":"2.5"}}'
        made += [(us * 1000, trade.encode()), (us * 1000, quote.encode())]
    return made


if __name__ == "__main__":
    # What is made and traded here is nobody's: it must not stand in anybody's log.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    use_them_all()
