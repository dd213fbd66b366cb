"""What the parent hears may be of a predecessor: only the present process counts."""

from __future__ import annotations

import io
from pathlib import Path

from barograph.supervising.logs import Log
from barograph.supervising.plan import Part, Plan
from barograph.supervising.statefile import Stage
from barograph.supervising.supervisor import Supervisor, _Exited, _Ready


def test_what_a_former_process_did_does_not_count(tmp_path: Path) -> None:
    parent = Supervisor(Plan((Part("a", ("a.py",), 0, 1.0),)), tmp_path, Log(io.BytesIO(), "console", ["a"]))
    run = parent._runs["a"]
    run.began(2, 0.0, 0)
    for former in (_Ready("a", 1), _Exited("a", 1, -9)):
        parent._take(former)
        assert (run.stage, run.pid) == (Stage.STARTING, 2)
    parent._take(_Ready("a", 2))
    assert run.stage is Stage.RUNNING
    parent._take(_Exited("a", 1, -9))
    assert (run.stage, run.pid) == (Stage.RUNNING, 2)
