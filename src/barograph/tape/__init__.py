"""The tape: what came over the wire, kept word for word, before anything is made of it.

:class:`TapeWriter` appends records durably and recovers from any crash;
:class:`TapeReader` reads any stretch in runs, or follows; :func:`list_segments` and
:func:`verify` tell what is there and whether it is sound; :func:`import_recording` takes
in recordings that others made. The format is in docs/tape.md. What a frame means is no
business of this room.
"""

from __future__ import annotations

from barograph.tape.imports import ImportResult, import_recording
from barograph.tape.listing import Problem, SegmentInfo, list_segments, verify
from barograph.tape.reader import TapeReader
from barograph.tape.recovery import Recovery
from barograph.tape.redaction import redact_frame, redact_url
from barograph.tape.writer import TapeWriter

__all__ = [
    "ImportResult",
    "Problem",
    "Recovery",
    "SegmentInfo",
    "TapeReader",
    "TapeWriter",
    "import_recording",
    "list_segments",
    "redact_frame",
    "redact_url",
    "verify",
]
