"""Checkpoints of trading: beside the work, the tape before them, and told when the disk says no."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.errors import StorageFull
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.recorder.trading import checkpoints as module
from barograph.recorder.trading.checkpoints import Checkpoints
from barograph.recorder.trading.engine import standing

from .driving import SETTINGS, TAPE, engine_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "ledger.sqlite")
    yield opened
    opened.shut()


def stands(ledger: SqliteLedger) -> int | None:
    """From where a new process would go on."""
    found = standing(ledger, SETTINGS)
    return None if found is None else found.market.next_pos


def test_given_a_slow_disk_trading_goes_on_and_the_checkpoint_counts_when_the_tape_is_there(
    tmp_path: Path, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = threading.Event(), threading.Event()

    def slow(tape: Path) -> None:
        assert tape == tmp_path
        asked.set()
        assert may.wait(30.0)

    monkeypatch.setattr(module, "sync_tape", slow)
    engine, checkpoints = engine_of(ledger), Checkpoints(tmp_path)
    engine.advance(TAPE.cut(0, 500))
    checkpoints.begin(engine)
    assert asked.wait(30.0)
    engine.advance(TAPE.cut(500, 900))
    checkpoints.begin(engine)  # one at a time: nothing
    assert stands(ledger) is None
    may.set()
    checkpoints.wait()
    assert stands(ledger) == 500
    checkpoints.save(engine)
    assert (stands(ledger), checkpoints.problem) == (900, "")


def test_given_a_full_disk_the_older_one_stays_and_the_problem_is_told_until_it_is_over(
    tmp_path: Path, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, checkpoints = engine_of(ledger), Checkpoints(tmp_path)
    monkeypatch.setattr(module, "sync_tape", lambda _: None)
    engine.advance(TAPE.cut(0, 300))
    checkpoints.save(engine)

    def full(_: Path) -> None:
        raise StorageFull("no room")

    monkeypatch.setattr(module, "sync_tape", full)
    engine.advance(TAPE.cut(300, 600))
    checkpoints.begin(engine)
    checkpoints.wait()
    assert (stands(ledger), checkpoints.problem) == (300, "no room")
    with pytest.raises(StorageFull):
        checkpoints.save(engine)
    monkeypatch.setattr(module, "sync_tape", lambda _: None)
    checkpoints.begin(engine)
    checkpoints.wait()
    assert (stands(ledger), checkpoints.problem) == (600, "")
