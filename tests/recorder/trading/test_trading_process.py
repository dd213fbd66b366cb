"""The process: following a tape that grows, hearing words, waiting out trouble, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from barograph.clock import ManualClock
from barograph.errors import StorageBusy, StorageError
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Trade
from barograph.recorder.trading import figures as figures_module
from barograph.recorder.trading import process as module
from barograph.recorder.trading.control import applied, say
from barograph.recorder.trading.figures import Latencies, figures_path, fresh, read_figures
from barograph.recorder.trading.process import AfterTape, Growing, TradingProcess
from barograph.recorder.trading.reconciling import reconcile
from barograph.recorder.trading.specs import Plan
from barograph.store.layout import ledger_path
from barograph.tape import TapeWriter
from barograph.tape.segments import sync_tape

from .driving import DIP, SETTINGS, TAPE, cross, driven, told

PLAN = Plan(ticks=(DIP,), bars=(cross(),))
END = len(TAPE)
WITHIN_S = 60.0


class House:
    """A tape that is written while a process trades behind it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.writer = TapeWriter(data / "tape", clock=ManualClock())
        self.process = TradingProcess(data, SETTINGS, PLAN)
        self._thread = threading.Thread(target=self.process.follow)

    def put(self, start: int, stop: int) -> None:
        run = TAPE.cut(start, stop)
        self.writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.process.stop()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    def until(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.002)

    def reached(self, pos: int) -> None:
        self.until(lambda: self.process.figures.next_pos >= pos)

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(ledger_path(self.data / "lake"))


@contextmanager
def trading(data: Path) -> Iterator[House]:
    house = House(data)
    try:
        yield house
    finally:
        house.end()
        house.writer.close()


def test_behind_a_tape_that_grows_the_ledger_is_that_of_a_replay(tmp_path: Path) -> None:
    with trading(tmp_path / "live") as house:
        house.put(0, 10)
        house.start()
        for stop in (500, 501, 3_000, 9_000, END):
            house.put(house.writer.next_pos, stop)
            house.reached(stop)
    alone = driven(tmp_path / "alone", PLAN)
    live = SqliteLedger(ledger_path(tmp_path / "live" / "lake"), read_only=True)
    assert told(live) == told(alone)
    assert not live.pending()
    figures = read_figures(tmp_path / "live")
    assert figures is not None
    assert (figures.next_pos, figures.closed) == (END, len(told(alone)[0]))
    assert figures.orders_ms is not None
    live.shut()
    alone.shut()


def test_a_word_takes_effect_while_it_trades_and_is_repeated_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LISTEN_S", 0.01)
    with trading(tmp_path) as house:
        house.put(0, END // 2)
        house.start()
        house.reached(END // 2)
        with_word = house.ledger
        say(with_word, "flatten", 1)
        house.until(lambda: applied(with_word))
        assert [one.pos for one in applied(with_word)] == [END // 2]
        house.put(END // 2, END * 3 // 4)
        house.reached(END * 3 // 4)
        say(with_word, "resume", 2)
        house.until(lambda: len(applied(with_word)) == 2)
        house.put(END * 3 // 4, END)
        house.reached(END)
        with_word.shut()
    ledger = house.ledger
    reasons = [trade.reason for trade in ledger.trades()]
    assert "flatten" in reasons
    entries = [trade.entry_ts_us for trade in ledger.trades()]
    resumed_us = int(TAPE.recv_ns[END * 3 // 4]) // 1_000
    assert max(entries) > resumed_us - 60_000_000
    assert reconcile(tmp_path, ledger, SETTINGS).differences == 0
    ledger.shut()


def test_a_strategy_that_was_left_out_for_a_while_trades_what_it_has_missed(tmp_path: Path) -> None:
    """Whatever is traded beside it, and whenever: its trades are those of one who never went."""
    dip, bars = Plan(ticks=(DIP,)), Plan(bars=(cross(),))
    with TapeWriter(tmp_path / "live" / "tape", clock=ManualClock()) as writer:
        for plan, stop in ((PLAN, END // 4), (bars, END // 2), (dip, END * 3 // 4), (PLAN, END)):
            run = TAPE.cut(writer.next_pos, stop)
            writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)
            writer.sync()
            TradingProcess(tmp_path / "live", SETTINGS, plan).replay()
            ledger = SqliteLedger(ledger_path(tmp_path / "live" / "lake"), read_only=True)
            assert reconcile(tmp_path / "live", ledger, SETTINGS).differences == 0
            ledger.shut()
    alone = driven(tmp_path / "alone", PLAN)
    live = SqliteLedger(ledger_path(tmp_path / "live" / "lake"), read_only=True)
    assert told(live) == told(alone)
    live.shut()
    alone.shut()


def test_given_a_strategy_left_out_that_holds_something_then_it_is_told(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "tape", clock=ManualClock()) as writer:
        writer.append_many(TAPE.streams, TAPE.stream, TAPE.recv_ns, TAPE.kind, TAPE.payloads)
    TradingProcess(tmp_path, SETTINGS, PLAN).replay()
    ledger = SqliteLedger(ledger_path(tmp_path / "lake"), read_only=True)
    held = {item.key.strategy for item in ledger.items() if item.positions}
    ledger.shut()
    assert "dip" in held
    with capture_logs() as logs:
        TradingProcess(tmp_path, SETTINGS, Plan(bars=(cross(),))).replay()
    assert "dip" in {log["strategy"] for log in logs if "nobody watches" in log["event"]}


def test_a_second_process_on_the_same_ledger_is_refused(tmp_path: Path) -> None:
    with trading(tmp_path) as house:
        house.put(0, 100)
        house.start()
        house.reached(100)
        with pytest.raises(StorageBusy, match="is being traded with"):
            TradingProcess(tmp_path, SETTINGS, PLAN).replay()


def test_given_a_ledger_that_refuses_then_it_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    write, left = SqliteLedger.write, [3]

    def refusing(self: SqliteLedger, *args: object, **more: object) -> object:
        if left[0]:
            left[0] -= 1
            raise StorageError("the disk says no")
        return write(self, *args, **more)  # type: ignore[arg-type]

    with trading(tmp_path / "live") as house:
        house.put(0, END)
        monkeypatch.setattr(SqliteLedger, "write", refusing)
        house.start()
        house.reached(END)
        assert left == [0]
        assert house.process.figures.problem == ""
    alone = driven(tmp_path / "alone", PLAN)
    live = SqliteLedger(ledger_path(tmp_path / "live" / "lake"), read_only=True)
    assert told(live) == told(alone)
    live.shut()
    alone.shut()


def test_a_tape_has_grown_when_records_or_segments_came(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    tape.mkdir()
    growing = Growing(tape)
    growing.note()
    growing.has_grown()
    assert not growing.has_grown()
    with TapeWriter(tape, clock=ManualClock()) as writer:
        run = TAPE.cut(0, 50)
        writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)
        assert growing.has_grown()
        growing.note()
        growing.has_grown()
        assert not growing.has_grown()
        writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)
        assert growing.has_grown()
        assert not growing.has_grown()


def test_a_trade_is_archived_after_the_tape_that_led_to_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Kept:
        def put(self, trades: Sequence[Trade]) -> None:
            done.append(f"archive {len(trades)}")

    monkeypatch.setattr(module, "sync_tape", lambda tape: done.append(f"sync {tape.name}"))
    AfterTape(tmp_path / "tape", Kept()).put([])
    assert done == ["sync tape", "archive 0"]


def test_syncing_a_tape_needs_no_writer(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "tape", clock=ManualClock()) as writer:
        run = TAPE.cut(0, 50)
        writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)
        sync_tape(tmp_path / "tape")
    sync_tape(tmp_path / "tape")


def test_latencies_are_told_by_median_and_99th_percentile() -> None:
    latencies = Latencies()
    assert latencies.quantiles_ms() is None
    for ms in range(1, 101):
        latencies.add(ms * 1_000_000)
    assert latencies.quantiles_ms() == (50.0, 99.0)


def test_figures_are_fresh_for_some_seconds(tmp_path: Path) -> None:
    with trading(tmp_path) as house:
        house.put(0, 100)
        house.start()
        house.until(lambda: read_figures(tmp_path))
        figures = read_figures(tmp_path)
        assert figures is not None
        assert fresh(figures, figures.now_ns + 1)
        assert not fresh(figures, figures.now_ns + 6 * 10**9)
        assert not fresh(figures, figures.now_ns - 1)
    ended = read_figures(tmp_path)
    assert ended is not None
    assert not fresh(ended, ended.now_ns + 1), "it has said that it has ended"


def test_a_checkpoint_that_took_long_is_not_taken_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(module, "EVERY_S", (0.0, 60.0))  # the first is due at once
    monkeypatch.setattr(module, "pause_s", lambda took_s: 3_600.0)
    monkeypatch.setattr(module.Checkpoints, "begin", lambda self, engine: begun.append(engine.next_pos))
    with trading(tmp_path) as house:
        house.put(0, END // 4)
        house.start()
        for part in (1, 2, 3, 4):
            house.reached(END * part // 4)
            house.put(house.writer.next_pos, END * min(part + 1, 4) // 4)
    assert len(begun) == 1


def test_given_a_disk_that_hangs_over_figures_then_trading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> None:
        asked.set()
        assert may.wait(WITHIN_S)

    monkeypatch.setattr(module, "FIGURES_S", 0.0)
    monkeypatch.setattr(figures_module, "put_bytes", slow)
    with trading(tmp_path) as house:
        house.put(0, END // 2)
        house.start()
        try:
            assert asked.wait(WITHIN_S)
            house.put(END // 2, END)
            house.reached(END)
        finally:
            may.set()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": "one"}', b'{"problem": "\xff"}'])
def test_figures_that_are_damaged_are_none_and_it_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").mkdir()
    figures_path(tmp_path).write_bytes(content)
    with capture_logs() as said:
        assert read_figures(tmp_path) is None
    assert [line["event"] for line in said] == ["figures of trading unreadable"]
