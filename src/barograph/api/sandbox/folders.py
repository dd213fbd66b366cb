"""The folder of a worker's temporary files, and those that servers have left behind which were killed.

A folder's name says whose it is: ``barograph-query-<number of the server's process>-<chance>``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from barograph.log import get_logger

_PREFIX = "barograph-query-"
_NAME = re.compile(rf"{_PREFIX}(\d{{1,9}})-.+")

log = get_logger()


def made() -> str:
    """A new folder.

    Raises:
        OSError: the disk says no.
    """
    return tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")


def removed(folder: str) -> None:
    """The folder is not needed any more. What cannot be removed is told in the log."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return  # another server was quicker, or it was never made
    except OSError as error:
        log.warning("temporary files of a query stay", folder=folder, error=str(error))


def tidy() -> int:
    """Remove the folders of our user's servers that are gone; how many those were.

    What cannot be looked at is left. Windows does not tell which processes there are: nothing is done there.
    """
    if sys.platform == "win32":
        return 0
    left = [path for path in _found() if _is_left(path)]
    for path in left:
        removed(str(path))
    return len(left)


def _found() -> list[Path]:
    try:
        return list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    except OSError as error:
        log.warning("folders of former queries could not be looked for", error=str(error))
        return []


def _is_left(path: Path) -> bool:
    """Whether a folder is ours, and its process is gone."""
    owner = _NAME.fullmatch(path.name)
    try:
        about = path.lstat()
        ours = path.is_dir() and not path.is_symlink() and about.st_uid == os.getuid()
    except OSError:
        return False  # another server was quicker
    return ours and owner is not None and not _lives(int(owner[1]))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
