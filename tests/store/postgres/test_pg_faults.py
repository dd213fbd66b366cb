"""Servers that crash, connections that are cut, disks that fill: nothing twice, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest
from tests.conftest import skip_or_fail
from tests.servers.postgres import Server, server

from barograph.errors import StorageBusy, StorageError, StorageFull
from barograph.store import Lake, Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.store.store import Reader

from ..contract import content
from .loads import RECORDS, commit_until_it_works, step
from .making_tables import run, with_tables

MANY = 4_000
"""Records in a commit where a disk is to be filled."""
KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = %s AND backend_type = 'client backend'"
)


def assert_whole(store: Reader, commits: int, folder: Path, records: int = RECORDS) -> None:
    """It holds what the same load without any trouble leaves in a lake."""
    with closing(Lake(folder / "lake")) as lake:
        for number in range(commits):
            lake.commit(step(number, records))
        assert content(store) == content(lake)
        assert store.commits(0) == lake.commits(0)


def hold(store: PostgresStore) -> int:
    with store.snapshot() as held:
        return held.committed()


def beyond(store: PostgresStore) -> int:
    """Rows of commits that did not take place; there may be none."""
    return read(store, Scan("ticks", columns=["tape_pos"], from_pos=store.committed())).num_rows


def test_backends_terminated_at_fifty_random_moments(
    postgres_server: Server, emptied: Address, tmp_path: Path
) -> None:
    random, refused = Random(1), 0
    store = PostgresStore(emptied)
    admin = psycopg.connect(**postgres_server.address().conninfo(), autocommit=True)

    def kill() -> None:
        admin.execute(KILL, [emptied.parameters["dbname"]])

    for number in range(50):
        killer = threading.Timer(random.uniform(0, 0.03), kill)
        killer.start()
        refused += commit_until_it_works(store, step(number))
        killer.join()
        assert beyond(store) == 0
    admin.close()
    assert refused > 0
    assert_whole(store, 50, tmp_path)
    store.close()


@contextmanager
def loading(store: PostgresStore, commits: int) -> Iterator[threading.Semaphore]:
    """Load in a thread; the semaphore is released once a commit."""
    done = threading.Semaphore(0)

    def load() -> None:
        for number in range(commits):
            commit_until_it_works(store, step(number), most=10_000_000)
            done.release()

    thread = threading.Thread(target=load)
    thread.start()
    yield done
    thread.join(60)
    assert not thread.is_alive()


def test_a_server_that_crashes_in_the_midst_of_a_load_and_comes_back(tmp_path: Path) -> None:
    with server() as mine:
        store = PostgresStore(with_tables(mine.create()))
        with loading(store, 40) as done:
            for _ in range(3):
                for _ in range(10):
                    assert done.acquire(timeout=60)
                mine.stop("immediate")
                mine.start()
        assert_whole(store, 40, tmp_path)
        store.close()


def test_while_the_server_is_away_every_call_says_so_and_afterwards_works(tmp_path: Path) -> None:
    with server() as mine:
        store = PostgresStore(with_tables(mine.create()))
        store.commit(step(0))
        rows = iter(store.scan(Scan("ticks")))
        mine.stop("fast")
        calls = (
            lambda: store.commit(step(1)),
            store.committed,
            store.lineage,
            lambda: store.commits(0),
            lambda: read(store, Scan("ticks")),
            lambda: store.absorb("ticks", step(1).tables["ticks"].to_batches()),
            store.clear,
            store.symbols,
            lambda: hold(store),
            lambda: list(rows),
        )
        for call in (*calls, *calls[:5]):
            with pytest.raises(StorageError) as told:
                call()
            assert "correct horse" not in str(told.value)
        mine.start()
        store.commit(step(1))
        assert_whole(store, 2, tmp_path)
        store.close()


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_twice(emptied: Address, tmp_path: Path) -> None:
    """The server commits and the connection breaks before it can say so."""
    store = PostgresStore(emptied)
    store.commit(step(0))
    run(emptied, "CREATE TABLE IF NOT EXISTS fuse (lit bool)")
    run(
        emptied,
        """CREATE OR REPLACE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$""",
    )
    # Deferred to the very end: the backend ends itself during COMMIT, so nobody hears how it went.
    run(
        emptied,
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON barograph_commits DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION cut()",
    )
    try:
        with pytest.raises(StorageError):
            store.commit(step(1))
    finally:
        run(emptied, "DROP TRIGGER cut ON barograph_commits")
    # As if it had gone well: another session of ours has made the same commit.
    other = PostgresStore(emptied)
    other.commit(step(1))
    other.close()
    store.commit(step(1))
    store.commit(step(2))
    assert_whole(store, 3, tmp_path)
    store.close()


def test_rows_and_the_position_they_were_made_from_are_there_together_or_not_at_all(emptied: Address) -> None:
    store = PostgresStore(emptied)
    store.commit(step(0))
    before = content(store)
    run(emptied, "ALTER TABLE barograph_commits ADD CONSTRAINT early CHECK (next_pos < 50)")
    try:
        for _ in range(2):
            with pytest.raises(StorageError, match="early"):
                store.commit(step(1))
            assert content(store) == before
    finally:
        run(emptied, "ALTER TABLE barograph_commits DROP CONSTRAINT early")
    store.commit(step(1))
    assert store.commits(0) == [(0, RECORDS), (RECORDS, 2 * RECORDS)]
    store.close()


def test_one_writes_at_a_time_and_the_other_is_told(emptied: Address) -> None:
    one, other = PostgresStore(emptied), PostgresStore(emptied)
    one.commit(step(0))
    for call in (lambda: other.commit(step(1)), other.clear, lambda: other.take_over("x", [])):
        with pytest.raises(StorageBusy, match="namespace public"):
            call()
    assert read(other, Scan("ticks")).num_rows == RECORDS + 2
    one.close()
    other.commit(step(1))
    with pytest.raises(StorageBusy):
        one.commit(step(2))
    other.close()
    one.commit(step(1))
    one.commit(step(2))
    assert one.committed() == 3 * RECORDS
    one.close()


def test_a_writer_whose_connection_was_cut_does_not_write_beside_the_next_one(
    postgres_server: Server, emptied: Address, tmp_path: Path
) -> None:
    one, other = PostgresStore(emptied), PostgresStore(emptied)
    one.commit(step(0))
    run(postgres_server.address(), KILL, emptied.parameters["dbname"])
    commit_until_it_works(other, step(1))
    for _ in range(3):
        with pytest.raises(StorageError):
            one.commit(step(1))
    other.commit(step(2))
    one.close()
    assert_whole(other, 3, tmp_path)
    other.close()


def commit_until_full(store: PostgresStore) -> int:
    """Commit until there is no space; the number of the commit that was refused."""
    for number in range(10_000):
        try:
            store.commit(step(number, MANY))
        except StorageFull:
            return number
    raise AssertionError("it was never full")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 12 MB that the server may write to."""
    if sys.platform == "win32":
        skip_or_fail("there is no tmpfs")
    disk = Path(tempfile.mkdtemp(prefix="barograph-disk-"))  # the server is another user, and must get there
    disk.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        skip_or_fail(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    (disk / "tables").mkdir()
    os.chown(disk / "tables", 65534, 65534)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
    shutil.rmtree(disk)


def test_a_full_disk_on_the_server_refuses_commits_whole_until_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    with server() as mine:
        address = mine.create()
        run(address, f"CREATE TABLESPACE small LOCATION '{small_disk / 'tables'}'")
        run(mine.address(), f"ALTER DATABASE {address.parameters['dbname']} SET default_tablespace = small")
        store = PostgresStore(with_tables(address))
        number = commit_until_full(store)
        assert store.committed() == number * MANY
        assert beyond(store) == 0
        for _ in range(3):
            with pytest.raises(StorageFull, match="space"):
                store.commit(step(number, MANY))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        store.commit(step(number, MANY))
        store.commit(step(number + 1, MANY))
        assert_whole(store, number + 2, tmp_path, MANY)
        store.close()
