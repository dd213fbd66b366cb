"""What scores, and nothing else: the part of a version that the live line reads.

::

    BAROMDL1 | crc32 of the rest | a msgpack of the arrays (barograph.snapshot)

No code stands in it and none is run by reading it.
"""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from barograph.anomalies.models.features import NAMES, VERSION
from barograph.anomalies.models.forest import Forest
from barograph.errors import DataError
from barograph.rows import Floats
from barograph.snapshot import pack, unpack

_MAGIC = b"BAROMDL1"
_HEAD = len(_MAGIC) + 4


class Model(msgspec.Struct, frozen=True):
    """A trained model.

    Attributes:
        features: the names of the columns, of formulas ``features_version``.
        usual: float64, shape (columns,): stands where a bar lacks a feature.
        threshold: a score of at least this is an anomaly.
        symbols: whose bars it may judge: those that it was trained on.
        forest: the trees.
    """

    features: tuple[str, ...]
    features_version: int
    usual: Floats
    threshold: float
    symbols: tuple[str, ...]
    forest: Forest

    def scores(self, rows: Floats) -> Floats:
        """The score of each row of features, shape (n, columns), NaN where a bar lacks one."""
        return self.forest.scores(np.where(np.isnan(rows), self.usual, rows))


def encoded(model: Model) -> bytes:
    """``model`` as the bytes of its file."""
    body = pack(model)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decoded(data: bytes, source: str) -> Model:
    """The model that :func:`encoded` made ``data`` of.

    Args:
        source: the file's name, for the message.

    Raises:
        DataError: it is damaged, no such file, or of another version of the formulas.
    """
    body = data[_HEAD:]
    if data[: len(_MAGIC)] != _MAGIC:
        raise DataError(f"{source} is no model of ours: it begins with {data[: len(_MAGIC)]!r}")
    if zlib.crc32(body).to_bytes(4, "little") != data[len(_MAGIC) : _HEAD]:
        raise DataError(f"{source} is damaged: its checksum does not fit; put it back from a backup")
    try:
        model = unpack(body, Model)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{source} cannot be read ({error}); another version of Barograph wrote it"
        ) from error
    if (model.features, model.features_version) != (NAMES, VERSION):
        raise DataError(
            f"{source} was trained on {', '.join(model.features)} of version {model.features_version}; "
            f"this version makes {', '.join(NAMES)} of version {VERSION}: train it again"
        )
    if model.forest.columns != len(NAMES) or model.usual.shape != (len(NAMES),):
        raise DataError(f"{source} has another number of columns than features; it is damaged or not ours")
    return model
