from __future__ import annotations

import os
import sys
import threading

import pytest

from barograph.threads import BEHIND, behind_others


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")
def test_a_thread_stands_back_and_no_other_does() -> None:
    found: list[int] = []

    def chore() -> None:
        behind_others()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=chore)
    thread.start()
    thread.join()
    assert found == [max(BEHIND, before)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
