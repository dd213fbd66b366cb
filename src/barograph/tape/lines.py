"""What the lines of a recording say: when, what kind of evidence, and which bytes.

=============================  ====================================================
``1723161254087891268 FRAME``  a frame; receipt time in ns, 19 digits
``1633998512.0633569: FRAME``  a frame; receipt time in seconds
``URL <-> SECONDS``            a connection was opened
``URL <- SECONDS: FRAME``      a frame that was sent
``URL -> SECONDS: BODY``       an HTTP answer
=============================  ====================================================

The first form is read in NumPy, a chunk at a time; the others line by line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.clock import NS_PER_S
from barograph.records import Kind
from barograph.tape.redaction import redact_frame, redact_text, redact_url

_SECONDS = rb"(\d{1,10})(?:\.(\d+))?"
_FRAME = re.compile(_SECONDS + rb": (.*)", re.DOTALL)
_URL = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*://\S*) (<->|<-|->) " + _SECONDS + rb"(?:: (.*))?", re.DOTALL)
_POWERS = 10 ** np.arange(18, -1, -1, dtype=np.uint64)
_LATEST_NS = np.iinfo(np.int64).max
_UNKNOWN = -1

Ints = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """The records that lines make, one a line, blank ones left out.

    Attributes:
        recv_ns: receipt times; a line that fits no form has that of the line before it.
        kind: kinds.
        payloads: payloads.
        rejected: index of each record whose line fits no form.
        line: number of each record's line, counted from 0 within the batch.
        lines: how many lines there were, blank ones too.
    """

    recv_ns: Ints
    kind: npt.NDArray[np.uint8]
    payloads: list[bytes]
    rejected: list[int]
    line: Ints
    lines: int

    def since(self, start: int) -> Batch:
        """The records from index ``start`` on."""
        rejected = [i - start for i in self.rejected if i >= start]
        return Batch(
            self.recv_ns[start:],
            self.kind[start:],
            self.payloads[start:],
            rejected,
            self.line[start:],
            self.lines,
        )


class Parsed(NamedTuple):
    """One line that was read by itself."""

    recv_ns: int
    kind: Kind
    payload: bytes


def parse_lines(data: bytes, last_ns: int | None) -> Batch:
    """The records of the lines of ``data``, which ends in a newline.

    ``last_ns`` is the receipt time of the line before, if it is known.
    """
    starts, ends = _bounds(data)
    recv_ns = _leading_ns(data, starts, ends)
    kind = np.full(len(starts), Kind.FRAME, np.uint8)
    others = np.flatnonzero(recv_ns == _UNKNOWN).tolist()
    payloads = [data[a:b] for a, b in zip((starts + 20).tolist(), ends.tolist(), strict=True)]
    rejected: list[int] = []
    blank: list[int] = []
    known = _UNKNOWN if last_ns is None else last_ns
    for i in others:
        line = data[starts[i] : ends[i]]
        parsed = parse_line(line)
        if parsed is None:
            parsed = Parsed(int(recv_ns[i - 1]) if i else known, Kind.FRAME, redact_text(line))
            (rejected if line.strip() else blank).append(i)
        recv_ns[i], kind[i], payloads[i] = parsed
    _fill_head(recv_ns)
    line_numbers = np.arange(len(starts))
    if blank:
        keep = np.delete(line_numbers, blank)
        payloads = [payloads[i] for i in keep.tolist()]
        recv_ns, kind, line_numbers = recv_ns[keep], kind[keep], keep
        rejected = np.searchsorted(keep, rejected).tolist()
    return Batch(recv_ns, kind, payloads, rejected, line_numbers, len(starts))


def parse_line(line: bytes) -> Parsed | None:
    """What one line, without its newline, says; None if it fits no form.

    >>> parse_line(b"1633998512.0633569: {}")
    Parsed(recv_ns=1633998512063356900, kind=<Kind.FRAME: 1>, payload=b'{}')
    """
    if matched := _FRAME.fullmatch(line):
        whole, fraction, frame = matched.groups()
        return _parsed(whole, fraction, Kind.FRAME, frame)
    if matched := _URL.fullmatch(line):
        return _parse_url_line(*matched.groups())
    if len(line) > 19 and line[19:20] == b" " and line[:19].isdigit():
        recv_ns = int(line[:19])
        return Parsed(recv_ns, Kind.FRAME, line[20:]) if recv_ns <= _LATEST_NS else None
    return None


def _parse_url_line(
    address: bytes, arrow: bytes, whole: bytes, fraction: bytes | None, frame: bytes | None
) -> Parsed | None:
    if (arrow == b"<->") != (frame is None):
        return None
    url = msgspec.json.encode({"url": redact_url(address.decode(errors="replace"))})
    if frame is None:
        return _parsed(whole, fraction, Kind.OPEN, url)
    if arrow == b"<-":
        return _parsed(whole, fraction, Kind.SENT, redact_frame(frame))
    return _parsed(whole, fraction, Kind.REST, url + b"\n" + frame)


def _parsed(whole: bytes, fraction: bytes | None, kind: Kind, payload: bytes) -> Parsed | None:
    """Seconds to nanoseconds by their digits: a float would move them by up to 120 ns."""
    recv_ns = int(whole) * NS_PER_S + int((fraction or b"0")[:9].ljust(9, b"0"))
    return Parsed(recv_ns, kind, payload) if recv_ns <= _LATEST_NS else None


def _bounds(data: bytes) -> tuple[Ints, Ints]:
    """Where each line begins and where its content ends, without ``\\n`` or ``\\r\\n``."""
    buffer = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate(([0], newlines[:-1] + 1))
    returns = (newlines > starts) & (buffer[newlines - 1] == ord("\r"))
    return starts, newlines - returns


def _leading_ns(data: bytes, starts: Ints, ends: Ints) -> Ints:
    """The receipt times of lines that begin with 19 digits and a space; -1 for the others."""
    recv_ns = np.full(len(starts), _UNKNOWN, np.int64)
    long = np.flatnonzero(ends - starts >= 20)
    heads = np.frombuffer(data, np.uint8)[starts[long][:, None] + np.arange(20)]
    digits = heads[:, :19] - np.uint8(ord("0"))
    ns = digits.astype(np.uint64) @ _POWERS
    fits = (digits <= 9).all(axis=1) & (heads[:, 19] == ord(" ")) & (ns <= _LATEST_NS)
    recv_ns[long[fits]] = ns[fits]
    return recv_ns


def _fill_head(recv_ns: Ints) -> None:
    """Give lines before the first known time that time."""
    known = np.flatnonzero(recv_ns != _UNKNOWN)
    if len(known):
        recv_ns[: known[0]] = recv_ns[known[0]]
