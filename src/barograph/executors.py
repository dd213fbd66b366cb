"""Where work fans out: this process, processes of this machine, or a Dask cluster.

Whoever has many independent pieces of work asks for an :func:`executor` and hands them to
:func:`each`. Pieces are functions of a module with values that can be pickled, since they may run in
another process or on another machine.

A worker that dies (killed, out of memory, crashed) takes only its own piece with it: the piece is
tried once more in a new worker, and then told as :class:`WorkerDied`; all others go on.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from barograph.errors import DataError, NoAnswer, UsageError

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

TRIES = 2
"""How often a piece whose worker dies is tried."""

_AHEAD = 256
_PATIENCE_S = 10
_ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class WorkerDied(DataError):
    """The process that did a piece of work died each time it was tried."""


@contextmanager
def executor(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor]:
    """Something that runs functions, until the block ends; work not begun by then is cancelled.

    Args:
        workers: processes of this machine; None as many as it has processors, 1 none: in this process.
        cluster: address of a Dask scheduler, such as ``tcp://host:8786``. Its workers need the same
            versions of Barograph and Python, and the same paths to the data.

    Raises:
        UsageError: fewer than 1 worker, both ways at once, or Dask is not installed.
        NoAnswer: nothing answers at that address.

    >>> with executor(workers=1) as pool:
    ...     pool.submit(max, 2, 3).result()
    3
    """
    if cluster is not None and workers is not None:
        raise UsageError("say either how many workers on this machine or which cluster, not both")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work; 1 works in this process, 2 or more beside it")
    chosen: Executor
    if cluster is not None:
        chosen = _Cluster(cluster)
    else:
        count = processors() if workers is None else workers
        chosen = _Inline() if count == 1 else _Processes(count)
    try:
        yield chosen
    finally:
        chosen.shutdown(wait=True, cancel_futures=True)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(pool: Executor, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, Future[R]]]:
    """Every item with what ``function`` made of it, as they are done; order is not promised.

    Items are taken as they are needed: there may be any number of them. ``future.result()``
    gives the value or raises what happened.
    """
    waiting: dict[Future[R], T] = {}
    ahead = 1 if isinstance(pool, _Inline) else _AHEAD
    for item in items:
        waiting[pool.submit(function, item)] = item
        if len(waiting) >= ahead:
            yield from _done(waiting)
    while waiting:
        yield from _done(waiting)


def _done(waiting: dict[Future[R], T]) -> Iterator[tuple[T, Future[R]]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future


class _Inline(Executor):
    """Runs what is submitted at once, here."""

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
        return future


class _Processes(Executor):
    """Processes, each in a pool of its own: when one dies, it is clear which piece did it."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, "worker")
        self._free: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(count):
            self._free.put(_one_process())

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        return self._threads.submit(self._run, function, args, kwargs)

    def _run(self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        process = self._free.get()
        try:
            for _ in range(TRIES):
                try:
                    return process.submit(function, *args, **kwargs).result()
                except BrokenProcessPool:
                    process.shutdown()
                    process = _one_process()
        finally:
            self._free.put(process)
        raise WorkerDied(
            f"its worker process died {TRIES} times (killed, out of memory, or crashed); "
            "try it with fewer workers, or alone with 1 worker to see why"
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        while not self._free.empty():
            self._free.get().shutdown(wait)


def _one_process() -> ProcessPoolExecutor:
    """A process is not started before its first piece of work."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _one_thread)


def _one_thread() -> None:
    """Keep libraries in a worker from starting a thread for every processor: the workers are these."""
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")


class _Cluster(Executor):
    """A Dask cluster, which itself tries the pieces of a dead worker again elsewhere."""

    def __init__(self, address: str) -> None:
        self._client = _connected(address)
        self._pool: Executor = self._client.get_executor(pure=False)  # type: ignore[no-untyped-call]

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        made: Future[R] = Future()
        made.set_running_or_notify_cancel()
        self._pool.submit(function, *args, **kwargs).add_done_callback(lambda done: _pass_on(done, made))
        return made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait and not cancel_futures)
        self._client.close()  # type: ignore[no-untyped-call]


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "a cluster needs Dask, which is not installed: pip install 'barograph[cluster]'"
        ) from error
    try:
        return Client(address, timeout=_PATIENCE_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler ({error}); write tcp://host:8786"
        ) from error
    except OSError as error:
        raise NoAnswer(
            f"no Dask scheduler answers at {address} ({error}); start one there with `dask scheduler`, "
            "and workers with `dask worker`"
        ) from error


def _pass_on(done: Future[R], made: Future[R]) -> None:
    from distributed.scheduler import KilledWorker

    if done.cancelled():
        made.set_exception(WorkerDied("it was cancelled on the cluster before it was done; run it again"))
        return
    error = done.exception()
    if isinstance(error, KilledWorker):
        made.set_exception(WorkerDied(f"its workers on the cluster died: {error}"))
    elif error is not None:
        made.set_exception(error)
    else:
        made.set_result(done.result())
