import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from barograph import disk
from barograph.disk import Lock, put_bytes, read_json, storage_error
from barograph.errors import StorageBusy, StorageError, StorageFull

HOLDER = """
import sys
from pathlib import Path
from barograph.disk import Lock
with Lock(Path(sys.argv[1]), "a test runs"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_given_another_process_holds_it_raises_busy_with_its_number(tmp_path: Path):
    path = tmp_path / "state" / "line.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageBusy, match=f"the tables are written by process {holder.pid};"):
            Lock(path, "the tables are written").acquire()
        holder.kill()
    with Lock(path, "the tables are written"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == ""


def test_a_lock_can_be_taken_again_after_it_was_let_go(tmp_path: Path):
    first, second = Lock(tmp_path / "a", "held"), Lock(tmp_path / "a", "held")
    first.acquire()
    first.acquire()
    with pytest.raises(StorageBusy, match=str(os.getpid())):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_is_waited_for_as_long_as_was_said(tmp_path: Path):
    first, second = Lock(tmp_path / "a", "held"), Lock(tmp_path / "a", "held")
    first.acquire()
    with pytest.raises(StorageBusy):
        second.acquire(wait_s=0.05)
    letting_go = threading.Timer(0.05, first.release)
    letting_go.start()
    second.acquire(wait_s=30.0)
    letting_go.join()
    second.release()


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EFBIG, StorageFull), (errno.EIO, StorageError)]
)
def test_storage_error_tells_a_full_disk_from_a_broken_one(number: int, kind: type[StorageError]):
    made = storage_error(OSError(number, os.strerror(number)), "writing x")
    assert type(made) is kind
    assert str(made).startswith("writing x: ")


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path: Path):
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(StorageError, match=r"making the lock .*line\.lock"):
        Lock(tmp_path / "state" / "line.lock", "held").acquire()


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("durable", [True, False])
def test_a_small_file_is_put_in_the_place_of_the_one_before(tmp_path: Path, alone: bool, durable: bool):
    path = tmp_path / "state" / "a.json"
    for content in (b"a longer one", b"short"):
        put_bytes(path, content, "keeping it", alone=alone, durable=durable)
        assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_small_file_that_the_disk_refuses_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "sync_data", full)
    with pytest.raises(StorageFull, match="keeping it: no space left"):
        put_bytes(path, b"new", "keeping it", durable=True, alone=alone)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.json", b"old")]


def test_what_a_kill_left_of_a_file_with_one_writer_goes_with_the_next_writing(tmp_path: Path):
    (tmp_path / "a.json.tmp").write_bytes(b"half")
    put_bytes(tmp_path / "a.json", b"whole", "keeping it", alone=True)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize(("mode", "given"), [(None, 0o640), (0o600, 0o600), (0o644, 0o644)])
def test_the_permissions_of_a_small_file_are_those_that_were_asked_for(
    tmp_path: Path, mode: int | None, given: int
):
    before = os.umask(0o027)
    try:
        put_bytes(tmp_path / "a", b"", "keeping it", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == given


def test_json_is_read_as_what_it_was_written_as(tmp_path: Path):
    path = tmp_path / "a.json"
    assert read_json(path, dict[str, int], "reading it") is None
    path.write_bytes(b'{"a": 1}')
    assert read_json(path, dict[str, int], "reading it") == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": "b"}', b'{"\xff": 1}'])
def test_json_that_is_damaged_is_told_apart_from_what_cannot_be_read(tmp_path: Path, content: bytes):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(msgspec.DecodeError):
        read_json(path, dict[str, int], "reading it")
    with pytest.raises(StorageError, match="reading it: "):
        read_json(tmp_path, dict[str, int], "reading it")
