"""Workers: kept while they are sound, replaced when they are not, gone when nobody needs them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.api.house import served, settings_of

from barograph.api.problems import Problem
from barograph.api.sandbox import folders
from barograph.api.sandbox.asked import Question, Where
from barograph.api.sandbox.office import Office, Worker
from barograph.api.sandbox.worker import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ENDLESS = "SELECT sum(a.range + b.range) FROM range(1000000) a, range(1000000) b, range(1000000) c"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """Every worker that was started."""
    found: list[Worker] = []
    usual = Worker.start

    async def noted(kind: str) -> Worker:
        worker = await usual(kind)
        found.append(worker)
        return worker

    monkeypatch.setattr(Worker, "start", noted)
    return found


def question(data: Path, sql: str, seconds: float = 60.0) -> Question:
    return Question(Where(str(data)), sql, (), "csv", seconds, 1_000, 1 << 20, 128)


@asynccontextmanager
async def opened(workers: int = 1, idle_s: float = 60.0, quick_s: float = 60.0) -> AsyncIterator[Office]:
    office = Office(workers, idle_s=idle_s, quick_s=quick_s)
    try:
        yield office
    finally:
        await office.close()


async def answered(office: Office, asked: Question) -> bytes:
    async with office.answered(asked, "me") as reply:
        return b"".join([piece async for piece in reply.pieces()])


async def until_dead(worker: Worker) -> None:
    while worker.lives:
        await asyncio.sleep(0.001)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_sound_worker_is_asked_again(tmp_path: Path, started: list[Worker]) -> None:
    async def work() -> None:
        async with opened(workers=2) as office:
            for number in range(3):
                asked = question(tmp_path, f"SELECT {number} AS n")
                assert await answered(office, asked) == b"n\n%d\n" % number
            with pytest.raises(Problem):
                await answered(office, question(tmp_path, "SELECT nothing"))
            assert await answered(office, question(tmp_path, "SELECT 4 AS n")) == b"n\n4\n"

    run(work())
    assert len(started) == 1
    assert not started[0].lives


def test_a_worker_that_stepped_back_behind_others_is_replaced(tmp_path: Path, started: list[Worker]) -> None:
    """What it gave away it cannot take back."""

    async def work() -> None:
        async with opened(quick_s=0.0) as office:
            for _ in range(2):
                assert await answered(office, question(tmp_path, "SELECT 1 AS n")) == b"n\n1\n"

    run(work())
    assert len(started) == 2


def test_a_worker_that_is_killed_is_replaced_busy_or_idle(tmp_path: Path, started: list[Worker]) -> None:
    """As the system kills when memory runs out."""

    async def work() -> None:
        async with opened() as office:
            await answered(office, question(tmp_path, "SELECT 1"))
            asking = asyncio.ensure_future(answered(office, question(tmp_path, ENDLESS)))
            while started[0].sound:
                await asyncio.sleep(0)
            os.kill(started[0].pid, signal.SIGKILL)
            with pytest.raises(Problem) as told:
                await asking
            assert told.value.status == 413
            assert await answered(office, question(tmp_path, "SELECT 2 AS n")) == b"n\n2\n"
            os.kill(started[1].pid, signal.SIGKILL)
            await until_dead(started[1])
            assert await answered(office, question(tmp_path, "SELECT 3 AS n")) == b"n\n3\n"

    run(work())
    assert len(started) == 3


def test_who_is_cancelled_ends_the_query(tmp_path: Path, started: list[Worker]) -> None:
    async def work() -> None:
        async with opened() as office:
            asking = asyncio.ensure_future(answered(office, question(tmp_path, ENDLESS)))
            while not started or started[0].sound:
                await asyncio.sleep(0.001)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until_dead(started[0])

    run(work())


def test_an_idle_worker_does_not_stay_for_ever(tmp_path: Path, started: list[Worker]) -> None:
    async def work() -> None:
        async with opened(idle_s=0.01) as office:
            await answered(office, question(tmp_path, "SELECT 1"))
            await until_dead(started[0])

    run(work())


def test_a_process_that_does_not_start_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def work() -> None:
        async with opened() as office:
            for command in (("/nowhere/python",), (sys.executable, "-c", "pass")):
                monkeypatch.setattr("barograph.api.sandbox.office._COMMAND", command)
                with pytest.raises(Problem) as told:
                    await answered(office, question(tmp_path, "SELECT 1"))
                assert told.value.status == 503

    run(work())
    assert not list(tmp_path.iterdir())


def test_a_temporary_directory_that_takes_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    async def work() -> None:
        async with opened() as office:
            with pytest.raises(Problem) as told:
                await answered(office, question(tmp_path, "SELECT 1"))
            assert told.value.status == 503

    run(work())


def test_what_a_killed_server_has_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f"barograph-query-{gone.pid}-abc"
    ours = Path(folders.made())
    others = [tmp_path / name for name in ("barograph-query-abc", f"barograph-{gone.pid}-abc", "x")]
    for each in (left, *others):
        each.mkdir()
        (each / "file").write_text("x")
    file, link = (tmp_path / f"barograph-query-{gone.pid}-{name}" for name in ("file", "link"))
    file.write_text("x")
    link.symlink_to(others[0])
    assert folders.tidy() == 1
    assert sorted(tmp_path.iterdir()) == sorted([ours, *others, file, link])
    assert (others[0] / "file").exists()
    assert folders.tidy() == 0


def test_a_server_tidies_when_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f"barograph-query-{gone.pid}-abc"
    left.mkdir()
    with served(settings_of(tmp_path / "data")):
        assert not left.exists()


def test_a_worker_ends_when_nobody_is_left_to_ask_it(tmp_path: Path) -> None:
    """Whatever it computes: its parent may have been killed."""

    async def work() -> None:
        worker = await Worker.start()
        await worker.ask(question(tmp_path, ENDLESS))
        process = worker._process
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
        await worker.stop()

    run(work())


def test_a_worker_knows_no_secrets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from barograph.api.sandbox.office import _environment

    monkeypatch.setenv("POLYGON_API_KEY", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:secret@there/x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in str(_environment())
    assert main.__module__ == "barograph.api.sandbox.worker"
