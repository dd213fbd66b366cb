"""The log of commits and what a torn or spoilt one means."""

from __future__ import annotations

from pathlib import Path

import pytest

from barograph.errors import StoreCorrupt
from barograph.store import commits


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "hot" / "commits.log"
    for first, last in ((0, 5), (5, 9), (12, 20)):
        commits.append(path, first, last)
    return path


def test_missing_log_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "none.log"
    assert commits.committed(path) == 0
    assert commits.ranges(path, 0) == []
    assert not commits.holds(path, 0, 0)


@pytest.mark.parametrize(
    ("first", "last", "held"), [(0, 5, True), (5, 9, True), (12, 20, True), (5, 8, False), (9, 12, False)]
)
def test_holds_knows_exact_ranges(log: Path, first: int, last: int, held: bool) -> None:
    assert commits.holds(log, first, last) is held


@pytest.mark.parametrize("torn", [1, 23])
def test_torn_last_entry_counts_as_not_written_and_is_written_over(log: Path, torn: int) -> None:
    with log.open("ab") as file:
        file.write(b"\x14" * torn)
    assert commits.committed(log) == 20
    commits.append(log, 20, 30)
    assert commits.ranges(log, 0) == [(0, 5), (5, 9), (12, 20), (20, 30)]
    assert log.stat().st_size == 4 * 24


def test_last_entry_that_fails_its_checksum_counts_as_not_written(log: Path) -> None:
    data = bytearray(log.read_bytes())
    data[-9] ^= 1
    log.write_bytes(data)
    assert commits.committed(log) == 9
    commits.append(log, 9, 10)
    assert commits.ranges(log, 6) == [(9, 10)]


def test_spoilt_entry_in_the_middle_is_an_error(log: Path) -> None:
    data = bytearray(log.read_bytes())
    data[24] ^= 1
    log.write_bytes(data)
    assert commits.committed(log) == 20
    with pytest.raises(StoreCorrupt, match=r"entry 1 of 3.*rebuild"):
        commits.ranges(log, 0)
