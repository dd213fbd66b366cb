"""Checkpoints beside the work: counted when they are on the disk, one after the other."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from barograph.errors import StorageFull
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.saving import Saving


class SlowDisk(Checkpoints):
    """Takes a state only when it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.asked, self.may = threading.Event(), threading.Event()

    def save(self, state: bytes) -> None:
        self.asked.set()
        assert self.may.wait(10.0)
        super().save(state)


class FullDisk(Checkpoints):
    """Takes the first state and no other."""

    def save(self, state: bytes) -> None:
        if self.path.exists():
            raise StorageFull("no room")
        super().save(state)


def test_given_a_slow_disk_the_work_goes_on_and_the_state_counts_when_it_is_there(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path)
    saving = Saving()
    saving.begin(partial(disk.save, b"at 7"), 7)
    assert disk.asked.wait(10.0)
    assert saving.busy
    assert saving.saved_pos == 0
    assert disk.load() is None
    disk.may.set()
    saving.wait()
    assert (saving.busy, saving.saved_pos, disk.load()) == (False, 7, b"at 7")


def test_given_several_states_the_newest_is_on_the_disk_in_the_end(tmp_path: Path) -> None:
    disk = Checkpoints(tmp_path)
    saving = Saving()
    for pos in range(1, 21):
        saving.begin(partial(disk.save, b"at %d" % pos), pos)
    saving.wait()
    assert (saving.saved_pos, disk.load()) == (20, b"at 20")


def test_given_a_full_disk_the_older_state_stays_and_the_user_is_told(tmp_path: Path, capsys) -> None:
    disk, saving = FullDisk(tmp_path), Saving()
    saving.begin(partial(disk.save, b"at 1"), 1)
    saving.begin(partial(disk.save, b"at 2"), 2)
    saving.wait()
    assert saving.problem == "no room"
    assert (saving.saved_pos, Checkpoints(tmp_path).load()) == (1, b"at 1")
    said = capsys.readouterr()
    assert "could not be saved" in said.out + said.err
