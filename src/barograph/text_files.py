"""Text files as people have them: plain, or packed with gzip."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from barograph.errors import DataError

_GZIP = b"\x1f\x8b"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The lines of a UTF-8 file, plain or gzipped whatever its name, line ends as they are.

    Raises:
        DataError: while the lines are read: they are no text, or the packing is broken.
    """
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        content = gzip.GzipFile(fileobj=raw) if packed else raw
        try:
            yield io.TextIOWrapper(content, encoding="utf-8", newline="")
        except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"{path} cannot be read as text: {error}") from error
