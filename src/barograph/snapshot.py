"""States of kernels as bytes and back, exactly.

A state is a ``msgspec.Struct`` whose fields are plain values, other structs, lists,
dicts and NumPy arrays. ``pack`` and ``unpack`` keep every bit, so that a kernel that is
resumed from a checkpoint goes on as if it had never stopped. In a checkpoint's file a head
stands before the state: what it is, and its sum.
"""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec
import numpy as np

_ARRAY = 1
_MAGIC = b"BAROCKP1"
_HEAD = len(_MAGIC) + 4

S = TypeVar("S", bound=msgspec.Struct)


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        header = msgspec.msgpack.encode((value.dtype.str, value.shape))
        body = np.ascontiguousarray(value).tobytes()
        return msgspec.msgpack.Ext(_ARRAY, len(header).to_bytes(2, "little") + header + body)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a state cannot hold {type(value).__name__}")


def _decode_ext(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code} in a state")
    start = 2 + int.from_bytes(data[:2], "little")
    dtype, shape = msgspec.msgpack.decode(data[2:start], type=tuple[str, tuple[int, ...]])
    return np.frombuffer(data[start:], dtype=np.dtype(dtype)).reshape(shape).copy()


def _decode_custom(kind: type, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(f"a state cannot hold {kind}")


def pack(state: msgspec.Struct) -> bytes:
    """``state`` as bytes."""
    return msgspec.msgpack.encode(state, enc_hook=_encode)


def unpack(data: bytes, kind: type[S]) -> S:
    """The state of type ``kind`` that ``data`` was packed from."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_decode_custom, ext_hook=_decode_ext)


def head(state: bytes) -> bytes:
    """What stands before ``state`` in a checkpoint's file."""
    return _MAGIC + zlib.crc32(state).to_bytes(4, "little")


def without_head(raw: bytes) -> bytes | None:
    """The state in a checkpoint's file; None where it is damaged, or no checkpoint.

    >>> without_head(head(b"a state") + b"a state")
    b'a state'
    >>> without_head(head(b"a state") + b"another")
    """
    state = raw[_HEAD:]
    return state if raw[:_HEAD] == head(state) else None
