import os
import subprocess
import sys
from pathlib import Path

import pytest

from barograph.errors import StorageBusy
from barograph.recorder.lock import hold

HOLDER = """
import sys
from pathlib import Path
from barograph.recorder.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_hold_given_another_process_holds_it_raises_busy_with_its_number(tmp_path: Path):
    lock = tmp_path / "state" / "line.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageBusy, match=str(holder.pid)), hold(lock):
            pass
        holder.kill()
    with hold(lock):
        assert lock.read_text() == str(os.getpid())
