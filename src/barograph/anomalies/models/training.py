"""From stored minutes to a version that can be promoted."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from barograph.anomalies.models.card import ISOLATION_FOREST, Card, Metrics, Parameters
from barograph.anomalies.models.drifting import bins_of
from barograph.anomalies.models.estimator import dumped, grown, libraries, loaded
from barograph.anomalies.models.features import NAMES, VERSION
from barograph.anomalies.models.forest import plain
from barograph.anomalies.models.model import Model, decoded, encoded
from barograph.anomalies.models.reading import Rows, Wanted, read_rows
from barograph.anomalies.models.registry import ESTIMATOR, MODEL, Reference, Registry
from barograph.clock import from_us
from barograph.errors import DataError, UsageError
from barograph.rows import Floats
from barograph.store.store import Reader

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]

FEWEST_ROWS = 500
"""Less than a day of one symbol says little of what is usual."""

MOST_TREES = 1_000
MOST_SAMPLES = 65_536
CLOSE = 1e-12
"""What a score may differ from scikit-learn's."""

DEFAULTS = Parameters(trees=100, samples=4_096, share=0.005, seed=0)
"""See docs/models.md for what was tried."""


def train(
    store: Reader,
    registry: Registry,
    wanted: Wanted,
    parameters: Parameters = DEFAULTS,
    name: str = ISOLATION_FOREST,
) -> Reference:
    """Train an isolation forest on stored minutes and keep it as a version.

    The same minutes, parameters, seed and libraries give the same version; one that is there
    already stays as it is.

    Raises:
        UsageError: a parameter out of its bounds, a name that is none, or a library not installed.
        DataError: too few minutes.
        StorageFull, StorageError: nothing was kept.
    """
    _check(parameters)
    made_with = libraries()
    rows = read_rows(store, wanted)
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{len(rows):,} minutes are too few to learn from what is usual; {FEWEST_ROWS} are the least: "
            "take a longer time or more symbols"
        )
    model, estimator = fitted(rows, parameters)
    files = {
        MODEL: encoded(model),
        ESTIMATOR: dumped(estimator),
    }
    card = Card(
        name=name,
        kind=ISOLATION_FOREST,
        command=_command(wanted, parameters, name),
        symbols=model.symbols,
        venues=tuple(sorted(set(rows.venue))),
        start_us=wanted.start_us,
        end_us=wanted.end_us,
        first_us=int(rows.ts_us.min()),
        last_us=int(rows.ts_us.max()),
        rows=len(rows),
        data_hash=rows.data_hash,
        features_version=VERSION,
        features={each: bins_of(rows.features[:, k]) for k, each in enumerate(NAMES)},
        parameters=parameters,
        threshold=model.threshold,
        chosen=f"the score that {100 * parameters.share:g} % of the training minutes reach",
        metrics=_metrics(files, rows),
        libraries=made_with,
        files={each: hashlib.sha256(data).hexdigest() for each, data in files.items()},
    )
    return registry.put(card, files)


def fitted(rows: Rows, parameters: Parameters) -> tuple[Model, IsolationForest]:
    """A model grown on ``rows``, and scikit-learn's own form of its forest.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    usual = _usual(rows.features)
    filled = np.where(np.isnan(rows.features), usual, rows.features)
    estimator = grown(filled, parameters)
    forest = plain(estimator)
    threshold = float(np.quantile(forest.scores(filled), 1.0 - parameters.share, method="higher"))
    return Model(NAMES, VERSION, usual, threshold, tuple(sorted(set(rows.symbol))), forest), estimator


def _check(parameters: Parameters) -> None:
    bounds = (("trees", 1, MOST_TREES), ("samples", 2, MOST_SAMPLES), ("seed", 0, 2**32 - 1))
    for name, low, high in bounds:
        value = getattr(parameters, name)
        if not low <= value <= high:
            raise UsageError(f"--{name} is {value}; it must lie between {low} and {high}")
    if not 0.0 < parameters.share <= 0.5:
        raise UsageError(f"--share is {parameters.share}; it must be more than 0 and 0.5 at the most")


def _usual(rows: Floats) -> Floats:
    """The median of each feature over the training rows; 0 of one that no row has."""
    there = ~np.isnan(rows)
    return np.array(
        [np.median(rows[there[:, k], k]) if there[:, k].any() else 0.0 for k in range(rows.shape[1])]
    )


def _metrics(files: dict[str, bytes], rows: Rows) -> Metrics:
    """Read both files back, as those who use them do, and hold them beside each other.

    Raises:
        DataError: they do not agree: a version of scikit-learn that does things otherwise.
    """
    model = decoded(files[MODEL], MODEL)
    scores = model.scores(rows.features)
    filled = np.where(np.isnan(rows.features), model.usual, rows.features)
    unlike = float(np.abs(loaded(files[ESTIMATOR], ESTIMATOR).score_samples(filled) + scores).max())
    if unlike > CLOSE:
        raise DataError(
            f"the plain form of the forest scores otherwise than scikit-learn, by {unlike:.1e} (at most "
            f"{CLOSE:.0e} is allowed); this version of scikit-learn is not supported, and nothing was kept"
        )
    above = float(np.mean(scores >= model.threshold))
    return Metrics(above, float(np.median(scores)), float(scores.max()), unlike)


def _command(wanted: Wanted, parameters: Parameters, name: str) -> str:
    words: list[str] = ["barograph", "anomalies", "train", "--model", ISOLATION_FOREST, "--name", name]
    if wanted.symbols is not None:
        words += ["--symbols", *sorted(wanted.symbols)]
    for flag, us in (("--start", wanted.start_us), ("--end", wanted.end_us)):
        if us is not None:
            words += [flag, from_us(us).isoformat()]
    words += _flags(parameters)
    return shlex.join(words)


def _flags(parameters: Parameters) -> Sequence[str]:
    return [
        word
        for flag in ("trees", "samples", "share", "seed")
        for word in (
            f"--{flag}",
            f"{getattr(parameters, flag):g}" if flag == "share" else str(getattr(parameters, flag)),
        )
    ]
