"""scikit-learn's own forest, grown, and kept in a file that runs no code when it is read.

skops writes an estimator as a zip of a schema and plain arrays, and rebuilds only types that it
trusts or that the reader has named (https://skops.readthedocs.io/en/stable/persistence.html).
Beyond its own list we name the tree of a forest: a file that asks for anything else is refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.rows import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]

    from barograph.anomalies.models.card import Parameters

TRUSTED = ("sklearn.tree._tree.Tree",)
"""Types beyond those that skops trusts by itself: a tree's arrays. It runs no code, but scikit-learn does
not check where its nodes lead; that the file is ours, its card's digest has said before."""

_SCHEMA = "schema.json"
_ANY_DATE = (1980, 1, 1, 0, 0, 0)
"""A zip's entries must have one, and it must not be today's: the same forest is the same file."""


def _missing(error: ImportError) -> UsageError:
    return UsageError(f"models need scikit-learn and skops ({error}): pip install 'barograph[research]'")


def grown(rows: Floats, parameters: Parameters) -> IsolationForest:
    """A forest grown on ``rows``, shape (n, features), without NaN.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError as error:
        raise _missing(error) from error
    estimator = IsolationForest(
        n_estimators=parameters.trees,
        max_samples=min(parameters.samples, len(rows)),
        random_state=parameters.seed,
    )
    return estimator.fit(rows)


def libraries() -> dict[str, str]:
    """Versions of what a forest is made and kept with.

    Raises:
        UsageError: one of them is not installed.
    """
    try:
        import sklearn  # type: ignore[import-untyped]
        import skops
    except ImportError as error:
        raise _missing(error) from error
    return {
        "barograph": version("barograph"),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "skops": skops.__version__,
    }


def dumped(estimator: IsolationForest) -> bytes:
    """``estimator`` as the bytes of ``model.skops``: the same forest gives the same bytes."""
    try:
        from skops.io import dumps
    except ImportError as error:
        raise _missing(error) from error
    return _without_chance(dumps(estimator))


def loaded(data: bytes, source: str) -> IsolationForest:
    """The forest in ``data``, once every type in it is known to be harmless.

    Args:
        source: the file's name, for the message.

    Raises:
        DataError: it is damaged, asks for other types, or holds something else.
        UsageError: scikit-learn or skops is not installed.
    """
    try:
        from sklearn.ensemble import IsolationForest
        from skops.io import get_untrusted_types, loads
    except ImportError as error:
        raise _missing(error) from error
    try:
        foreign = sorted(set(get_untrusted_types(data=data)) - set(TRUSTED))
        if foreign:
            raise DataError(
                f"{source} asks for types that a forest does not need: {', '.join(foreign)}; "
                "it is not ours and is not loaded"
            )
        estimator = loads(data, trusted=list(TRUSTED))
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{source} cannot be read ({error}); put it back from a backup") from error
    if not isinstance(estimator, IsolationForest):
        raise DataError(f"{source} holds a {type(estimator).__name__}, not an IsolationForest")
    return estimator


def _without_chance(data: bytes) -> bytes:
    """The same zip without what is different each time: addresses in memory, and dates.

    skops names objects and files by where they were in memory; here they are counted instead. The
    nodes of a tree have gaps between their fields, where anything may stand; here zeros do.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries = {name: _without_gaps(raw) if name.endswith(".npy") else raw for name, raw in entries.items()}
    names: dict[str, str] = {}
    schema = _counted(json.loads(entries.pop(_SCHEMA)), {}, names)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [(names[old], entries[old]) for old in names] + [
            (_SCHEMA, json.dumps(schema, indent=1).encode())
        ]:
            entry = zipfile.ZipInfo(name, _ANY_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()


def _without_gaps(raw: bytes) -> bytes:
    array = np.load(io.BytesIO(raw), allow_pickle=False)
    if array.dtype.names is None:
        return raw
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    made = io.BytesIO()
    np.save(made, clean, allow_pickle=False)
    return made.getvalue()


def _counted(node: Any, numbers: dict[int, int], files: dict[str, str]) -> Any:
    """``node`` of a schema with its objects and files numbered in the order in which they appear."""
    if isinstance(node, list):
        return [_counted(each, numbers, files) for each in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            made[key] = numbers.setdefault(value, len(numbers) + 1)
        elif key == "file" and isinstance(value, str):
            _, dot, ending = value.rpartition(".")
            made[key] = files.setdefault(value, f"{len(files) + 1}{dot}{ending}")
        else:
            made[key] = _counted(value, numbers, files)
    return made
