"""From the words of the command line to an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from barograph.errors import BarographError

if TYPE_CHECKING:
    from cyclopts import App

BUG = 1
TRY_LATER = 75
INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run ``words`` (the process's arguments when None) and return the exit code."""
    words = list(sys.argv[1:] if words is None else words)
    try:
        code = _guarded(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return 0  # the reader of the pipe has had enough: no failure of ours
    return code


def _guarded(words: list[str]) -> int:
    debug = "--debug" in words
    try:
        return _run(words)
    except BarographError as error:
        return _failed(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return _failed("interrupted; what was written stays, the same command goes on", INTERRUPTED, debug)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _failed(f"the system said no: {error}", TRY_LATER, debug)


def _run(words: list[str]) -> int:
    if words in ([], ["--help"], ["-h"]):
        from barograph.cli.verbs import overview

        sys.stdout.write(overview())
        return 0
    from barograph.cli.app import app

    try:
        _show_whole_help(app, words)
        result = app(words, result_action="return_value")
    except SystemExit as stop:  # how the parser ends after a usage error
        return stop.code if isinstance(stop.code, int) else BUG
    except (BarographError, OSError, KeyboardInterrupt):
        raise
    except Exception:  # noqa: BLE001 - the last stop: a bug is told as one
        traceback.print_exc()
        sys.stderr.write("barograph: this is a bug in Barograph; please report it with the lines above\n")
        return BUG
    return result if isinstance(result, int) else 0


def _show_whole_help(app: App, words: list[str]) -> None:
    """Let a verb's own help be its docstring; the line it is listed with says less."""
    if "--help" in words or "-h" in words:
        _, apps, _ = app.parse_commands([word for word in words if word not in ("--help", "-h")])
        if apps[-1].default_command is not None:
            apps[-1].help = None
            apps[-1].help_format = "markdown"


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"barograph: {message}\n")
    return code


def _forget_stdout() -> None:
    """Keep the interpreter from flushing into the closed pipe once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
