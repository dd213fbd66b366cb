"""How long backups stay: what is too old goes, but never what a restore of a kept one needs.

Kept are backups that are young enough, the newest that can be restored, the newest full one, and everything
that any of those goes on from. Of the tape: segments that kept hourly backups name, and all that a recorder
needs to go on from a kept backup's checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest

from barograph.clock import DAY_US
from barograph.log import get_logger
from barograph.vault.listing import Catalogue
from barograph.vault.manifest import MANIFEST, TAPE, Manifest, moment_us
from barograph.vault.segments import first_pos_of, needed_from
from barograph.vault.shelf import Item, Shelf

UNFINISHED_US = DAY_US
"""A folder without a manifest may be a backup that is being made: it stays so long."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Going:
    """Something that goes from a shelf.

    Attributes:
        name: a backup's folder, or that of the tape's segments.
        why: ``old``, ``damaged``, ``unfinished`` or ``segments``.
        items: its files in the order in which they go: a manifest first, so that what remains is none.
    """

    name: str
    why: str
    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        """What is freed."""
        return sum(item.bytes for item in self.items)


def kept(catalogue: Catalogue, keep_days: float, now_us: int) -> set[str]:
    """The folders of the backups that stay."""
    since_us = now_us - int(keep_days * DAY_US)
    rows = _kept_rows(catalogue, since_us)
    pinned = _pinned(catalogue, rows)
    found = {each.folder for each in rows}
    for each in catalogue.manifests:
        if each.kind == "hourly-raw":
            young = moment_us(each.id) >= since_us
            if young or any(file.path in pinned for file in each.tape):
                found.add(each.folder)
    return found


def plan(catalogue: Catalogue, keep_days: float, now_us: int) -> list[Going]:
    """What goes, newest backups first: at no moment is one there without what it goes on from."""
    stay, since_us = kept(catalogue, keep_days, now_us), now_us - int(keep_days * DAY_US)
    going = [
        Going(each.folder, "old", _in_order(catalogue.inside(each.folder)))
        for each in sorted(catalogue.manifests, key=lambda each: each.id, reverse=True)
        if each.folder not in stay
    ]
    going += _without_manifest(catalogue, catalogue.damaged, "damaged", since_us)
    going += _without_manifest(catalogue, catalogue.unfinished, "unfinished", now_us - UNFINISHED_US)
    segments = _segments(catalogue, stay, {each.name for each in going}, now_us)
    return [*going, Going(TAPE, "segments", segments)] if segments else going


def prune(shelf: Shelf, going: Iterable[Going], report: Callable[[int, int], None]) -> None:
    """Remove what :func:`plan` says.

    Args:
        report: told files done and files in all.

    Raises:
        StorageError: the shelf said no; what is left is as good as before, run it again.
    """
    going = list(going)
    total, done = sum(len(each.items) for each in going), 0
    for each in going:
        paths = [item.path for item in each.items]
        manifests = [path for path in paths if path.endswith(f"/{MANIFEST}")]
        shelf.delete(manifests)
        shelf.delete(path for path in paths if path not in manifests)
        done += len(paths)
        report(done, total)
        log.info("removed from the backups", shelf=str(shelf), what=each.name, why=each.why, bytes=each.bytes)


def _kept_rows(catalogue: Catalogue, since_us: int) -> tuple[Manifest, ...]:
    rows = catalogue.of_rows
    whole = [each for each in rows if not catalogue.problem(each)]
    chosen = [each for each in rows if moment_us(each.id) >= since_us]
    chosen += [*whole[-1:], *rows[-1:]]
    for some in (rows, whole):
        chosen += [each for each in some if each.full][-1:]
    by_id = {each.id: each for each in rows}
    found: dict[str, Manifest] = {}
    while chosen:
        each = chosen.pop()
        if each.id not in found:
            found[each.id] = each
            chosen += [by_id[each.follows]] if each.follows in by_id else []
    return tuple(found.values())


def _pinned(catalogue: Catalogue, rows: tuple[Manifest, ...]) -> set[str]:
    """Segments that a recorder needs which goes on from one of ``rows``."""
    needed_pos = needed_from(rows)
    paths = sorted(catalogue.segments)
    if needed_pos is None:
        return set(paths)
    # Where the next one begins it ends; where the last one ends nobody knows.
    ends = zip_longest(paths, map(first_pos_of, paths[1:]))
    return {path for path, end in ends if end is None or end > needed_pos}


def _without_manifest(catalogue: Catalogue, folders: Iterable[str], why: str, before_us: int) -> list[Going]:
    return [
        Going(folder, why, _in_order(catalogue.inside(folder)))
        for folder in folders
        if _moment_us(folder, before_us) < before_us
    ]


def _moment_us(folder: str, otherwise_us: int) -> int:
    """The moment that a folder is named by; a folder of somebody else's making is none of ours."""
    try:
        return moment_us(folder.partition("/")[2])
    except ValueError:
        return otherwise_us


def _segments(catalogue: Catalogue, stay: set[str], going: set[str], now_us: int) -> tuple[Item, ...]:
    """Segments that no backup names which stays."""
    if any(folder.startswith("hourly-raw/") and folder not in going for folder in catalogue.damaged):
        return ()  # it may name any of them
    named = {file.path for each in catalogue.manifests if each.folder in stay for file in each.tape}
    gone = [
        catalogue.items[path] for path in catalogue.segments if path not in named and path in catalogue.items
    ]
    # What no manifest names at all may be on its way.
    left = [item for item in catalogue.orphans if item.modified_us < now_us - UNFINISHED_US]
    return tuple(sorted((*gone, *left), key=lambda item: item.path))


def _in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: (not item.path.endswith(f"/{MANIFEST}"), item.path)))
