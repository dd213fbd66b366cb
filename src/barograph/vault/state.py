"""How far a restore or sync has come: a small file that lets the next run go on after a kill."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from barograph.disk import Lock, put_bytes, read_json
from barograph.errors import DataError


class State(msgspec.Struct):
    """What a restore or sync remembers between two runs.

    Attributes:
        source: where the backups were; for people.
        lineage: the content that the store was brought to, or is being brought to.
        last: id of the newest backup whose rows are all in the store; empty: none.
        doing: folder of the backup that is being taken in, empty at rest.
        done: what is in of that backup already, as ``Step`` names it.
        anew: the store is being emptied, or is filled from the beginning.
    """

    source: str = ""
    lineage: str = ""
    last: str = ""
    doing: str = ""
    done: list[str] = []
    anew: bool = False


class StateFile:
    """A state on disk, and beside it a folder for files on their way.

    Args:
        path: of the file; the folder and the lock have the same name with other ends.
        doing: what is being done, for the message to a second one.
    """

    def __init__(self, path: Path, doing: str) -> None:
        self.path = path
        self.lock = Lock(path.with_suffix(".lock"), doing)

    @property
    def folder(self) -> Path:
        """Where files lie on their way."""
        return self.path.with_suffix("")

    def load(self) -> State | None:
        """The state; None: there is none.

        Raises:
            DataError: the file is damaged.
        """
        try:
            return read_json(self.path, State, f"reading {self.path}")
        except msgspec.DecodeError as error:
            raise DataError(
                f"{self.path} cannot be read: {error}; delete it: what is in the store already is found out "
                "again"
            ) from error

    def save(self, state: State) -> None:
        """Replace the state, durably.

        Raises:
            StorageFull, StorageError: the disk said no; the old one is there.
        """
        # Alone: who saves has the lock.
        put_bytes(self.path, msgspec.json.encode(state), f"writing {self.path}", durable=True, alone=True)


def state_file(data: Path, what: str, database: str | None) -> StateFile:
    """The state of ``what`` ("restore", "sync") in a data directory; of each database one of its own."""
    name = what if database is None else f"{what}-{hashlib.sha256(database.encode()).hexdigest()[:12]}"
    where = data if database is None else database
    return StateFile(data / "state" / f"{name}.json", f"a {what} into {where} is running, held")
