"""Compiled and plain kernels give the same bits."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from barograph.bars import BarKernel, BarSettings
from barograph.bars.batch import batch
from barograph.rows import Bars

SCRIPT = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("tapes", sys.argv[1])
    tapes = importlib.util.module_from_spec(spec)
    sys.modules["tapes"] = tapes
    spec.loader.exec_module(tapes)
    spec = importlib.util.spec_from_file_location("this", sys.argv[2])
    this = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(this)
    from barograph.compiled import COMPILED
    print(COMPILED, this.digest(tapes.Kit))
"""


def digest(kit) -> str:
    """A hash of every bit that the kernel, its state, peek and the batch pass give on a tape by chance."""
    run = kit.by_chance(11, kit.Chance(n=300, deep=0.05, late=0.2, step_s=15.0))
    rules = BarSettings(retain_us=0, history_bars=1, spike_window=5, spike_min_bars=3)
    recall, total = kit.Given(), hashlib.sha256()
    kernel = BarKernel(rules, recall=recall)
    for piece in kit.pieces(run, [40, 90, 91, 200]):
        advance = kernel.advance(piece)
        recall.add(piece)
        total.update(bits(advance.bars) + advance.late.tobytes())
    total.update(bits(kernel.peek()) + bits(batch(run.ticks, run.quotes, rules)))
    return total.hexdigest()


def bits(bars: Bars) -> bytes:
    return b"".join(np.ascontiguousarray(getattr(bars, f.name)).tobytes() for f in fields(Bars))


@pytest.mark.parametrize("without", ["1", "0"])
def test_bits_do_not_depend_on_the_compiler(kit, without):
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(SCRIPT),
        str(Path(__file__).parent / "conftest.py"),
        __file__,
    ]
    done = subprocess.run(
        command, env=os.environ | {"BAROGRAPH_NO_NUMBA": without}, capture_output=True, text=True, check=True
    )
    compiled, found = done.stdout.split()
    assert found == digest(kit)
    if without == "1":
        assert compiled == "False"


def test_code_on_disk_is_not_taken_when_another_module_of_the_room_has_changed():
    pytest.importorskip("numba")
    from barograph.bars import closing

    found = [path.stat() for path in Path(closing.__file__).parent.glob("*.py")]
    stamp = closing.close._cache._cache_file._source_stamp
    assert stamp[1] == (max(one.st_mtime for one in found), sum(one.st_size for one in found))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
def test_given_a_full_disk_for_the_machine_code_kernels_work_all_the_same(tmp_path):
    pytest.importorskip("numba")
    script = """
    import resource
    import numpy as np
    from barograph.bars.dedup import Deduplicator
    from barograph.rows import Quotes, Ticks, columns, none_of
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    ticks = columns(Ticks, record=[0, 1, 1], ts_us=[5, 6, 5], instrument=[0, 0, 0],
                    price=[1.0, 2.0, 1.0], size=[1.0, 1.0, 1.0], trade_id=[17, 18, 17])
    print(len(Deduplicator().advance(ticks, none_of(Quotes))[0]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["2"], done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]


def test_importing_the_room_imports_no_compiler():
    command = "import sys, barograph.bars; print('numba' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
