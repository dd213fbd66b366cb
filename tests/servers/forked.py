"""Commands of ours as processes of their own that are at work at once, for tests that kill many of them.

Most of a short life would be spent on imports, and the rest of the test's time too. So one process imports
all that the commands use, uses none of it (so it has one thread, and nothing open), and each command is a
fork of it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = (
    "barograph.cli.app",
    "barograph.cli.commands.record",
    "barograph.cli.commands.trade",
    "barograph.recorder.live.recorder",
    "barograph.recorder.trading.process",
    "tests.servers.typing_kernels",
)


def begin(words: Sequence[str], log: Path) -> BaseProcess:
    """Begin ``barograph`` with these words; its streams are added to ``log``. POSIX only."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=_live, args=(list(words), log))
    process.start()
    return process


def _live(words: list[str], log: Path) -> None:
    from barograph.cli import main

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.exit(main(words))
