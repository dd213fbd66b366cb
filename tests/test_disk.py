import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from barograph.disk import Lock, storage_error
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
