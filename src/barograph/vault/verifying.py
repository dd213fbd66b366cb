"""Whether backups are what they were: every byte against its checksum, every chain back to its full one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from barograph.errors import DataError, UsageError
from barograph.vault.listing import Catalogue, read_catalogue
from barograph.vault.manifest import File, Manifest
from barograph.vault.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes:
        backups: folders that were looked at, the chains they need among them.
        files, bytes: what was read.
        problems: file or folder, and what is wrong with it; none: all is sound.
    """

    backups: tuple[str, ...]
    files: int
    bytes: int
    problems: tuple[tuple[str, str], ...]


def verify(shelf: Shelf, ids: Sequence[str], report: Callable[[int, int], None]) -> Verified:
    """Read backups and what they go on from, and check everything that can be checked.

    Args:
        ids: their ids, or folders such as ``daily/2026-11-20T103000Z``; all when empty. Only then
            folders without a manifest are a problem too.
        report: told bytes done and bytes in all.

    Raises:
        UsageError: there is no such backup.
        StorageError: the shelf does not answer.
    """
    catalogue = read_catalogue(shelf)
    chosen = _chosen(catalogue, ids)
    problems = [
        (folder, why) for folder, why in catalogue.damaged.items() if not ids or _is_named(folder, ids)
    ]
    if not ids:
        problems += [(folder, _UNFINISHED) for folder in catalogue.unfinished]
        problems += [(item.path, _UNNAMED) for item in catalogue.orphans]
    wanted: dict[str, File] = {}
    backups: dict[str, Manifest] = {}
    for manifest in chosen:
        try:
            chain = catalogue.chain(manifest)
        except DataError as error:
            problems.append((manifest.folder, str(error)))
            chain = (manifest,)
        for each in chain:
            backups[each.folder] = each
            wanted |= each.contents
    problems += _read(shelf, catalogue, wanted, report)
    size = sum(file.bytes for file in wanted.values())
    return Verified(tuple(sorted(backups)), len(wanted), size, tuple(dict.fromkeys(problems)))


_UNFINISHED = (
    "has files and no manifest: it is being made now, was interrupted, or has lost its manifest; the next "
    "backup from the same machine removes it, or `barograph backup prune` when it is a day old"
)


_UNNAMED = (
    "is named by no backup: it is being brought now, its run was cut off, or that run's manifest is lost; "
    "the next hourly-raw backup from the same machine brings it again"
)


def wrong_with(shelf: Shelf, path: str, file: File) -> str:
    """What is wrong with one file on a shelf; empty when every byte is as it was.

    Raises:
        StorageError: the shelf does not answer.
    """
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in shelf.chunks(path):
            digest.update(chunk)
            size += len(chunk)
    except DataError:
        return "is missing"
    if size != file.bytes:
        return f"has {size:,} bytes, not {file.bytes:,}"
    if digest.hexdigest() != file.sha256:
        return "does not match its sha256: bytes have changed"
    return ""


def _read(
    shelf: Shelf, catalogue: Catalogue, wanted: dict[str, File], report: Callable[[int, int], None]
) -> Iterable[tuple[str, str]]:
    total, done = sum(file.bytes for file in wanted.values()), 0
    found = []
    for path, file in wanted.items():
        why = wrong_with(shelf, path, file) if path in catalogue.items else "is missing"
        if why:
            found.append((path, why))
        done += file.bytes
        report(done, total)
    return found


def _chosen(catalogue: Catalogue, ids: Sequence[str]) -> list[Manifest]:
    if not ids:
        return list(catalogue.manifests)
    known = [*(each.folder for each in catalogue.manifests), *catalogue.damaged]
    for each in ids:
        if not any(_is_named(folder, [each]) for folder in known):
            raise UsageError(f"there is no backup {each!r}; `barograph backup list` shows what there is")
    return [each for each in catalogue.manifests if _is_named(each.folder, ids)]


def _is_named(folder: str, ids: Sequence[str]) -> bool:
    return folder in ids or folder.partition("/")[2] in ids
