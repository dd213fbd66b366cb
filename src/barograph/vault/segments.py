"""Hourly backups of the tape: sealed segments that the shelf has not, checked while they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from barograph.clock import DAY_US, NS_PER_US, US_PER_S, Clock
from barograph.disk import storage_error
from barograph.errors import DataError, TapeCorrupt
from barograph.log import get_logger
from barograph.tables import SCHEMA_VERSION
from barograph.tape.blocks import REMEDY, BlockReader
from barograph.tape.index import TRAILER, read_trailer
from barograph.tape.segments import SEALED, segment_files
from barograph.vault.listing import Catalogue, read_catalogue
from barograph.vault.manifest import TAPE, File, Manifest, encoded, moment_id
from barograph.vault.places import Place

_CHUNK = 1 << 20

log = get_logger()


@dataclass(frozen=True, slots=True)
class TapeMade:
    """What one hourly run did.

    Attributes:
        manifest: what it brought; None: nothing was new.
        damaged: segments that were left out, with what is wrong.
    """

    manifest: Manifest | None
    damaged: tuple[str, ...]


def back_up_tape(data: Path, place: Place, clock: Clock, report: Callable[[int, int], None]) -> TapeMade:
    """Bring the sealed segments of the tape in ``data`` that the shelf of ``place`` has not.

    Old ones that retention would remove from there at once are left out.

    Args:
        report: told bytes done and bytes in all.

    Raises:
        DataError: there is no tape, or that of another data directory lies there.
        StorageError: the shelf said no; what was brought is not visible, and is brought again.
    """
    now_us = clock.now_ns() // NS_PER_US
    catalogue = read_catalogue(place.shelf)
    wanted = _new_segments(data / TAPE, catalogue, now_us - int(place.keep_days * DAY_US))
    total, done = sum(size for _, size in wanted), 0
    brought: list[File] = []
    damaged: list[str] = []
    for path, size in wanted:
        try:
            file = _checked(path)
            place.shelf.put(file.path, path)
            brought.append(file)
        except FileNotFoundError:
            log.info("a segment was deleted before it could be backed up", segment=path.name)
        except TapeCorrupt as error:
            log.error("a damaged segment was not backed up", problem=str(error))  # noqa: TRY400
            damaged.append(str(error))
        done += size
        report(done, total)
    return TapeMade(_manifest(brought, catalogue, place, now_us), tuple(damaged))


def needed_from(manifests: tuple[Manifest, ...]) -> int | None:
    """The tape position from which a restore of any of ``manifests`` reads on; None: of none."""
    found = [
        (each.commits[0][0] if each.commits and each.checkpoint else each.next_pos)
        for each in manifests
        if each.kind != "hourly-raw"
    ]
    return min(found, default=None)


def first_pos_of(path: str) -> int:
    """The first position of the segment that lies at ``path``, which it is named by.

    >>> first_pos_of("tape/00000000000000131072.sealed")
    131072
    """
    return int(path.rpartition("/")[2].partition(".")[0])


def _new_segments(tape: Path, catalogue: Catalogue, since_us: int) -> list[tuple[Path, int]]:
    """Sealed segments, with their sizes, that are not on the shelf and would stay there."""
    files = segment_files(tape)
    ends = dict(zip_longest(files, list(files)[1:]))
    needed_pos = needed_from(catalogue.of_rows) or 0
    found = []
    for first_pos, path in files.items():
        if path.suffix != SEALED:
            continue
        try:
            about = path.stat()
        except FileNotFoundError:
            continue  # retention was faster
        end = ends[first_pos]
        # By when it was sealed: what is imported today is new, however old its market is.
        old = about.st_mtime_ns // NS_PER_US < since_us and end is not None and end <= needed_pos
        if not _is_there(path.name, about.st_size, catalogue) and not old:
            found.append((path, about.st_size))
    return found


def _is_there(name: str, size: int, catalogue: Catalogue) -> bool:
    path = f"{TAPE}/{name}"
    known = catalogue.segments.get(path)
    if known is not None and known[0] != size:
        raise DataError(
            f"the backups hold a segment {name} of another tape ({known[0]:,} bytes, here it has {size:,}); "
            "give each data directory a place of its own (backup.to, backup.remote, or --to)"
        )
    return known is not None and catalogue.has(path, known[0])


def _checked(path: Path) -> File:
    """The segment as a backup names it, after all of it has been found as it was sealed.

    Raises:
        TapeCorrupt: it is not.
        FileNotFoundError: it has been deleted meanwhile.
    """
    try:
        BlockReader(path).close()  # header and index
        whole = hashlib.sha256()
        with path.open("rb") as file:
            size = path.stat().st_size
            trailer = read_trailer(file, size)
            file.seek(0)
            left = size - TRAILER.size
            while data := file.read(min(_CHUNK, left)):
                whole.update(data)
                left -= len(data)
            sound = trailer is not None and whole.digest() == trailer[0]
            whole.update(file.read())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
    if not sound:
        raise TapeCorrupt(f"{path}: the segment does not match its sha256; {REMEDY}")
    return File(f"{TAPE}/{path.name}", size, whole.hexdigest())


def _manifest(brought: list[File], catalogue: Catalogue, place: Place, now_us: int) -> Manifest | None:
    if not brought:
        return None
    from barograph import __version__

    taken = {each.id for each in catalogue.manifests if each.kind == "hourly-raw"}
    while (id_ := moment_id(now_us)) in taken:
        now_us += US_PER_S
    made = Manifest(
        kind="hourly-raw", id=id_, made_by=__version__, schema_version=SCHEMA_VERSION, tape=tuple(brought)
    )
    place.shelf.put_bytes(made.path, encoded(made))
    log.info("tape backed up", shelf=str(place), segments=len(brought), bytes=sum(f.bytes for f in brought))
    return made
