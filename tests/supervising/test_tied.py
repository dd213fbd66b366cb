"""A process whose parent is gone ends, whatever it does about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import WITHIN_S

STUBBORN = """
import signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
while True:
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_orphan_that_hears_of_no_signal_kills_itself_and_its_children(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    words = [sys.executable, "-m", "barograph.supervising.tied", "0.1", str(script)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as orphan:
        assert orphan.stdin is not None
        assert orphan.stdout is not None
        assert orphan.stdout.readline().strip() == b"ready"
        orphan.stdin.close()
        try:
            assert orphan.wait(WITHIN_S) == -9
        finally:
            with suppress(ProcessLookupError):
                os.killpg(orphan.pid, signal.SIGKILL)
        assert orphan.stdout.read() == b"", "its child holds the pipe no more"
