"""Sorting frames by what they are, cheaply, and decoding those of one kind together.

What a frame is shows in its first bytes: venues write the same first field for the same
kind of message, so the bytes before the first comma are looked up in a table that
remembers them (:class:`Heads`), and a frame that is not wanted is never parsed.

One call of the decoder a frame, not one over the frames joined: joining saves a tenth of
the time, and two broken frames could complete each other.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from barograph.errors import DecodeError

T = TypeVar("T")

UNREADABLE = (ValueError, RecursionError, DecodeError)
"""What decoding a broken frame may raise; the errors of ``msgspec`` are ValueErrors."""

UNSURE = ""
"""The kind of a frame whose first bytes do not tell."""

_MOST_HEADS = 8_192
_LONGEST_HEAD = 120
_LONGEST_TEXT = 200

_raws = msgspec.json.Decoder(list[msgspec.Raw])


class Fault(NamedTuple):
    """A frame, by its index, or a part of it, that cannot be used."""

    frame: int
    reason: str
    excerpt: str


class Heads(dict[bytes, str]):
    """The kind of a frame by the bytes before its first comma.

    Args:
        kind_of: the kind that a head tells, or :data:`UNSURE`; a pure function, so that
            what is remembered and what is forgotten makes no difference.
        closer: the kind of a whole frame whose head does not tell; may raise :data:`UNREADABLE`.
    """

    def __init__(self, kind_of: Callable[[bytes], str], closer: Callable[[bytes], str]) -> None:
        super().__init__()
        self._kind_of = kind_of
        self._closer = closer

    def __missing__(self, head: bytes) -> str:
        kind = self._kind_of(head)
        # A head that ends in text will come again; one that ends in a number hardly.
        if head.endswith(b'"') and len(head) <= _LONGEST_HEAD:
            if len(self) >= _MOST_HEADS:
                self.clear()
            self[head] = kind
        return kind

    def sort(self, payloads: list[bytes], frames: Sequence[int], faults: list[Fault]) -> dict[str, list[int]]:
        """The frames (indices into ``payloads``) of each kind, in order."""
        kinds: defaultdict[str, list[int]] = defaultdict(list)
        among = payloads if len(frames) == len(payloads) else [payloads[frame] for frame in frames]
        for frame, payload in zip(frames, among, strict=True):
            kinds[self[payload.partition(b",")[0]]].append(frame)
        for frame in kinds.pop(UNSURE, ()):
            try:
                insort(kinds[self._closer(payloads[frame])], frame)
            except UNREADABLE as error:
                faults.append(fault(frame, error, payloads[frame]))
        return kinds


def fault(frame: int, error: Exception | str, evidence: bytes | str) -> Fault:
    """A :class:`Fault` whose texts any table can hold: short, valid Unicode, no NUL."""
    if isinstance(evidence, bytes):
        evidence = evidence[:_LONGEST_TEXT].decode("utf-8", "replace")
    return Fault(frame, _printable(str(error)), _printable(evidence))


def _printable(text: str) -> str:
    short = text[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
    return short.replace("\0", "\N{REPLACEMENT CHARACTER}")


def read(
    decode: Callable[[bytes], T], payloads: list[bytes], frames: list[int], faults: list[Fault]
) -> tuple[list[int], list[T]]:
    """``frames`` decoded, and the frames that they came from; each broken one is a fault instead."""
    try:
        return frames, [decode(payloads[frame]) for frame in frames]
    except UNREADABLE:
        return _read_singly(decode, payloads, frames, faults)


def _read_singly(
    decode: Callable[[bytes], T], payloads: list[bytes], frames: list[int], faults: list[Fault]
) -> tuple[list[int], list[T]]:
    good, items = [], []
    for frame in frames:
        try:
            items.append(decode(payloads[frame]))
            good.append(frame)
        except UNREADABLE as error:
            faults.append(fault(frame, error, payloads[frame]))
    return good, items


def read_list(
    decode: Callable[[bytes | msgspec.Raw], T], body: bytes | msgspec.Raw, frame: int, faults: list[Fault]
) -> list[T]:
    """The items of a JSON array, decoded one by one; each broken one is a fault instead.

    Raises:
        any of :data:`UNREADABLE`: ``body`` is not an array.
    """
    items = []
    for raw in _raws.decode(body):
        try:
            items.append(decode(raw))
        except UNREADABLE as error:
            faults.append(fault(frame, error, bytes(raw)))
    return items
