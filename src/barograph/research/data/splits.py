"""The column ``split``: which rows are for training, and which for validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from barograph.errors import DataError
from barograph.research.data.source import TRAINING, VALIDATION, ints
from barograph.rows import Ints

_WORDS = {
    "train": TRAINING,
    "training": TRAINING,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "test": VALIDATION,
}


def parts(words: Iterable[str | None], name: str, lines: Sequence[int] | None = None) -> Ints:
    """0 or 1 for each word; ``name`` is the file's and ``lines`` its lines, for the message.

    Raises:
        DataError: a word is neither train nor validation.

    >>> parts(["train", "Validation"], "a file").tolist()
    [0, 1]
    """
    found = []
    for row, word in enumerate(words):
        part = _WORDS.get(str(word).lower())
        if part is None:
            where = f"line {lines[row]}" if lines else f"row {row + 1}"
            raise DataError(f"{name}, {where}: column split says {word!r}; write train or validation")
        found.append(part)
    return ints(found)
