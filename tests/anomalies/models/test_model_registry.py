"""Versions on disk: whole or not at all, never written over, never changed unnoticed."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from barograph.anomalies.models import Promoted, Reference, Registry
from barograph.anomalies.models import registry as module
from barograph.anomalies.models.card import Bins, Card, Metrics, Parameters, read_card, sealed
from barograph.anomalies.models.features import NAMES, VERSION
from barograph.anomalies.models.forest import LEAF, Forest
from barograph.anomalies.models.model import Model, encoded
from barograph.errors import DataError, StorageError, UsageError

NONE = np.zeros(1, dtype=np.int32)
MODEL = Model(
    NAMES,
    VERSION,
    np.zeros(len(NAMES)),
    0.5,
    ("BTC-USD",),
    Forest(np.zeros(1, dtype=np.int64), NONE + LEAF, np.ones(1), NONE, NONE, 1.0, len(NAMES)),
)
FILES = {"model.bin": encoded(MODEL), "model.skops": b"PK, for all we know"}


def card(name: str = "forest", seed: int = 0, files: dict[str, bytes] | None = None) -> Card:
    return Card(
        name=name,
        kind="isolation-forest",
        command="barograph anomalies train",
        symbols=("BTC-USD",),
        venues=("sim",),
        start_us=None,
        end_us=None,
        first_us=0,
        last_us=60_000_000,
        rows=2,
        data_hash="0" * 64,
        features_version=VERSION,
        features={each: Bins((0.5,), (0.5, 0.5), 0.5, 0.0) for each in NAMES},
        parameters=Parameters(1, 2, 0.5, seed),
        threshold=0.5,
        chosen="by hand",
        metrics=Metrics(0.5, 0.5, 0.5, 0.0),
        libraries={},
        files={each: hashlib.sha256(data).hexdigest() for each, data in (files or FILES).items()},
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Registry:
    return Registry.of(tmp_path)


def folder(shelf: Registry, reference: Reference) -> Path:
    return shelf.folder / reference.name / reference.version


def test_a_version_is_found_by_its_name_and_by_as_much_of_it_as_only_one_has(shelf: Registry):
    first, second = shelf.put(card(), FILES), shelf.put(card(seed=1), FILES)
    other = shelf.put(card("other"), FILES)
    assert sorted(shelf.versions()) == sorted([first, second, other])
    assert shelf.find(str(first)) == first
    assert shelf.find(f"forest/{second.version[:5]}") == second
    assert shelf.find("other") == other
    for text, said in (("forest", "several"), ("nothing", "no version"), ("forest/zz", "no version")):
        with pytest.raises(UsageError, match=said):
            shelf.find(text)
    assert shelf.model(first).threshold == 0.5
    assert shelf.card(second).parameters.seed == 1
    assert "seed 1" in (folder(shelf, second) / "card.md").read_text()


def test_the_same_content_is_the_same_version_and_is_not_written_again(shelf: Registry):
    first = shelf.put(card(), FILES)
    before = {path: path.stat().st_mtime_ns for path in folder(shelf, first).iterdir()}
    assert shelf.put(card(), FILES) == first
    assert {path: path.stat().st_mtime_ns for path in folder(shelf, first).iterdir()} == before
    assert len(before) == 4
    assert first.version == sealed(card()).digest[:12]


def test_many_at_once_keep_one_whole_version(shelf: Registry):
    made: list[Reference] = []
    threads = [threading.Thread(target=lambda: made.append(shelf.put(card(), FILES))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert [path.name for path in (shelf.folder / "forest").iterdir()] == [made[0].version]
    shelf.model(made[0])


def test_a_disk_that_fails_leaves_nothing(shelf: Registry, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "sync_directory", refuse)
    with pytest.raises(StorageError, match="no space left"):
        shelf.put(card(), FILES)
    assert shelf.versions() == []
    assert list((shelf.folder / "forest").iterdir()) == []


@pytest.mark.parametrize("name", ["card.json", "model.bin"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "exchanged"])
def test_a_damaged_version_is_refused_and_not_promoted(shelf: Registry, name: str, damage: str):
    reference, other = shelf.put(card(), FILES), shelf.put(card("other", 7), FILES)
    path = folder(shelf, reference) / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "exchanged" and name == "card.json":
        path.write_bytes((folder(shelf, other) / name).read_bytes())
    elif damage == "exchanged":
        path.write_bytes(encoded(msgspec.structs.replace(MODEL, threshold=0.9)))
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with pytest.raises(DataError, match=reference.version):
        shelf.model(reference)
    with pytest.raises((DataError, UsageError)):
        shelf.promote(shelf.find(str(reference)))
    assert shelf.promoted() is None


@pytest.mark.parametrize("name", ["", "Forest", "../up", "a/b", ".hidden", "x" * 65])
def test_a_name_that_is_none_is_refused(shelf: Registry, name: str):
    with pytest.raises(UsageError, match="cannot name a model"):
        shelf.put(card(name), FILES)
    assert not shelf.folder.exists()


def test_files_that_the_card_does_not_name_are_refused(shelf: Registry):
    with pytest.raises(ValueError, match="otherwise"):
        shelf.put(card(), FILES | {"model.bin": b"another"})


def test_what_counts_is_what_was_promoted_last(shelf: Registry):
    assert shelf.promoted() is None
    reference = shelf.put(card(), FILES)
    promoted = shelf.promote(reference)
    assert shelf.promoted() == promoted == Promoted(str(reference), sealed(card()).digest)
    assert shelf.rule(promoted).version == str(reference)
    assert shelf.rule(promoted).threshold == 0.5
    shelf.promote(None)
    assert shelf.promoted() == Promoted(None)
    assert [path.name for path in shelf.folder.iterdir() if path.is_file()] == ["promoted.json"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": "\xff"}'])
def test_a_promotion_that_cannot_be_read_is_told_with_the_remedy(shelf: Registry, content: bytes):
    shelf.folder.mkdir(exist_ok=True)
    (shelf.folder / "promoted.json").write_bytes(content)
    with pytest.raises(DataError, match="barograph anomalies promote"):
        shelf.promoted()


def test_a_broken_promotion_file_is_told_with_its_remedy(shelf: Registry):
    shelf.folder.mkdir()
    (shelf.folder / "promoted.json").write_text('{"version": 5}')
    with pytest.raises(DataError, match="barograph anomalies promote"):
        shelf.promoted()


def test_a_promotion_of_another_digest_or_of_no_version_is_refused(shelf: Registry):
    reference = shelf.put(card(), FILES)
    with pytest.raises(DataError, match="another digest"):
        shelf.rule(Promoted(str(reference), "0" * 64))
    with pytest.raises(DataError, match="put its folder back"):
        shelf.rule(Promoted("forest/0123456789ab", "0" * 64))
    for strange in ("../../etc/0123456789ab", "forest", "forest/../x"):
        with pytest.raises(DataError, match="cannot be a version"):
            shelf.rule(Promoted(strange, ""))


def test_a_card_of_a_later_format_and_one_with_a_stranger_s_field_are_refused():
    later = msgspec.json.encode(msgspec.structs.replace(card(), format=2))
    with pytest.raises(DataError, match="upgrade Barograph"):
        read_card(later, "card.json")
    with pytest.raises(DataError, match="no card of a model"):
        read_card(sealed(card()).data.replace(b'"rows"', b'"lines"'), "card.json")


def test_other_folders_beside_versions_are_left_alone(shelf: Registry):
    reference = shelf.put(card(), FILES)
    (shelf.folder / "forest" / "notes").mkdir()
    (shelf.folder / "forest" / f".{reference.version}.1.0.tmp").mkdir()
    os.makedirs(shelf.folder / "Strange" / reference.version)
    assert shelf.versions() == [reference]
