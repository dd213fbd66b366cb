"""What lies on a shelf: the backups, whether each is whole, and what is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from barograph.errors import DataError
from barograph.vault.manifest import KINDS, MANIFEST, TAPE, Manifest, decoded, moment_us
from barograph.vault.shelf import Item, Shelf

_READ_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a shelf holds.

    Attributes:
        manifests: those that can be read, ascending by id.
        damaged: by the folder of a manifest that cannot be read, why.
        unfinished: folders with files and no manifest, ascending.
        items: every file by its path.
    """

    manifests: tuple[Manifest, ...]
    damaged: Mapping[str, str]
    unfinished: tuple[str, ...]
    items: Mapping[str, Item]

    @property
    def of_rows(self) -> tuple[Manifest, ...]:
        """The dailies and weeklies, ascending by id."""
        return tuple(each for each in self.manifests if each.kind != "hourly-raw")

    @property
    def segments(self) -> dict[str, tuple[int, str]]:
        """Bytes and checksum of every segment of tape that a backup names, by its path."""
        return {file.path: (file.bytes, file.sha256) for each in self.manifests for file in each.tape}

    @property
    def orphans(self) -> list[Item]:
        """Segments of tape that no backup names: on their way, left by a run, or their manifest is lost."""
        named = self.segments
        return [
            item for path, item in self.items.items() if path.startswith(f"{TAPE}/") and path not in named
        ]

    def inside(self, folder: str) -> list[Item]:
        """The files in a backup's folder."""
        return [item for path, item in self.items.items() if path.startswith(f"{folder}/")]

    def missing(self, manifest: Manifest) -> list[str]:
        """Paths of files that the manifest names and that are not there in their size."""
        return [path for path, file in manifest.contents.items() if not self.has(path, file.bytes)]

    def has(self, path: str, size: int) -> bool:
        """Whether a file of that size is there."""
        item = self.items.get(path)
        return item is not None and item.bytes == size

    def chain(self, manifest: Manifest) -> tuple[Manifest, ...]:
        """What has to be put together to restore ``manifest``: from its full backup to itself.

        Raises:
            DataError: a backup in between is missing or does not fit.
        """
        found = [manifest]
        by_id = {each.id: each for each in self.of_rows}
        while (follows := found[-1].follows) is not None:
            before = by_id.get(follows)
            if before is None or before in found:
                raise DataError(f"{found[-1].folder} follows {follows}, which is not there")
            if (before.lineage, before.next_pos) != (found[-1].lineage, found[-1].from_pos):
                raise DataError(
                    f"{found[-1].folder} goes on from {found[-1].from_pos} of {found[-1].lineage}, but "
                    f"{before.folder} ends at {before.next_pos} of {before.lineage}"
                )
            found.append(before)
        return tuple(reversed(found))

    def problem(self, manifest: Manifest) -> str:
        """Why ``manifest`` could not be restored, as far as names and sizes tell; empty when it could."""
        try:
            chain = self.chain(manifest)
        except DataError as error:
            return str(error)
        missing = [path for each in chain for path in self.missing(each)]
        return f"{missing[0]} is missing or cut off" if missing else ""


def read_catalogue(shelf: Shelf) -> Catalogue:
    """Look at everything on a shelf. Manifests are read, several at a time; nothing else is.

    Raises:
        StorageError, SettingsError: the shelf does not answer.
    """
    items = {item.path: item for item in shelf.list()}
    folders = sorted(set(_folders(items)))
    whole = [folder for folder in folders if f"{folder}/{MANIFEST}" in items]
    with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
        read = list(threads.map(lambda folder: _read(shelf, folder), whole))
    found = sorted(
        (each for each in read if isinstance(each, Manifest)), key=lambda each: (each.id, each.kind)
    )
    wrong = {folder: each for folder, each in zip(whole, read, strict=True) if isinstance(each, str)}
    return Catalogue(tuple(found), wrong, tuple(each for each in folders if each not in whole), items)


def _folders(paths: Mapping[str, Item]) -> Iterator[str]:
    for path in paths:
        parts = path.split("/")
        if len(parts) > 2 and parts[0] in KINDS:
            yield "/".join(parts[:2])


def _read(shelf: Shelf, folder: str) -> Manifest | str:
    """The manifest in ``folder``, or what is wrong with it."""
    path = f"{folder}/{MANIFEST}"
    try:
        manifest = decoded(shelf.get_bytes(path), f"{shelf}/{path}")
    except DataError as error:
        return str(error)
    return (
        manifest if manifest.folder == folder and _is_id(manifest.id) else f"{path} is of {manifest.folder}"
    )


def _is_id(text: str) -> bool:
    try:
        moment_us(text)
    except ValueError:
        return False
    return True
