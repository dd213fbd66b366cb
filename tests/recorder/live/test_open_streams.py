"""The list of open connections on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from barograph.errors import StorageError
from barograph.recorder.live.open_streams import OpenStreams
from barograph.records import Kind, Stream

ONE, TWO = Stream("binance", "spot-0-a"), Stream("kraken", "v2-0-b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "connections.json"


def test_what_was_opened_and_not_closed_is_left_open_for_the_next_start(path: Path) -> None:
    streams = OpenStreams(path)
    for stream in (ONE, TWO):
        streams.before(stream, Kind.OPEN)
        streams.after(stream, Kind.OPEN)
    streams.before(ONE, Kind.CLOSE)
    streams.after(ONE, Kind.CLOSE)
    assert OpenStreams(path).left_open() == [TWO]


def test_it_is_on_the_list_before_its_record_and_off_it_only_behind(path: Path) -> None:
    streams = OpenStreams(path)
    streams.before(ONE, Kind.OPEN)
    assert OpenStreams(path).left_open() == [ONE]
    streams.after(ONE, Kind.OPEN)
    streams.before(ONE, Kind.CLOSE)
    assert OpenStreams(path).left_open() == [ONE]
    streams.after(ONE, Kind.CLOSE)
    assert OpenStreams(path).left_open() == []


def test_what_a_former_process_left_open_stays_listed_until_it_is_closed(path: Path) -> None:
    OpenStreams(path).before(ONE, Kind.OPEN)
    later = OpenStreams(path)
    later.before(TWO, Kind.OPEN)
    assert OpenStreams(path).left_open() == [ONE, TWO]
    later.after(ONE, Kind.CLOSE)
    assert OpenStreams(path).left_open() == [TWO]


def test_closing_what_was_never_opened_and_other_records_change_nothing(path: Path) -> None:
    streams = OpenStreams(path)
    streams.after(ONE, Kind.CLOSE)
    for kind in (Kind.FRAME, Kind.SENT, Kind.CONFIG, Kind.CLOCK, Kind.REST, Kind.MISSING):
        streams.before(ONE, kind)
        streams.after(ONE, kind)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"[", b'{"a":1}', b"\xff\x00", b'[["only-one"]]'])
def test_a_list_that_was_spoilt_is_told_and_begun_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with capture_logs() as logs:
        streams = OpenStreams(path)
    assert streams.left_open() == []
    assert [line["path"] for line in logs] == [str(path)]
    streams.before(ONE, Kind.OPEN)
    assert OpenStreams(path).left_open() == [ONE]


def test_a_list_that_cannot_be_written_is_a_storage_error_that_names_it(path: Path) -> None:
    path.parent.write_bytes(b"")
    with pytest.raises(StorageError, match=r"connections\.json"):
        OpenStreams(path).before(ONE, Kind.OPEN)
