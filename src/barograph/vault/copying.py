"""Copying backups from one shelf to another, by way of a file on this machine; manifests last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from barograph.errors import DataError
from barograph.log import get_logger
from barograph.vault.listing import Catalogue, read_catalogue
from barograph.vault.manifest import File, Manifest
from barograph.vault.places import Place
from barograph.vault.pruning import kept
from barograph.vault.shelf import Shelf
from barograph.vault.unfinished import noted, remove_unfinished
from barograph.vault.writing import summed

log = get_logger()


def mirror(
    data: Path, source: Shelf, target: Place, now_us: int, report: Callable[[int, int], None]
) -> list[Manifest]:
    """Bring to ``target`` every backup of ``source`` that it lacks and would keep; those that were brought.

    What is there already in its size is not copied again, so a copy that was cut off goes on.

    Args:
        report: told files done and files in all.

    Raises:
        DataError: a file of ``source`` is damaged; the other backups were copied.
        StorageError: a shelf said no; what is whole stays, run it again.
    """
    remove_unfinished(data, target.shelf)
    ours, theirs = read_catalogue(source), read_catalogue(target.shelf)
    stay = kept(_together(ours, theirs), target.keep_days, now_us)
    known = {each.folder for each in theirs.manifests if not theirs.missing(each)}
    wanted = [each for each in ours.manifests if each.folder in stay and each.folder not in known]
    total, done = sum(len(each.contents) for each in wanted), 0
    damaged: list[str] = []
    copied: list[Manifest] = []
    for each in wanted:
        try:
            _copy(data, source, target.shelf, each, theirs)
            copied.append(each)
        except DataError as error:
            log.error("a damaged backup was not copied", backup=each.folder, problem=str(error))  # noqa: TRY400
            damaged.append(str(error))
        done += len(each.contents)
        report(done, total)
    if damaged:
        raise DataError(f"{damaged[0]}; {len(damaged)} backups could not be copied to {target}")
    return copied


def _together(ours: Catalogue, theirs: Catalogue) -> Catalogue:
    """Both shelves as one: what would stay on theirs if it had all of ours."""
    by_folder = {each.folder: each for each in (*ours.manifests, *theirs.manifests)}
    manifests = sorted(by_folder.values(), key=lambda each: (each.id, each.kind))
    return Catalogue(tuple(manifests), {}, (), {**ours.items, **theirs.items})


def _copy(data: Path, source: Shelf, target: Shelf, manifest: Manifest, theirs: Catalogue) -> None:
    with noted(data, target, manifest.folder) as scratch:
        staged = scratch / "copied"
        for path, file in manifest.contents.items():
            if _has(theirs, path, file):
                continue
            source.get(path, staged)
            if summed(staged) != (file.bytes, file.sha256):
                raise DataError(
                    f"{source}/{path} is not what its manifest says: bytes have changed; "
                    "`barograph backup verify` tells all that is damaged"
                )
            target.put(path, staged)
        target.put_bytes(manifest.path, source.get_bytes(manifest.path))


def _has(theirs: Catalogue, path: str, file: File) -> bool:
    """Whether a segment is there already; other files are in a folder of this backup's own."""
    return theirs.segments.get(path) == (file.bytes, file.sha256) and theirs.has(path, file.bytes)
