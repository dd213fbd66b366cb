"""Where work fans out: inline, in processes (clusters: tests/etl), and workers that die."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from barograph.errors import NoAnswer, UsageError
from barograph.executors import WorkerDied, each, executor, processors


def results(pool: Executor, function: Any, items: Any) -> dict[Any, Any]:
    return {item: future.result() for item, future in each(pool, function, items)}


def test_given_one_worker_it_runs_in_this_process() -> None:
    with executor(workers=1) as pool:
        assert pool.submit(os.getpid).result() == os.getpid()
        assert results(pool, abs, [-1, 2, -3]) == {-1: 1, 2: 2, -3: 3}


def test_given_one_worker_items_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    with executor(workers=1) as pool:
        done = each(pool, abs, items())
        next(done)
        assert taken == [0]


def test_given_two_workers_they_are_other_processes() -> None:
    with executor(workers=2) as pool:
        assert os.getpid() not in {pool.submit(os.getpid).result() for _ in range(2)}
        assert results(pool, abs, range(-600, 0)) == {number: -number for number in range(-600, 0)}
        # The libraries in a worker do not start threads for processors that other workers use.
        assert pool.submit(os.getenv, "POLARS_MAX_THREADS").result() == "1"


def test_given_an_error_it_is_raised_where_the_result_is_asked_for() -> None:
    for workers in (1, 2):
        with executor(workers=workers) as pool:
            failed = pool.submit(int, "x")
            assert pool.submit(int, "7").result() == 7
            with pytest.raises(ValueError, match="invalid literal"):
                failed.result()


def test_given_a_worker_that_dies_its_piece_is_told_and_the_others_are_done() -> None:
    with executor(workers=2) as pool:
        died = pool.submit(os._exit, 9)
        alive = [pool.submit(abs, -number) for number in range(20)]
        with pytest.raises(WorkerDied, match="died 2 times"):
            died.result()
        assert [future.result() for future in alive] == list(range(20))


def test_given_a_worker_that_dies_once_its_piece_is_tried_again(tmp_path: Path) -> None:
    script = tmp_path / "fragile.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "def fragile(mark):\n"
        "    if not Path(mark).exists():\n"
        "        Path(mark).touch()\n"
        "        os._exit(1)\n"
        "    return 'done'\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        from fragile import fragile  # type: ignore[import-not-found]

        with executor(workers=2) as pool:
            assert pool.submit(fragile, str(tmp_path / "mark")).result() == "done"
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["fragile"]


def test_given_an_exception_inside_the_block_what_was_not_begun_is_cancelled() -> None:
    waiting: list[Future[int]] = []

    def interrupted() -> None:
        with executor(workers=2) as pool:
            waiting.extend(pool.submit(abs, number) for number in range(2_000))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert all(future.done() for future in waiting)
    assert any(future.cancelled() for future in waiting)


@pytest.mark.parametrize("given", [{"workers": 0}, {"workers": 2, "cluster": "tcp://127.0.0.1:1"}])
def test_given_what_cannot_be_the_executor_refuses(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError), executor(**given):
        pass


def test_given_no_scheduler_the_message_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barograph.executors._PATIENCE_S", 0.2)
    with pytest.raises(NoAnswer, match="dask scheduler"), executor(cluster="tcp://127.0.0.1:9"):
        pass


def test_given_no_dask_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"barograph\[cluster\]"), executor(cluster="tcp://127.0.0.1:9"):
        pass


def test_processors_are_those_that_this_process_may_use() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with executor(workers=2) as pool:
        pool.submit(abs, 1).result()
    assert threading.active_count() == before
