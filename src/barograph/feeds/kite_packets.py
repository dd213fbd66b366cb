"""Kite's binary frames: where the packets of a run of frames lie.

Source: kite.trade/docs/connect/v3/websocket. Big-endian throughout: a frame is u16 count,
then count times (u16 length, packet). The packets of many frames are found together and
read as columns, so that the cost of a packet is that of a few array elements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats, Ints, Mask

LTP, INDEX_QUOTE, INDEX_FULL, QUOTE, FULL = 8, 28, 32, 44, 184
LENGTHS = (LTP, INDEX_QUOTE, INDEX_FULL, QUOTE, FULL)
"""Lengths in bytes of the packets that we can read."""

TOKEN, LAST_PRICE, VOLUME, LAST_TRADE_TIME, INDEX_TIME, EXCHANGE_TIME = 0, 4, 16, 44, 28, 60
BID_SIZE, BID_PRICE, ASK_SIZE, ASK_PRICE = 64, 68, 124, 128

_KNOWN = np.zeros(65_536, dtype=np.bool_)
_KNOWN[list(LENGTHS)] = True
_DIVISORS = np.full(256, 100.0)
_DIVISORS[3] = 10_000_000.0  # NSE currency derivatives
_DIVISORS[[6, 12]] = 10_000.0  # BSE currency derivatives, NSE commodities


@dataclass(frozen=True, slots=True)
class Packets:
    """Packets of known length, in the order of the wire.

    Attributes:
        words: the 4-byte word that begins at each byte of all frames, big-endian.
        frame: int64, shape (n,): index of the frame that each packet came in.
        start: int64, shape (n,): where each packet begins.
        length: int64, shape (n,): one of :data:`LENGTHS`.
        faults: by index of the frame, what was wrong with it.
        empty: how many frames say that they have no packets, and have none.
    """

    words: npt.NDArray[np.uint32]
    frame: Ints
    start: Ints
    length: Ints
    faults: dict[int, str]
    empty: int

    def word(self, offset: int) -> Ints:
        """The unsigned word at ``offset`` of every packet, as int64."""
        return self.words[self.start + offset].astype(np.int64)

    def take(self, wanted: Mask) -> Packets:
        """The packets that ``wanted`` marks."""
        kept = (self.frame[wanted], self.start[wanted], self.length[wanted])
        return Packets(self.words, *kept, self.faults, self.empty)


def divisors(tokens: Ints) -> Floats:
    """What an instrument's prices are divided by; its token's low byte is the segment."""
    found: Floats = _DIVISORS[tokens & 0xFF]
    return found


def find_packets(frames: list[bytes]) -> Packets:
    """All packets of ``frames``, each of at least two bytes.

    A frame that is cut off, or has packets of an unknown length, is a fault; its packets
    that are whole are there nevertheless.
    """
    # Four more bytes, so that a word begins at every byte of the frames.
    blob = b"".join(frames) + bytes(4)
    words = np.ndarray((len(blob) - 4,), ">u4", blob, strides=(1,))
    halves = np.ndarray((len(blob) - 4,), ">u2", blob, strides=(1,))
    sizes = np.fromiter(map(len, frames), np.int64, len(frames))
    begins = np.cumsum(sizes) - sizes
    counts = halves[begins].astype(np.int64)
    frame, start, even = _evenly_spaced(halves, begins, sizes, counts)
    faults: dict[int, str] = {}
    if not even.all():
        frame, start = _with_uneven(frames, begins, (frame, start), even, faults)
    length = halves[start - 2].astype(np.int64)
    empty = int(np.count_nonzero((counts == 0) & (sizes == 2)))
    packets = Packets(words, frame, start, length, faults, empty)
    known = _KNOWN[length]
    if known.all():
        return packets
    for index, odd in zip(frame[~known].tolist(), length[~known].tolist(), strict=True):
        faults.setdefault(index, f"a packet of {odd} bytes; known are {LENGTHS}")
    return packets.take(known)


def _evenly_spaced(
    halves: npt.NDArray[np.uint16], begins: Ints, sizes: Ints, counts: Ints
) -> tuple[Ints, Ints, Mask]:
    """The packets of those frames whose packets are all of one length, the usual case."""
    first = np.minimum(begins + 2, len(halves) - 1)
    stride = 2 + halves[first].astype(np.int64)
    even = (counts > 0) & (sizes == 2 + counts * stride)
    counted = np.where(even, counts, 0)
    frame = np.repeat(np.arange(len(sizes)), counted)
    nth = np.arange(len(frame)) - np.repeat(np.cumsum(counted) - counted, counted)
    start = begins[frame] + 4 + nth * stride[frame]
    misfit = halves[start - 2] != stride[frame] - 2
    if misfit.any():
        even[frame[misfit]] = False
        kept = even[frame]
        frame, start = frame[kept], start[kept]
    return frame, start, even


def _with_uneven(
    frames: list[bytes], begins: Ints, found: tuple[Ints, Ints], even: Mask, faults: dict[int, str]
) -> tuple[Ints, Ints]:
    """``found`` and the packets of the other frames, walked one after the other, in order."""
    indices: list[int] = []
    starts: list[int] = []
    for index in np.flatnonzero(~even).tolist():
        offsets, fault = _walk(frames[index])
        begin = int(begins[index])
        starts.extend(begin + offset for offset in offsets)
        indices.extend([index] * len(offsets))
        if fault:
            faults[index] = fault
    frame = np.concatenate([found[0], np.array(indices, dtype=np.int64)])
    start = np.concatenate([found[1], np.array(starts, dtype=np.int64)])
    order = np.argsort(start, kind="stable")
    return frame[order], start[order]


def _walk(payload: bytes) -> tuple[list[int], str]:
    """Where the whole packets of one frame begin, and what is wrong with the frame, if anything."""
    size = len(payload)
    count = payload[0] << 8 | payload[1]
    starts: list[int] = []
    at = 2
    for _ in range(count):
        after = at + 2 + (payload[at] << 8 | payload[at + 1]) if at + 2 <= size else size + 1
        if after > size:
            return starts, f"cut off: {len(starts)} of {count} packets are whole"
        starts.append(at + 2)
        at = after
    return starts, f"{size - at} bytes after the last packet" if at != size else ""
