"""Workers: as many as there may be, each a process that is ended when a query does not end by itself.

A thread cannot be ended, and DuckDB's interrupt is only heard at some places; a process can. What one
query breaks, the others do not feel.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from barograph.api.problems import Problem
from barograph.api.sandbox import bounds, folders
from barograph.api.sandbox.asked import (
    ANSWER,
    DATA,
    DATABASE,
    END,
    HEADER,
    LAKE,
    PROBLEM,
    QUESTION,
    READY,
    Answer,
    Question,
    Refusal,
    next_frame,
)
from barograph.api.sandbox.database import OPTIONS, WATCH
from barograph.api.sandbox.turns import Turns
from barograph.log import get_logger

log = get_logger()

WORKERS = 4
"""Queries at once."""
WAITING = 64
PATIENCE_S = 60.0
_STARTING_S = 60.0
_QUICK_S = 0.5
_GRACE_S = 1.0
_IDLE_S = 60.0
_BUFFER = 1 << 20
# Of another group: what is typed to end the server is not for them; it ends them itself.
_APART: dict[str, Any] = {} if sys.platform == "win32" else {"process_group": 0}
_COMMAND = (sys.executable, "-P", "-m", "barograph.api.sandbox.worker")
_NO_WORKER = "queries cannot be run at the moment; the server's log has the reason"
_NEEDED = (
    "PATH",
    "PYTHONPATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "SYSTEMROOT",
    "APPDATA",
    "LD_LIBRARY_PATH",
)


class Worker:
    """One process.

    Attributes:
        sound: it has answered whatever it was asked, and can be asked again.
    """

    def __init__(self, process: asyncio.subprocess.Process, folder: str) -> None:
        self._process = process
        self._folder = folder
        self._is_last = False
        self.sound = True

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @classmethod
    async def start(cls, kind: str = LAKE) -> Worker:
        """A worker that is ready.

        Args:
            kind: where the tables are, for which it loads what it needs before any query's time begins.

        Raises:
            Problem: 503, it did not come up.
        """
        # What it leaves behind when it is ended is in one place.
        folder = ""
        try:
            folder = folders.made()
            process = await _process(folder, kind)
        except OSError as error:
            folders.removed(folder)
            log.error("a process for queries did not start", error=str(error))  # noqa: TRY400
            raise Problem(503, _NO_WORKER) from None
        except BaseException:
            folders.removed(folder)
            raise
        made = cls(process, folder)
        try:
            async with asyncio.timeout(_STARTING_S):
                said, _ = await made.next()
            assert said == READY
        except (TimeoutError, asyncio.IncompleteReadError):
            await made.stop()
            log.error("a process for queries did not start; what it said is above", command=_COMMAND)  # noqa: TRY400
            raise Problem(503, _NO_WORKER) from None
        except BaseException:
            await made.stop()
            raise
        return made

    async def ask(self, question: Question) -> None:
        """Send a question."""
        self.sound = False
        body = msgspec.msgpack.encode(question)
        assert self._process.stdin is not None
        self._process.stdin.write(HEADER.pack(QUESTION, len(body)) + body)
        await self._process.stdin.drain()

    async def next(self) -> tuple[bytes, bytes]:
        """The next frame of its answer."""
        assert self._process.stdout is not None
        kind, body = await next_frame(self._process.stdout)
        if kind == END:
            self.sound = not self._is_last
        return kind, body

    def step_back(self) -> None:
        """Let others go first from now on, which cannot be taken back."""
        self._is_last = True
        if sys.platform != "win32":
            with suppress(OSError):
                os.setpriority(os.PRIO_PGRP, self.pid, bounds.LAST)

    def end(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """End it, and see it gone."""
        self.end()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        # The pipe's other end is closed: what is left in it is read to the end.
        if self._process.stdout is not None:
            with suppress(ConnectionError):
                await self._process.stdout.read()
        folders.removed(self._folder)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is known, and its bytes, which are still to come."""

    answer: Answer
    worker: Worker

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, piece by piece.

        Raises:
            asyncio.IncompleteReadError: the process has died.
        """
        while (frame := await self.worker.next())[0] == DATA:
            yield frame[1]


class Office:
    """Has questions answered.

    Args:
        idle_s: a worker that has nothing to do for so long is ended.
        quick_s: a query that computes for longer steps back behind those that have just come.
    """

    def __init__(
        self,
        workers: int = WORKERS,
        waiting: int = WAITING,
        idle_s: float = _IDLE_S,
        quick_s: float = _QUICK_S,
    ) -> None:
        self.turns = Turns(workers, waiting, PATIENCE_S)
        self._quick_s = quick_s
        self._idle: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._idle_s = idle_s
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def answered(self, question: Question, key: str) -> AsyncIterator[Reply]:
        """The answer to a question; left early, the query is ended.

        Args:
            key: who asks.

        Raises:
            Problem: 400 what cannot be asked, 408 it took too long, 413 it needs too much, 503 busy.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.turns.turn(key))
            worker = await self._worker(LAKE if question.where.parameters is None else DATABASE)
            stack.callback(self._give_back, worker)
            yield Reply(await _first(worker, question, self._quick_s), worker)

    async def close(self) -> None:
        """End all workers."""
        for worker, timer in self._idle:
            timer.cancel()
            self._end(worker)
        self._idle.clear()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _worker(self, kind: str) -> Worker:
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            if worker.lives:
                return worker
            self._end(worker)
        return await Worker.start(kind)

    def _give_back(self, worker: Worker) -> None:
        if worker.sound:
            timer = asyncio.get_running_loop().call_later(self._idle_s, self._forget, worker)
            self._idle.append((worker, timer))
        else:
            self._end(worker)

    def _forget(self, worker: Worker) -> None:
        self._idle = [each for each in self._idle if each[0] is not worker]
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        worker.end()
        task = asyncio.get_running_loop().create_task(worker.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _first(worker: Worker, question: Question, quick_s: float) -> Answer:
    """What a worker says first."""
    try:
        await worker.ask(question)
        # A database keeps the time itself, and tells of it.
        grace_s = _GRACE_S if question.where.parameters is not None else 0.0
        stepping = asyncio.ensure_future(_step_back(worker, quick_s))
        try:
            async with asyncio.timeout(question.seconds + grace_s):
                kind, body = await worker.next()
        finally:
            stepping.cancel()
    except TimeoutError:
        raise Problem(
            408,
            f"the query took longer than {question.seconds:g} s and was ended; ask for less, or raise "
            "web.query_seconds",
        ) from None
    except (asyncio.IncompleteReadError, ConnectionError):
        raise Problem(
            413,
            f"the query ended its process: it needs more than the {question.memory_mb} MB of memory that it "
            "may have, or more than the engine can do; ask for less",
        ) from None
    if kind == PROBLEM:
        refusal = msgspec.msgpack.decode(body, type=Refusal)
        await worker.next()
        raise Problem(refusal.status, refusal.detail)
    assert kind == ANSWER
    return msgspec.msgpack.decode(body, type=Answer)


async def _process(folder: str, kind: str) -> asyncio.subprocess.Process:
    """A process that is to become a worker; its temporary files are in ``folder``."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *_COMMAND,
        kind,
        stdin=pipe,
        stdout=pipe,
        env={**_environment(), "TMPDIR": folder},
        limit=_BUFFER,
        **_APART,
    )


async def _step_back(worker: Worker, quick_s: float) -> None:
    """Let a worker step back once it has computed for ``quick_s``: it may also just have waited."""
    begun_s = bounds.cpu_s(worker.pid)
    await asyncio.sleep(quick_s)
    while bounds.cpu_s(worker.pid) - begun_s < quick_s:
        await asyncio.sleep(quick_s)
    worker.step_back()


def _environment() -> dict[str, str]:
    """What a worker needs of ours; no keys, no tokens. (A database's own words it may need.)"""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _NEEDED or name.startswith(("PG", "COVERAGE"))
    }
    return {**kept, OPTIONS: f"{kept.get(OPTIONS, '')} {WATCH}".strip()}
