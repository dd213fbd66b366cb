"""The executor and the ETL on a real Dask cluster: a scheduler and two worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from barograph.etl.processing import batches_of, job_of
from barograph.etl.running import run
from barograph.executors import WorkerDied, each, executor

square = partial(pow, exp=2)


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[str]:
    """Its address."""
    from distributed import LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    try:
        yield cluster.scheduler_address
    finally:
        cluster.close()


def results(pool: Executor, function: Any, items: Any) -> dict[Any, Any]:
    return {item: future.result() for item, future in each(pool, function, items)}


def test_given_a_cluster_of_two_workers_both_may_work(dask_cluster: str) -> None:
    with executor(cluster=dask_cluster) as pool:
        found = results(pool, square, range(50))
        assert found == {number: number * number for number in range(50)}
        assert pool.submit(os.getpid).result() != os.getpid()
        failed = pool.submit(int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result()


def test_given_a_cluster_the_etl_gives_the_same_bytes(
    dask_cluster: str, candle_csv: Path, tmp_path: Path
) -> None:
    made = {}
    for name, how in {"here": {"workers": 1}, "there": {"cluster": dask_cluster}}.items():
        job = job_of(tmp_path, candle_csv, None, ("1h",), tmp_path / name, None)
        outcomes = run(job, batches_of(job, [], None), **how)  # type: ignore[arg-type]
        assert [outcome.state for outcome in outcomes] == ["done"] * 3
        made[name] = {
            file.relative_to(tmp_path / name): file.read_bytes()
            for file in (tmp_path / name).rglob("*")
            if file.is_file() and "staged" not in file.parts
        }
    assert made["here"] == made["there"]


def test_given_a_cluster_and_a_killed_worker_the_others_go_on(dask_cluster: str) -> None:
    """The nanny starts the worker again, and the scheduler gives what it had to others."""
    with executor(cluster=dask_cluster) as pool:
        victim = pool.submit(os.getpid).result()
        os.kill(victim, signal.SIGKILL)
        assert results(pool, square, range(100, 150)) == {n: n * n for n in range(100, 150)}


def test_given_a_piece_that_kills_workers_on_a_cluster_it_is_told(dask_cluster: str) -> None:
    with executor(cluster=dask_cluster) as pool:
        with pytest.raises(WorkerDied, match="cluster"):
            pool.submit(os._exit, 1).result()
        assert pool.submit(abs, -4).result() == 4
