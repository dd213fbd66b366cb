"""Which version counts: what is said of it in a small file, and on the tape.

Rows may hang on the tape alone. So a promotion becomes a ``CONFIG`` record on a stream of our
own: from that record on the line scores with the version that it names, live and in every
rebuild. The digest is that of the version's card, which names every byte of the version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from barograph.errors import DataError
from barograph.records import Kind, Records, Stream

if TYPE_CHECKING:
    from barograph.anomalies.models.rule import ModelRule

STREAM = Stream("barograph", "anomaly-model")
"""Where promotions stand on the tape."""


class Promoted(msgspec.Struct, frozen=True):
    """The payload of a ``CONFIG`` record on ``STREAM``: the version that scores from here on.

    Attributes:
        version: ``<name>/<version>``; None: no model scores.
        digest: sha256, in hex, of the version's ``card.json``.
    """

    version: str | None
    digest: str = ""


RuleOf = Callable[[Promoted], "ModelRule"]
"""Loads what scores; DataError where it is no longer there, or another one."""


def no_models(promoted: Promoted) -> ModelRule:
    """Where nobody has said where models are.

    Raises:
        DataError: always.
    """
    raise DataError(f"the tape names the anomaly model {promoted.version}, and no models were handed in")


_promoted = msgspec.json.Decoder(Promoted)


def promotions(run: Records) -> Iterator[tuple[int, Promoted | None]]:
    """The promotions of a run with their records' indices; None for one that cannot be read."""
    for at in np.flatnonzero(run.kind == Kind.CONFIG).tolist():
        if run.streams[int(run.stream[at])] == STREAM:
            try:
                yield at, _promoted.decode(run.payloads[at])
            except (msgspec.DecodeError, UnicodeDecodeError):
                yield at, None
