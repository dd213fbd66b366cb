"""Bringing a store up to the newest backup: on the laptop, every day.

What the store holds tells what is new: its lineage, and how far it is committed. Backups are taken one after
the other, each counted as taken when all of it is in, so that a sync can end at any moment and go on later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from barograph.clock import Clock
from barograph.errors import UsageError
from barograph.store.lake import Lake
from barograph.store.store import Absorbing
from barograph.vault.chain import Plan, newest, plan_sync
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import moment_us
from barograph.vault.shelf import Shelf
from barograph.vault.state import State, StateFile
from barograph.vault.taking import Came, Report, Taker, require_known


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did.

    Attributes:
        newest: id of the newest backup.
        age_s: how old it is, in seconds.
        came: what came; no backups: nothing was new.
        why: a word to the person, where it was not the usual course.
    """

    newest: str
    age_s: float
    came: Came
    why: str = ""


def sync(
    shelf: Shelf,
    store: Absorbing,
    data: Path,
    file: StateFile,
    clock: Clock,
    report: Report,
    tell: Callable[[str], None],
) -> Synced:
    """Take into ``store`` what the backups on ``shelf`` have and it lacks.

    Args:
        data: the data directory; users' own tables go there where the store is a lake.
        file: where the sync remembers what it has done.
        report: told what is going on, bytes done and bytes in all.
        tell: told what a person should know before it begins.

    Raises:
        DataError: there is no backup, or one is damaged, missing or of a newer version.
        UsageError: the store has rows of its own.
        StorageBusy: another sync into this store is running.
        StorageError: the shelf or the store said no; run it again, it goes on.
    """
    with file.lock:
        state = file.load()
        catalogue = read_catalogue(shelf)
        last = newest(catalogue)
        require_known(last)
        lineage = store.lineage()
        if state is None:
            _require_not_its_own(store, lineage)
        state = state or State()
        plan = plan_sync(catalogue, lineage, store.committed(), state.last)
        half_filled = not lineage and state.doing and state.lineage != last.lineage
        if plan.anew or state.anew or half_filled:
            _begin_anew(store, state, file, last.lineage)
            plan = Plan(plan_sync(catalogue, "", 0, "").rows, why=plan.why)
        if plan.why:
            tell(plan.why)
        state.source, state.lineage = str(shelf), last.lineage
        came = _take(plan, Taker(shelf, store, data, state, file, report, plan.bytes), store)
        if isinstance(store, Lake):
            store.sweep()
        age_s = clock.now_ns() / 1e9 - moment_us(last.id) / 1e6
        return Synced(last.id, age_s, came, plan.why)


def _take(plan: Plan, taker: Taker, store: Absorbing) -> Came:
    for manifest, rows in plan.steps:
        taker.take(manifest, rows)
        if rows:
            store.take_over(manifest.lineage, manifest.commits or ((0, manifest.next_pos),))
        taker.finish(manifest)
    return taker.came


def _require_not_its_own(store: Absorbing, lineage: str) -> None:
    """A store that has never been synced must be empty, or restored and nothing else."""
    if not lineage:
        if store.committed():
            raise UsageError("the store has rows of its own; sync into an empty one")
        return
    store.take_over(lineage, ())  # changes nothing; refuses where rows of its own are


def _begin_anew(store: Absorbing, state: State, file: StateFile, lineage: str) -> None:
    """Empty the store for another content, once; a sync that was cut short goes on with filling it."""
    if state.anew and store.lineage() == "":
        return
    state.anew, state.doing, state.done, state.last, state.lineage = True, "", [], "", lineage
    file.save(state)
    store.clear()
