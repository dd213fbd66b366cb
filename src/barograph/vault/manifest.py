"""What a backup is: its folder's layout and the manifest that makes it one.

::

    <shelf>/daily/2026-11-20T103000Z/<table>/<n:04d>.parquet       rows since the backup before
    <shelf>/daily/2026-11-20T103000Z/own/<schema.table>/<n:04d>.parquet   users' own tables
    <shelf>/daily/2026-11-20T103000Z/checkpoint                    the line's state, if there was one
    <shelf>/daily/2026-11-20T103000Z/manifest.json                 last
    <shelf>/weekly/2026-11-20T120000Z/...                          the same, with all rows
    <shelf>/tape/<segment's name>                                  sealed segments, as they are
    <shelf>/hourly-raw/2026-11-20T110000Z/manifest.json            which segments that run brought

Files of rows are Parquet in the table's schema and sort order, tombstones included, of bounded size.
What a manifest does not name is not there: an interrupted upload leaves files without
a manifest, which the next ``prune`` removes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from barograph.clock import from_us, to_us
from barograph.errors import DataError
from barograph.store.own import OwnTable as OwnTable  # noqa: PLC0414 - found here by who makes manifests

FORMAT = 1
MANIFEST = "manifest.json"
TAPE = "tape"
Kind = Literal["hourly-raw", "daily", "weekly"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MOMENT = "%Y-%m-%dT%H%M%SZ"


class File(msgspec.Struct, frozen=True):
    """One file of a backup.

    Attributes:
        path: below the backup's folder; a segment's below the shelf.
        table: of which table its rows are; a user's own as ``schema.table``; empty for others.
        sha256: of its bytes, in hex.
    """

    path: str
    bytes: int
    sha256: str
    table: str = ""
    rows: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    Attributes:
        id: its moment, ``2026-11-20T103000Z``, which is its folder's name: of the snapshot.
        made_by: version of Barograph.
        lineage: see ``Store.lineage``; empty for hourly-raw.
        from_pos, next_pos: rows with ``from_pos <= tape_pos < next_pos``; from 0 when it is full.
        follows: the id of the backup whose ``next_pos`` is this one's ``from_pos``; None when it is full.
        commits: the store's commits from the checkpoint on, for a recorder that goes on after a restore;
            always ends at ``next_pos``.
        checkpoint: the line's state, if there was one.
        files: rows, by table.
        tape: sealed segments (hourly-raw only).
    """

    format: int = FORMAT
    kind: Kind
    id: str
    made_by: str
    schema_version: int
    lineage: str = ""
    from_pos: int = 0
    next_pos: int = 0
    follows: str | None = None
    commits: tuple[tuple[int, int], ...] = ()
    checkpoint: File | None = None
    files: tuple[File, ...] = ()
    own: tuple[OwnTable, ...] = ()
    tape: tuple[File, ...] = ()

    @property
    def folder(self) -> str:
        """Where it lies on its shelf."""
        return f"{self.kind}/{self.id}"

    @property
    def path(self) -> str:
        """Where its manifest lies on its shelf."""
        return f"{self.folder}/{MANIFEST}"

    @property
    def full(self) -> bool:
        """Whether it holds all rows, so that it can be restored by itself."""
        return self.kind != "hourly-raw" and self.follows is None

    @property
    def contents(self) -> dict[str, File]:
        """Every file that it names, by its path on the shelf."""
        inside = (*self.files, *((self.checkpoint,) if self.checkpoint else ()))
        found = {f"{self.folder}/{file.path}": file for file in inside}
        return found | {file.path: file for file in self.tape}

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(file.rows for file in self.files)


def moment_id(us: int) -> str:
    """The id of a backup of this moment, microseconds UTC, to the second.

    >>> moment_id(1_763_634_600_000_000)
    '2025-11-20T103000Z'
    """
    return f"{from_us(us):{_MOMENT}}"


def moment_us(id: str) -> int:  # noqa: A002 - it is called so everywhere
    """The moment that an id names, microseconds UTC.

    Raises:
        ValueError: it is no id of a backup.
    """
    return to_us(datetime.strptime(id, _MOMENT).replace(tzinfo=UTC))


def encoded(manifest: Manifest) -> bytes:
    """The manifest as it is written: JSON with a checksum of itself on a second line."""
    return _with_checksum(msgspec.json.encode(manifest))


def decoded(raw: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        DataError: it is damaged, or of a format that this version does not know.
    """
    body = raw.partition(b"\n")[0]
    if raw != _with_checksum(body):  # the whole of it: a changed line end is a changed byte too
        raise DataError(f"{where} is damaged: its checksum does not fit; take another backup")
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except msgspec.DecodeError as error:
        raise DataError(f"{where} was written by another version of Barograph: {error}") from error
    if manifest.format != FORMAT:
        raise DataError(
            f"{where} has format {manifest.format}, this version reads {FORMAT}; use a newer Barograph"
        )
    return manifest


def _with_checksum(body: bytes) -> bytes:
    return body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"
