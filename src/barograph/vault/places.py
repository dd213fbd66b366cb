"""Where backups go by the settings: a first place, and a second one to which they are copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from barograph.vault.shelf import Shelf, shelf_at

if TYPE_CHECKING:
    from barograph.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A shelf, and for how many days backups stay on it."""

    shelf: Shelf
    keep_days: float

    def __str__(self) -> str:
        return str(self.shelf)


def places(settings: Settings, where: str | None = None) -> list[Place]:
    """The places of the settings, the first one first; ``where`` stands for all of them.

    A place in S3 is a remote one, and so is that of ``backup.remote``; others are local.

    Raises:
        SettingsError: an address that cannot be, or S3 without the packages for it.
    """
    backup = settings.backup
    if where is not None:
        return [_place(settings, where, remote=where == backup.remote)]
    found = [_place(settings, backup.to or str(settings.data_dir / "backups"), remote=False)]
    if backup.remote is not None:
        found.append(_place(settings, backup.remote, remote=True))
    return found


def _place(settings: Settings, where: str, *, remote: bool) -> Place:
    backup = settings.backup
    far = remote or where.startswith("s3://")
    return Place(shelf_at(where), backup.keep_remote_days if far else backup.keep_local_days)
