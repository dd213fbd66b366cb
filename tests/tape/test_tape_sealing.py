"""The sealer takes its time, but nobody who waits for it waits longer for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from barograph.records import Record
from barograph.tape import list_segments
from barograph.tape import sealing as module
from barograph.tape.sealing import seal

PAYLOADS = [b"x" * 1000] * 3000
"""About three blocks of a sealed segment."""


def test_sealing_may_rest_after_each_piece_that_was_read(
    fill: Callable[..., list[Record]], tape: Path
) -> None:
    before = fill(PAYLOADS[:1500], PAYLOADS[1500:])
    rests: list[float] = []
    seal(next(tape.glob("*.tape")), rests.append)
    assert len(rests) >= 2
    assert all(worked_s > 0.0 for worked_s in rests)
    assert list_segments(tape)[0].records == len(before)


def test_given_a_sealer_that_rests_then_closing_the_tape_wakes_it(
    fill: Callable[..., list[Record]], tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", 1e9)  # years, if it were waited for
    fill(PAYLOADS, PAYLOADS, roll_bytes=1 << 20)
    assert [segment.state for segment in list_segments(tape)] == ["sealed", "live"]
