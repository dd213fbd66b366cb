"""Many batches at once: over days and symbols, on this machine or on a cluster.

A worker holds one batch at a time, so that a source may be far larger than memory. A batch that
fails is named and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from barograph.errors import BarographError
from barograph.etl.batches import Batch
from barograph.etl.processing import Job, Outcome, made_before, process
from barograph.executors import each, executor, processors

Progress = Callable[[int, int], None]
"""Called with the batches that are done and all of them."""


def run(
    job: Job,
    batches: Sequence[Batch],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """What became of every batch, in their order.

    Args:
        workers, cluster: see ``executors.executor``.

    Raises:
        UsageError, NoAnswer: of the executor; what a batch raises is in its outcome.
    """
    # Looking costs little: no worker is started for what stands already.
    found = {batch: standing for batch in batches if (standing := _standing(job, batch)) is not None}
    rest = [batch for batch in batches if batch not in found]
    if cluster is None and rest:
        workers = min(processors() if workers is None else workers, len(rest))
    with executor(workers, cluster) as pool:
        for batch, future in each(pool, partial(process, job), rest):
            try:
                found[batch] = future.result()
            except Exception as error:  # noqa: BLE001 - it is told with the batch's name; the others go on
                found[batch] = Outcome(batch.id, "failed", error=f"{type(error).__name__}: {error}")
            if progress is not None:
                progress(len(found), len(batches))
    return [found[batch] for batch in batches]


def _standing(job: Job, batch: Batch) -> Outcome | None:
    try:
        return made_before(job, batch)
    except BarographError:
        return None  # it comes up again when the batch is processed, and is told there
