"""The command line: ``barograph VERB``.

Data goes to standard output, everything else to standard error. Exit codes: 0 ok, 1 a
bug, 2 usage, 3 settings, 4 data, 75 try later, 130 interrupted. Verbs are registered by
name in ``app`` and imported when they are called, so ``barograph --help`` stays quick.
There is no logic here: every verb asks a room below and shows what it answers.
"""

from __future__ import annotations

from barograph.cli.run import main

__all__ = ["main"]
