"""The card of a version: everything that one must know to trust it or to make it again."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from barograph.clock import from_us
from barograph.errors import DataError

FORMAT = 1
ISOLATION_FOREST = "isolation-forest"
VERSION_DIGITS = 12


class Parameters(msgspec.Struct, frozen=True):
    """How it was trained.

    Attributes:
        trees: of the forest.
        samples: training rows that each tree is grown on, at the most.
        share: of the training rows that the threshold lets through.
        seed: where everything random comes from.
    """

    trees: int
    samples: int
    share: float
    seed: int


class Bins(msgspec.Struct, frozen=True):
    """A feature in training: ``shares[k]`` of the rows lie up to ``edges[k]``, the last share beyond.

    ``mean`` is of the rows that have the feature (None: none has), ``missing`` the share that has not.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    mean: float | None
    missing: float


class Metrics(msgspec.Struct, frozen=True):
    """What the model does on its own training rows.

    Attributes:
        above: share of scores at or above the threshold.
        median, highest: of the scores.
        unlike_sklearn: the largest difference between a score here and scikit-learn's, over all rows.
    """

    above: float
    median: float
    highest: float
    unlike_sklearn: float


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``card.json``. Its sha256 begins with the version's own name.

    Attributes:
        command: makes the version again, from the same tables.
        start_us, end_us: the minutes asked for; None is no bound.
        first_us, last_us: the first and the last minute that was trained on.
        rows: minutes trained on.
        data_hash: sha256 of the bars that went in.
        chosen: how the threshold was chosen, in words.
        features: each feature and its distribution; what drift is measured against.
        libraries: versions of what made it.
        files: sha256 of the other files of the version.
    """

    format: int = FORMAT
    name: str
    kind: str
    command: str
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    start_us: int | None
    end_us: int | None
    first_us: int
    last_us: int
    rows: int
    data_hash: str
    features_version: int
    features: dict[str, Bins]
    parameters: Parameters
    threshold: float
    chosen: str
    metrics: Metrics
    libraries: dict[str, str]
    files: dict[str, str]


class Sealed(NamedTuple):
    """A card as bytes, and the name that these give it."""

    data: bytes
    digest: str

    @property
    def version(self) -> str:
        """The version's own name."""
        return self.digest[:VERSION_DIGITS]


def sealed(card: Card) -> Sealed:
    """The bytes of ``card.json``."""
    data = msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"
    return Sealed(data, hashlib.sha256(data).hexdigest())


def read_card(data: bytes, source: str) -> Card:
    """The card in ``data``.

    Raises:
        DataError: it is none, or of a later version.
    """
    try:
        card = msgspec.json.decode(data, type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{source} is no card of a model ({error})") from error
    if card.format != FORMAT:
        raise DataError(f"{source} has format {card.format}, this version reads {FORMAT}; upgrade Barograph")
    return card


def as_text(card: Card, version: str) -> str:
    """``card.md``: the same for people."""
    p, m = card.parameters, card.metrics
    rows = "".join(
        f"| {name} | {_number(bins.mean)} | {_share(bins.missing)} |\n"
        for name, bins in card.features.items()
    )
    libraries = ", ".join(f"{name} {version}" for name, version in card.libraries.items())
    return f"""# {card.name}/{version}

An {card.kind.replace("-", " ")} over minutes of `market_microstructure`: how unusual is a minute beside
the hour before it? It knows no causes, and what is usual changes; `barograph anomalies drift`
measures how much.

| | |
|---|---|
| trained on | {card.rows:,} minutes of {", ".join(card.symbols)} ({", ".join(card.venues)}) |
| from, to | {from_us(card.first_us):%Y-%m-%d %H:%M}, {from_us(card.last_us):%Y-%m-%d %H:%M} UTC |
| data | sha256 {card.data_hash} |
| parameters | {p.trees} trees of {p.samples} rows, seed {p.seed} |
| threshold | {card.threshold:.6f}: {card.chosen} |
| scores in training | median {m.median:.4f}, highest {m.highest:.4f}, {_share(m.above)} reach the threshold |
| against scikit-learn | the scores of `model.bin` differ by {m.unlike_sklearn:.1e} at the most |
| libraries | {libraries} |
| made with | `{card.command}` |

| feature | mean | missing |
|---|---|---|
{rows}
Not for: other symbols than these, other intervals than a minute, deciding anything alone.
"""


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
