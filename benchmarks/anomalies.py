"""Rules and a trained model against what was put into simulated markets on purpose.

One market is simulated and trained on, others of other seeds are scored: what counts is found where
nothing was learned. Rows of rules count for the kind that they name; "any rule" and the model have
no kind, so a row of theirs is true within any label of its symbol. A minute stands at its start: rows
lie within a minute of their label. Then what scoring costs::

    python -m benchmarks.anomalies [--days 4] [--tests 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from barograph.anomalies import KINDS, Found, Label, score
from barograph.anomalies.models import Parameters, Rows, Wanted, read_rows
from barograph.anomalies.models.model import Model
from barograph.anomalies.models.training import DEFAULTS, fitted
from barograph.clock import DAY_US, MINUTE_US, NS_PER_US, ManualClock, to_us
from barograph.recorder import replay
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.store import Lake, Scan
from barograph.tape import TapeWriter

START_US = 1_723_075_200_000_000
TRAINED_SEED = 101
TESTED_SEEDS = (202, 303, 404, 505)
SHARES = (0.002, 0.005, 0.01)
SAMPLES = (256, 1_024, 4_096)


class Simulated(NamedTuple):
    """A market that went down the line: its minutes, what was put in, and what the rules found."""

    rows: Rows
    labels: list[Label]
    found: list[Found]


def simulated(data: Path, seed: int, days: int) -> Simulated:
    """Simulate, record and replay; the tables go with ``data``."""
    market = Market(seed, start_us=START_US + seed * DAY_US, minutes=days * 1440)
    with TapeWriter(data / "tape", clock=ManualClock(market.start_us * NS_PER_US)) as tape:
        for batch in frames(market):
            tape.append_many([Stream("sim", f"sim-{seed}")], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
    replay(data)
    lake = Lake(data / "lake")
    stored = [
        Found(row["kind"], row["symbol"], to_us(row["ts"]))
        for batch in lake.scan(Scan("anomalies", columns=["kind", "symbol", "ts"]))
        for row in batch.to_pylist()
    ]
    labels = [Label(each.kind, each.symbol, each.start_us, each.end_us) for each in market.labels()]
    return Simulated(read_rows(lake, Wanted()), labels, stored)


def of_model(rows: Rows, model: Model) -> list[Found]:
    """What the model finds in ``rows``."""
    hits = np.flatnonzero(model.scores(rows.features) >= model.threshold).tolist()
    return [Found("any", rows.symbol[k], int(rows.ts_us[k])) for k in hits]


def without_kinds(found: Iterable[Found]) -> list[Found]:
    """Each minute of a symbol once, whatever was found in it."""
    return list(dict.fromkeys(row._replace(kind="any") for row in found))


class Tally:
    """Counts over several markets: labels and those found, rows and those that are true."""

    def __init__(self) -> None:
        self.labels = self.labels_found = self.rows = self.rows_true = 0

    def add(self, found: list[Found], labels: list[Label]) -> None:
        total = score(found, labels, MINUTE_US).total
        self.labels += total.labels
        self.labels_found += total.labels_found
        self.rows += total.rows
        self.rows_true += total.rows_true

    def figures(self) -> dict[str, float]:
        return {
            "labels": self.labels,
            "recall": round(self.labels_found / max(self.labels, 1), 3),
            "rows": self.rows,
            "precision": round(self.rows_true / max(self.rows, 1), 3),
        }


def beside(markets: list[Simulated], model: Model) -> dict[str, Any]:
    """Recall by kind and precision over all, of the rules and of the model."""
    told: dict[str, Any] = {}
    for kind in KINDS:
        own, model_of_kind = Tally(), Tally()
        for market in markets:
            labels = [each for each in market.labels if each.kind == kind]
            own.add([row for row in market.found if row.kind == kind], labels)
            model_of_kind.add(of_model(market.rows, model), any_kind(labels))
        told[kind] = {"rule": own.figures(), "model_recall": model_of_kind.figures()["recall"]}
    rules, models = Tally(), Tally()
    for market in markets:
        rules.add(without_kinds(market.found), any_kind(market.labels))
        models.add(of_model(market.rows, model), any_kind(market.labels))
    return told | {"any rule": rules.figures(), "model": models.figures()}


def any_kind(labels: list[Label]) -> list[Label]:
    """Labels that a row of no kind can hit."""
    return [label._replace(kind="any") for label in labels]


def cost(model: Model, rows: Rows) -> dict[str, float]:
    """Microseconds a row, scored one at a time as live, and all at once as in a replay; best of five."""
    one, every = rows.features[:1], rows.features
    model.scores(one)
    alone, together = [], []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(1_000):
            model.scores(one)
        alone.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        model.scores(every)
        together.append((time.perf_counter() - begun) / len(every) * 1e6)
    return {"alone_us": round(min(alone), 1), "together_us": round(min(together), 1)}


def measured(days: int, tests: int) -> dict[str, Any]:
    """Everything that docs/models.md tells."""
    with tempfile.TemporaryDirectory(prefix="barograph-anomalies-") as folder:
        trained = simulated(Path(folder) / "train", TRAINED_SEED, days)
        markets = [simulated(Path(folder) / str(seed), seed, days) for seed in TESTED_SEEDS[:tests]]
    tried = []
    for samples in SAMPLES:
        for share in SHARES:
            begun = time.perf_counter()
            model, _ = fitted(trained.rows, Parameters(DEFAULTS.trees, samples, share, DEFAULTS.seed))
            took = time.perf_counter() - begun
            figures = beside(markets, model)["model"]
            tried.append({"samples": samples, "share": share, "seconds": round(took, 2)} | figures)
    model, _ = fitted(trained.rows, DEFAULTS)
    nodes = len(model.forest.feature)
    return {
        "days": days,
        "trained_rows": len(trained.rows),
        "tested": list(TESTED_SEEDS[:tests]),
        "beside": beside(markets, model),
        "tried": tried,
        "cost": cost(model, trained.rows) | {"nodes": nodes},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Rules and a model against simulated anomalies.")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--tests", type=int, default=3, choices=range(1, len(TESTED_SEEDS) + 1))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = measured(asked.days, asked.tests)
    sys.stdout.write(json.dumps(told, indent=None if asked.json else 1) + "\n")


if __name__ == "__main__":
    main()
