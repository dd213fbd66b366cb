"""The recorder's memory comes from one allocator, chosen before Arrow is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from barograph.recorder.live.memory import give_back

CHOSEN_FIRST = """
import sys
from barograph.cli.commands import record
from barograph.recorder.live.memory import one_allocator
assert "pyarrow" not in sys.modules, "too late: Arrow's own parts have chosen"
one_allocator()
import pyarrow as pa
kept = pa.array(range(10_000))
taken = {name: getattr(pa, f"{name}_memory_pool")().bytes_allocated() for name in ("system", "mimalloc")}
assert pa.default_memory_pool().backend_name == "system"
print(taken["system"] > 0, taken["mimalloc"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="which pools Arrow has depends on the system")
def test_arrow_takes_all_its_memory_from_the_c_library() -> None:
    told = subprocess.run([sys.executable, "-c", CHOSEN_FIRST], capture_output=True, text=True, check=False)
    assert (told.stdout.split(), told.stderr) == (["True", "0"], "")


def test_giving_back_twice_harms_nothing() -> None:
    give_back()
    give_back()
