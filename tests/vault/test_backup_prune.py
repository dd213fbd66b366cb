"""Retention: what goes, and what never does."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import DAY_US
from barograph.vault.listing import Catalogue, read_catalogue
from barograph.vault.manifest import File, Kind, Manifest, encoded, moment_id, moment_us
from barograph.vault.pruning import kept, plan, prune
from barograph.vault.shelf import Shelf
from barograph.vault.shelves.directory import DirectoryShelf

NOW_US = moment_us("2026-11-18T160000Z")


def days_ago(days: float) -> str:
    return moment_id(NOW_US - int(days * DAY_US))


def put(
    shelf: Shelf, kind: Kind, ago: float, follows: Manifest | None = None, tape: tuple[int, ...] = ()
) -> Manifest:
    """A backup of one small file, or of these segments."""
    from_pos = follows.next_pos if follows else 0
    segments = tuple(File(f"tape/{pos:020d}.sealed", 4, "t") for pos in tape)
    rows = kind != "hourly-raw"
    made = Manifest(
        kind=kind,
        id=days_ago(ago),
        made_by="0",
        schema_version=1,
        from_pos=from_pos,
        next_pos=from_pos + 10 if rows else 0,
        follows=follows.id if follows else None,
        commits=((from_pos, from_pos + 10),) if rows else (),
        checkpoint=File("checkpoint", 2, "c") if rows else None,
        files=(File("ticks/0000.parquet", 3, "r", "ticks", 1),) if rows else (),
        tape=segments,
    )
    for path, file in made.contents.items():
        shelf.put_bytes(path, bytes(file.bytes))
    shelf.put_bytes(made.path, encoded(made))
    return made


@pytest.fixture
def shelf(tmp_path: Path) -> DirectoryShelf:
    return DirectoryShelf(tmp_path)


def going(shelf: Shelf, keep_days: float = 3) -> list[str]:
    return [each.name for each in plan(read_catalogue(shelf), keep_days, NOW_US)]


def pruned(shelf: Shelf, keep_days: float = 3) -> Catalogue:
    prune(shelf, plan(read_catalogue(shelf), keep_days, NOW_US), lambda done, total: None)
    return read_catalogue(shelf)


def test_old_backups_go_with_their_files_and_young_ones_stay(shelf: DirectoryShelf) -> None:
    old = put(shelf, "weekly", 9)
    older = put(shelf, "daily", 8, old)
    new = put(shelf, "weekly", 2)
    daily = put(shelf, "daily", 1, new)
    assert going(shelf) == [older.folder, old.folder]
    assert [each.id for each in pruned(shelf).manifests] == [new.id, daily.id]
    assert all(each.path.split("/")[1] in (new.id, daily.id) for each in shelf.list())
    assert going(shelf) == []


def test_what_a_kept_daily_goes_on_from_stays_however_old(shelf: DirectoryShelf) -> None:
    full = put(shelf, "weekly", 40)
    first = put(shelf, "daily", 39, full)
    second = put(shelf, "daily", 2, first)
    other = put(shelf, "daily", 38, full)
    assert going(shelf) == [other.folder]
    found = pruned(shelf)
    assert [each.id for each in found.chain(second)] == [full.id, first.id, second.id]
    assert not found.problem(second)


def test_the_newest_stays_when_all_are_old(shelf: DirectoryShelf) -> None:
    put(shelf, "weekly", 90)
    full = put(shelf, "weekly", 50)
    daily = put(shelf, "daily", 49, full)
    assert {each.id for each in pruned(shelf).manifests} == {full.id, daily.id}


def test_the_newest_full_one_stays_also_when_a_newer_daily_is_of_another(shelf: DirectoryShelf) -> None:
    old = put(shelf, "weekly", 50)
    full = put(shelf, "weekly", 40)
    daily = put(shelf, "daily", 39, old)
    assert {each.id for each in pruned(shelf).manifests} == {old.id, full.id, daily.id}


def test_when_the_newest_cannot_be_restored_then_the_newest_that_can_stays_too(shelf: DirectoryShelf) -> None:
    good = put(shelf, "weekly", 50)
    bad = put(shelf, "weekly", 40)
    shelf.delete([f"{bad.folder}/ticks/0000.parquet"])
    assert {each.id for each in pruned(shelf).manifests} == {good.id, bad.id}


def test_the_tape_from_a_kept_backups_checkpoint_on_stays_however_old(shelf: DirectoryShelf) -> None:
    base = put(shelf, "weekly", 30)
    daily = put(shelf, "daily", 29, base)
    shelf.delete([base.path, *base.contents])
    before = put(shelf, "hourly-raw", 12, tape=(0, 4))
    around = put(shelf, "hourly-raw", 11, tape=(9, 15))
    assert daily.commits == ((10, 20),)
    assert going(shelf) == [before.folder, "tape"]
    pruned(shelf)
    assert [item.path for item in shelf.list("tape/")] == [file.path for file in around.tape]


def test_segments_before_every_checkpoint_go_when_they_are_old(shelf: DirectoryShelf) -> None:
    base = put(shelf, "weekly", 30)
    daily = put(shelf, "daily", 29, base)
    later = put(shelf, "daily", 28, daily)
    shelf.delete([base.path, *base.contents, daily.path, *daily.contents])
    old = put(shelf, "hourly-raw", 9, tape=(0, 5, 10))
    young = put(shelf, "hourly-raw", 1, tape=(10, 20, 30))
    assert later.commits == ((20, 30),)
    found = pruned(shelf)
    assert [each.id for each in found.manifests if each.kind == "hourly-raw"] == [young.id]
    assert [item.path for item in shelf.list("tape/")] == [f"tape/{pos:020d}.sealed" for pos in (10, 20, 30)]
    assert old.folder not in {each.folder for each in found.manifests}


def test_folders_without_a_manifest_go_when_they_are_a_day_old(shelf: DirectoryShelf) -> None:
    put(shelf, "weekly", 1)
    for ago in (0.9, 1.1):
        shelf.put_bytes(f"daily/{days_ago(ago)}/ticks/0000.parquet", b"half")
    shelf.put_bytes("daily/my own notes/x", b"not ours")
    shelf.put_bytes("elsewhere/y", b"not ours")
    assert going(shelf) == [f"daily/{days_ago(1.1)}"]
    pruned(shelf)
    left = {item.path for item in shelf.list()}
    assert {"daily/my own notes/x", "elsewhere/y", f"daily/{days_ago(0.9)}/ticks/0000.parquet"} <= left


def test_a_damaged_manifest_keeps_its_files_and_all_segments_until_it_is_old(shelf: DirectoryShelf) -> None:
    put(shelf, "weekly", 1)
    hourly = put(shelf, "hourly-raw", 2, tape=(0, 1))
    shelf.put_bytes(hourly.path, b"damaged")
    assert going(shelf) == []
    assert going(shelf, keep_days=1.5)[0] == hourly.folder


def test_given_nothing_then_nothing_goes(shelf: DirectoryShelf) -> None:
    assert going(shelf) == []


HISTORY = st.lists(
    st.tuples(st.sampled_from(["weekly", "daily", "hourly-raw", "lost"]), st.floats(0.05, 2.0)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(HISTORY, st.floats(0.5, 10), st.integers(0, 2**32))
def test_whatever_the_history_and_wherever_pruning_is_killed_kept_backups_can_be_restored(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, float]], keep_days: float, seed: int
) -> None:
    shelf, random = DirectoryShelf(tmp_path_factory.mktemp("s")), Random(seed)
    ago, made = sum(step for _, step in history), list[Manifest]()
    for what, step in history:
        ago -= step
        rows = [each for each in made if each.kind != "hourly-raw"]
        if what == "lost" and made:
            lost = random.choice(made)
            shelf.delete([lost.path, *lost.contents])
            made.remove(lost)
        elif what == "hourly-raw":
            made.append(put(shelf, "hourly-raw", ago, tape=(random.randrange(60),)))
        elif what != "lost":
            base = rows[-1] if what == "daily" and rows else None
            made.append(put(shelf, "daily" if what == "daily" else "weekly", ago, base))
    before = read_catalogue(shelf)
    whole = [each for each in before.of_rows if not before.problem(each)]
    stay = kept(before, keep_days, NOW_US)
    deletions = [item.path for each in plan(before, keep_days, NOW_US) for item in each.items]
    shelf.delete(deletions[: random.randrange(len(deletions) + 1)])

    for found in (read_catalogue(shelf), pruned(shelf, keep_days)):
        there = {each.folder for each in found.manifests}
        assert stay <= there
        assert not [each for each in whole if each.folder in stay and found.problem(each)]
        assert not [each for each in found.of_rows if each in whole and found.problem(each)]
        assert not whole or whole[-1].folder in there
        assert {each.folder for each in whole if moment_us(each.id) >= NOW_US - keep_days * DAY_US} <= there
        assert not [
            each
            for each in found.manifests
            if each.kind == "hourly-raw" and found.missing(each) and not before.missing(each)
        ]
    assert {each.folder for each in found.manifests} == stay
