"""The one tree of errors.

::

    BarographError
    ├── SettingsError      a setting is wrong or missing          (exit code 3)
    ├── DataError          data is not what it must be            (exit code 4)
    │   ├── DecodeError    a frame that its feed cannot read
    │   ├── TapeCorrupt    bytes on the tape that fail their checksum
    │   └── StoreCorrupt   a file of the lake that cannot be read
    ├── UsageError         asked for something that cannot be     (exit code 2)
    ├── StorageError       a disk, file or server said no         (exit code 75)
    │   ├── StorageFull    no space left; nothing half-written remains
    │   └── StorageBusy    another process holds what we need
    └── NoAnswer           a venue did not answer in time         (exit code 75)

Two markers say whether trying again can help, and retry loops look at nothing
else: :class:`Transient` (yes, later) and :class:`Terminal` (no, a person must act).

A message tells what happened, the value, the bound, and what to run next.
"""

from __future__ import annotations


class Transient(Exception):
    """Marker: the same call may succeed later."""


class Terminal(Exception):
    """Marker: the same call will fail again until somebody changes something."""


class BarographError(Exception):
    """The root of every error that Barograph raises on purpose.

    ``exit_code`` is what the command line returns when the error reaches it.
    """

    exit_code = 1


class UsageError(BarographError, Terminal):
    """The caller asked for something that cannot be."""

    exit_code = 2


class SettingsError(BarographError, Terminal):
    """A setting is missing, unknown or out of its bounds."""

    exit_code = 3


class DataError(BarographError, Terminal):
    """Data is not what it must be: malformed, missing, failing a check."""

    exit_code = 4


class DecodeError(DataError):
    """A frame that its feed cannot read. It goes to ``rejects``; the rest goes on."""


class TapeCorrupt(DataError):
    """Bytes on the tape that fail their checksum or break the format."""


class StoreCorrupt(DataError):
    """A file of the store that cannot be read back."""


class StorageError(BarographError, Transient):
    """A disk, a file or a server said no."""

    exit_code = 75


class StorageFull(StorageError):
    """No space left on the device. What was being written has been taken back."""


class StorageBusy(StorageError):
    """Another process holds the lock that this one needs."""


class NoAnswer(BarographError, Transient):
    """A venue did not answer a request within our patience."""

    exit_code = 75
