from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from barograph.errors import DataError
from barograph.text_files import open_text

TEXT = "a;b\r\n1;é\n"


@pytest.mark.parametrize("packed", [False, True])
def test_a_plain_and_a_packed_file_read_alike_whatever_their_names(tmp_path: Path, packed: bool) -> None:
    content = TEXT.encode()
    path = tmp_path / ("file.csv" if packed else "file.csv.gz")
    path.write_bytes(gzip.compress(content) if packed else content)
    with open_text(path) as lines:
        assert lines.read() == TEXT


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with open_text(path) as lines:
        assert list(lines) == []


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", gzip.compress(TEXT.encode() * 100)[:-9]], ids=["no text", "cut short"]
)
def test_no_text_and_a_packing_cut_short_are_told_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} cannot be read as text"), open_text(path) as lines:
        lines.read()
