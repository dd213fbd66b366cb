"""Verifying backups: every changed byte and every missing file is found, and said by its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.store.making import DAY_0
from tests.vault.backed_up import clock_at, shelf_with_a_chain

from barograph.errors import UsageError
from barograph.records import Kind, Stream
from barograph.tape import TapeWriter
from barograph.vault.manifest import MANIFEST, decoded, encoded
from barograph.vault.places import Place
from barograph.vault.segments import back_up_tape
from barograph.vault.shelf import Shelf
from barograph.vault.shelves.directory import INCOMING, DirectoryShelf
from barograph.vault.verifying import Verified, verify


def looked_at(shelf: Shelf, *ids: str) -> Verified:
    return verify(shelf, ids, lambda done, total: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shelf with a full backup, two that follow, and two segments of tape."""
    data = tmp_path_factory.mktemp("made")
    shelf, _ = shelf_with_a_chain(data)
    for number in range(3):
        with TapeWriter(data / "tape", clock=clock_at(), roll_bytes=64 * 1024) as tape:
            tape.append(Stream("sim", f"c{number}"), DAY_0 * 1_000, Kind.FRAME, bytes(70_000))
    back_up_tape(data, Place(shelf, 3.0), clock_at(), lambda done, total: None)
    shutil.rmtree(data / "backups" / INCOMING)
    return data / "backups"


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "shelf"))


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_given_sound_backups_then_nothing_is_found(root: Path) -> None:
    found = looked_at(DirectoryShelf(root))
    assert found.problems == ()
    assert len(found.backups) == 4
    assert found.files == len([name for name in files_of(root) if not name.endswith(MANIFEST)]) >= 9


def test_every_file_that_is_missing_is_found(root: Path) -> None:
    shelf = DirectoryShelf(root)
    for name in files_of(root):
        raw = (root / name).read_bytes()
        (root / name).unlink()
        told = " ".join(path for path, _ in looked_at(shelf).problems)
        # A lost manifest is told by the files that it named.
        folder = name.removesuffix(f"/{MANIFEST}")
        wanted = "tape/" if name.startswith("hourly-raw") else folder
        assert wanted in told, name
        (root / name).write_bytes(raw)
    assert looked_at(shelf).problems == ()


def test_in_every_file_a_changed_byte_and_a_lost_or_added_one_are_found(root: Path) -> None:
    shelf = DirectoryShelf(root)
    for name in files_of(root):
        raw = (root / name).read_bytes()
        flipped = bytearray(raw)
        flipped[len(raw) // 2] ^= 1
        for wrong in (bytes(flipped), raw[:-1], raw + b"\0", b""):
            (root / name).write_bytes(wrong)
            told = " ".join(path for path, _ in looked_at(shelf).problems)
            assert name.removesuffix(f"/{MANIFEST}") in told, name
        (root / name).write_bytes(raw)


@hypothesis_settings(max_examples=60, deadline=None)
@given(which=st.integers(0, 10_000), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_that_is_flipped_is_found(made: Path, which: int, place: float, bit: int) -> None:
    names = files_of(made)
    file = made / names[which % len(names)]
    raw = file.read_bytes()
    changed = bytearray(raw)
    changed[int(place * len(raw))] ^= 1 << bit
    file.write_bytes(changed)
    try:
        assert looked_at(DirectoryShelf(made)).problems
    finally:
        file.write_bytes(raw)


def test_given_manifests_that_were_exchanged_then_it_is_found(root: Path) -> None:
    one, other = sorted((root / "daily").iterdir())[:2]
    raw = (one / MANIFEST).read_bytes()
    (one / MANIFEST).write_bytes((other / MANIFEST).read_bytes())
    (other / MANIFEST).write_bytes(raw)
    assert len(looked_at(DirectoryShelf(root)).problems) >= 2


def test_given_positions_that_do_not_join_then_it_is_found(root: Path) -> None:
    import msgspec

    path = sorted((root / "daily").iterdir())[1] / MANIFEST
    manifest = decoded(path.read_bytes(), "here")
    path.write_bytes(encoded(msgspec.structs.replace(manifest, from_pos=manifest.from_pos + 1)))
    told = looked_at(DirectoryShelf(root)).problems
    assert any("goes on from" in why for _, why in told)


def test_one_backup_is_verified_with_all_that_it_goes_on_from(root: Path) -> None:
    shelf = DirectoryShelf(root)
    first, second, third = sorted(each.name for each in (root / "daily").iterdir())
    (root / "daily" / first / "ticks" / "0000.parquet").write_bytes(b"")
    (root / "daily" / third / MANIFEST).write_bytes(b"")
    assert [path for path, _ in looked_at(shelf, second).problems] == [f"daily/{first}/ticks/0000.parquet"]
    assert looked_at(shelf, f"daily/{second}").backups == (f"daily/{first}", f"daily/{second}")
    with pytest.raises(UsageError, match="no backup '2020'"):
        looked_at(shelf, "2020")
