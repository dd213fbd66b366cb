"""What ``barograph demo`` makes, once for all tests of a run: a simulated market, its tables, its trades."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def make(data: Path) -> Path:
    """Run the demo into ``data`` in a process of its own; quick when kernels are compiled."""
    command = [sys.executable, "-m", "barograph", "demo", "--data", str(data), "--quiet"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return data
