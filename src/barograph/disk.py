"""What every room asks of a disk: bytes that stay, names that stay, one writer at a time."""

from __future__ import annotations

import errno
import itertools
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Self, TypeVar

from barograph.errors import StorageBusy, StorageError, StorageFull

T = TypeVar("T")
_ANYBODY = 0o666
"""What is left of it after the process's umask is what a new file allows."""
_numbers = itertools.count()
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_POLL_S, _LONGEST_POLL_S = 0.01, 0.1
_LOCKED_BYTE = 1 << 20
"""Windows locks bytes, and locked bytes cannot be read: the lock lies far behind the holder's number."""


def storage_error(error: OSError, doing: str) -> StorageError:
    """The house's error for what the system refused while ``doing`` something."""
    if error.errno in _FULL:
        return StorageFull(
            f"{doing}: no space left ({error.strerror}). Nothing half-written remains; make room on "
            "that disk or raise the limit, then run the same again: it goes on where it stopped"
        )
    return StorageError(f"{doing}: {error}; look at the disk and its log, then run the same again")


def sync_data(descriptor: int) -> None:
    """Make an open file's bytes survive power loss, with as little of the rest as the platform allows."""
    if sys.platform == "darwin":
        import fcntl

        # fsync leaves data in the drive's cache there.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in ``path`` survive power loss. Windows does so by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write the whole of ``data``, however little the system takes at a time."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def temporary(folder: Path, name: str) -> Path:
    """A name in ``folder`` that nobody else is writing to."""
    return folder / f"{name}.{os.getpid()}.{next(_numbers)}.tmp"


def put_bytes(
    path: Path,
    content: bytes,
    doing: str,
    *,
    durable: bool = False,
    alone: bool = False,
    mode: int | None = None,
) -> None:
    """Put a small file in the place of what ``path`` held, whole or not at all; its folder is made.

    Args:
        doing: what this is, for the message: ``keeping the token in data/state/kite.token.json``.
        durable: it must survive power loss too, not only the end of the process.
        alone: nobody else writes ``path`` meanwhile (there is a lock). What a kill leaves half-written then
            has one name, and goes with the next writing.
        mode: permissions, whatever the umask; None: those of any new file.

    Raises:
        StorageFull, StorageError: the disk does not take it; what was there stays.
    """
    staged = path.with_name(f"{path.name}.tmp") if alone else temporary(path.parent, path.name)
    opener = partial(os.open, mode=_ANYBODY if mode is None else mode)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.unlink(missing_ok=True)
        with open(staged, "xb", opener=opener) as file:
            file.write(content)
            file.flush()
            if durable:
                sync_data(file.fileno())
        if mode is not None:
            staged.chmod(mode)
        staged.replace(path)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):  # what refused the file may refuse this too
            staged.unlink(missing_ok=True)
        raise storage_error(error, doing) from error


def read_json(path: Path, kind: type[T], doing: str) -> T | None:
    """What the file ``path`` holds; None where there is no file.

    Args:
        doing: what this is, for the message: ``reading data/state/up.status.json``.

    Raises:
        msgspec.DecodeError: it is not JSON, or not of that kind; the caller knows what then is to be done.
        StorageError: it cannot be read.
    """
    import msgspec  # a ledger alone does without

    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is no text: {error}") from error
    except OSError as error:
        raise storage_error(error, doing) from error


def sqlite_to_read(path: Path) -> str:
    """How SQLite is to open the file ``path``, which others may write, so as to read only (``uri=True``).

    A file with a log (WAL) wants one beside it also to be read. Where none is and none can be made, nobody
    of our rights writes the file, and it is read as it lies there (https://www.sqlite.org/wal.html#readonly).
    """
    name = f"{path.absolute().as_uri()}?mode=ro"
    alone = not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK)
    return f"{name}&immutable=1" if alone else name


class Lock:
    """A lock on the file ``path``, which the system lets go of when its holder dies.

    Args:
        path: the lock's file; its folder is made when the lock is taken.
        held: what its holder does, for the message: ``the tape data/tape is being written``.

    Also a context manager. Taking a lock that one has is harmless.
    """

    def __init__(self, path: Path, held: str) -> None:
        self._path = path
        self._held = held
        self._file: IO[bytes] | None = None

    def acquire(self, wait_s: float = 0.0) -> None:
        """Take it, waiting so long for others to let go.

        Raises:
            StorageBusy: another process, or another lock in this one, has it, and goes on.
            StorageFull, StorageError: its file cannot be made.
        """
        until, pause_s = time.monotonic() + wait_s, _POLL_S
        while self._file is None:
            try:
                self._take()
            except StorageBusy:
                if time.monotonic() >= until:
                    raise
                time.sleep(pause_s)
                pause_s = min(2.0 * pause_s, _LONGEST_POLL_S)

    def _take(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise storage_error(error, f"making the lock {self._path}") from error
        try:
            _lock(file.fileno())
            file.truncate(0)
            file.write(b"%d\n" % os.getpid())
        except OSError as error:
            raise self._refused(error, file) from error
        self._file = file

    def _refused(self, error: OSError, file: IO[bytes]) -> StorageError:
        with file:
            # Windows tells of a lock as a permission; anything else does not say who holds it.
            if not isinstance(error, BlockingIOError | PermissionError):
                return storage_error(error, f"taking the lock {self._path}")
            file.seek(0)
            holder = file.read(32).decode(errors="replace").strip() or "unknown"
        return StorageBusy(
            f"{self._held} by process {holder}; "
            "wait for it to end, or stop it, and run the same command again"
        )

    def release(self) -> None:
        """Let go; the file is empty again, as it was."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
