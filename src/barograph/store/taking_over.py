"""Counting as the content of another store, and beginning with nothing again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from barograph.disk import sync_directory
from barograph.errors import UsageError
from barograph.store import commits, lineage
from barograph.store.layout import (
    absorbing_path,
    commit_log,
    hot_days,
    hot_folder,
    lineage_path,
    link_folder,
    sealed_days,
    sealed_path,
)
from barograph.tables import TABLES


def take_over(root: Path, name: str, ranges: Sequence[tuple[int, int]]) -> None:
    """Let the lake at ``root`` be the content called ``name``; the caller has the writer's lock.

    Raises:
        UsageError: it has made rows of its own from a tape, or knows another lineage.
    """
    log = commit_log(root)
    known, there = lineage.origin(root), commits.committed(log)
    if known.name not in ("", name) or there > known.taken:
        raise UsageError(
            f"{root} has rows of its own, up to position {there} (content {known.name or 'unnamed'}): "
            f"it cannot go on as {name}; give another, empty data directory"
        )
    # What is counted as taken is written first: a lake of more commits than that has made them itself.
    lineage.write_origin(root, lineage.Origin(name, max([known.taken, *(last for _, last in ranges)])))
    new = [each for each in ranges if each[0] >= there and not commits.holds(log, *each)]
    if new:
        commits.extend(log, new)
    absorbing_path(root).unlink(missing_ok=True)
    sync_directory(absorbing_path(root).parent)


def clear(root: Path) -> None:
    """Remove the lake's rows, commits and lineage; the caller has its locks."""
    for table in TABLES.values():
        for day in sealed_days(root, table):
            shutil.rmtree(sealed_path(root, table, day).parent)
        for day in hot_days(root, table):
            shutil.rmtree(hot_folder(root, table, day))
        shutil.rmtree(link_folder(root, table), ignore_errors=True)
    # The mark goes last: until then nobody takes what is left for a lake.
    for path in (commit_log(root), lineage_path(root), absorbing_path(root)):
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
