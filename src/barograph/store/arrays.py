"""NumPy's and Python's values as Arrow arrays, straight from their bytes.

``pa.array(...)`` loads pandas, where it is installed, to ask whether it has been given
something of pandas': 40 MB and half a second that a recorder has no use for. What is
made here is the same and takes a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]


def numbers(values: npt.NDArray[Any], kind: pa.DataType, valid: Mask | None = None) -> pa.Array:
    """An array of type ``kind`` over the memory of ``values``, which must not change any more.

    Args:
        values: integers, floats or bools, as wide as ``kind`` is; times as integers.
        valid: False where null stands; None where none does.
    """
    if kind == pa.bool_():
        return _over(_bits(values), kind, valid, len(values))
    if values.dtype.itemsize * 8 != kind.bit_width:
        raise TypeError(f"{values.dtype} is not as wide as {kind}")
    return _over(pa.py_buffer(np.ascontiguousarray(values)), kind, valid, len(values))


def one(value: int, kind: pa.DataType) -> pa.Scalar:
    """An integer or a time as a scalar of type ``kind``, to compare 64-bit columns with."""
    return numbers(np.array([value], dtype=np.int64), kind)[0]


def mask(values: Mask) -> pa.Array:
    """A mask for ``Table.filter``."""
    return numbers(values, pa.bool_())


def texts(values: Sequence[str | None]) -> pa.Array:
    """An array of strings, null for None."""
    if None in values:
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        known = texts([value or "" for value in values]).buffers()
        return pa.Array.from_buffers(
            pa.string(), len(valid), [_bits(valid), *known[1:]], int(np.count_nonzero(~valid))
        )
    encoded = [value.encode() for value in values if value is not None]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers, 0)


def values(column: pa.Array | pa.ChunkedArray, null: float | None = None) -> npt.NDArray[Any]:
    """The numbers (times as integers) of a column, in memory shared with it where possible.

    Args:
        null: what stands for null.

    Raises:
        ValueError: there are nulls, and nothing was said of them.
    """
    if isinstance(column, pa.ChunkedArray):
        chunks = [values(chunk, null) for chunk in column.chunks]
        if len(chunks) == 1:
            return chunks[0]
        return np.concatenate(chunks) if chunks else np.empty(0, dtype=dtype_of(column.type))
    validity, data = column.buffers()
    start, stop = column.offset, column.offset + len(column)
    if column.type == pa.bool_():
        known = _unpacked(data, start, stop)
    else:
        known = np.frombuffer(data or b"", dtype=dtype_of(column.type))[start:stop]
    if not column.null_count:
        return known
    if null is None:
        raise ValueError(f"{column.null_count} nulls among {len(column)} values")
    return np.where(_unpacked(validity, start, stop), known, np.asarray(null, dtype=known.dtype))


def _unpacked(bits: pa.Buffer, start: int, stop: int) -> Mask:
    packed = np.frombuffer(bits or b"", dtype=np.uint8)
    return np.unpackbits(packed, count=stop, bitorder="little")[start:].astype(np.bool_)


def dtype_of(kind: pa.DataType) -> npt.DTypeLike:
    """NumPy's type of what :func:`values` gives for a column of type ``kind``."""
    if kind == pa.bool_():
        return np.bool_
    width = kind.bit_width // 8
    if pa.types.is_floating(kind):
        return f"f{width}"
    return f"u{width}" if pa.types.is_unsigned_integer(kind) else f"i{width}"


def _over(data: pa.Buffer, kind: pa.DataType, valid: Mask | None, count: int) -> pa.Array:
    nulls = 0 if valid is None else count - int(np.count_nonzero(valid))
    validity = _bits(valid) if valid is not None and nulls else None
    return pa.Array.from_buffers(kind, count, [validity, data], nulls)


def _bits(values: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
