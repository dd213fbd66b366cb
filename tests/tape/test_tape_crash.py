"""kill -9, again and again, at whatever moment: appending, rolling, sealing, syncing."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from pathlib import Path

from structlog.testing import capture_logs

from barograph.clock import SystemClock
from barograph.tape import TapeReader, TapeWriter, verify

LIVES = 4
WRITER = """
import os, struct, sys
from pathlib import Path
import numpy as np
from barograph.clock import SystemClock
from barograph.records import Kind, Stream
from barograph.tape import TapeWriter
life, seed = int(sys.argv[2]), int(sys.argv[3])
sizes = np.random.default_rng(seed).integers(1, 120, 1 << 16).tolist()
with TapeWriter(Path(sys.argv[1]), clock=SystemClock(), roll_bytes=60_000, fsync_interval_s=0.01) as tape:
    stream = Stream("sim", f"life-{life}")
    for turn, n in enumerate(sizes):
        at = tape.next_pos
        payloads = [b"%d " % (at + k) * (1 + (at + k) % 40) for k in range(n)]
        if n % 3:
            tape.append_many([stream], 0, np.arange(n), Kind.FRAME, payloads)
        else:
            for k, payload in enumerate(payloads):
                tape.append(stream, k, Kind.FRAME, payload)
        os.write(1, struct.pack("<QQ", tape.next_pos, tape.synced_pos))
"""


def one_life(tape: Path, life: int, rng: random.Random) -> int:
    """Let a process write, kill it at some append, return the last position it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(tape), str(life), str(rng.randrange(1 << 30))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(rng.randrange(1, 250)):
            writer.stdout.read(16)
        writer.kill()
        rest = writer.stdout.read()
    whole = rest[: len(rest) // 16 * 16]
    return max([pos for pos, _ in struct.iter_unpack("<QQ", whole)], default=0)


def test_kill_9_loses_nothing_that_was_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    rng = random.Random(20240808)
    tape = tmp_path / "tape"
    for life in range(LIVES):
        acknowledged = one_life(tape, life, rng)
        seen = 0
        for run in TapeReader(tape).read():
            assert run.first_pos == seen
            for pos, payload in enumerate(run.payloads, run.first_pos):
                assert payload == b"%d " % pos * (1 + pos % 40)
            seen = run.next_pos
        assert seen >= acknowledged
        with capture_logs(), TapeWriter(tape, clock=SystemClock()) as writer:
            assert writer.next_pos == seen
        assert verify(tape) == []
        assert not list(tape.glob("*.sealing"))
    assert seen > LIVES * 100
    assert len(list(tape.glob("*.sealed"))) > LIVES
