"""Importing recordings: exact counts, exactly once, from any state and through any crash."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from barograph.clock import ManualClock, SystemClock
from barograph.errors import DataError, StorageFull, UsageError
from barograph.records import Kind, Record, Stream
from barograph.tape import ImportResult, TapeReader, TapeWriter, import_recording, list_segments, verify
from barograph.tape import writer as writer_module
from barograph.tape.lines import parse_lines

LINES = [b'17231612540878912%02d {"n":%d}' % (n, n) for n in range(50)]
URL_LINES = [
    b"wss://x?token=SECRET <-> 1.5",
    b'wss://x?token=SECRET <- 1.75: {"op":"subscribe"}',
    b'2.0: {"a":1}',
    b"",
    b"wss://y <-> 2.5",
    b'wss://y <- 2.75: {"op":"auth","key":"SECRET"}',
    b'3.0: {"b":2}',
    b'https://z/trades?since=1 -> 3.5: [{"c":3}]',
]
Records = Callable[..., list[Record]]


def text(lines: list[bytes]) -> bytes:
    return b"".join(each + b"\n" for each in lines)


@pytest.fixture
def imported(tape: Path, clock: ManualClock, tmp_path: Path) -> Callable[..., ImportResult]:
    """Write ``content`` to a file and import it, through a tape of small segments."""

    def import_content(content: bytes, name: str = "recording.txt", **options: object) -> ImportResult:
        (tmp_path / name).write_bytes(content)
        with TapeWriter(tape, clock=clock, roll_bytes=2000) as writer:
            return import_recording(writer, tmp_path / name, "sim", **options)

    return import_content


def evidence(records: list[Record]) -> list[tuple[int, Kind, bytes]]:
    """What stands on the tape without the opens and closes that the import added."""
    own = (b'{"url":"file:', b'{"reason":"the recording')
    return [(r.recv_ns, r.kind, r.payload) for r in records if not r.payload.startswith(own)]


@pytest.mark.parametrize(
    ("name", "appended", "sent", "opens"),
    [
        ("binance-1-text.txt.gz", 266, 0, 1),
        ("binance-spot-btcusdt_20240808.jsonl.gz", 41_249, 0, 1),
        ("binance-spot-ethusdt_20240808.jsonl.gz", 33_618, 0, 1),
        ("binance-usdm-btcusdt_20240808.jsonl.gz", 93_954, 0, 1),
        ("coinbase-28-text.txt.gz", 9_950, 3, 1),
        ("kraken-48-text.txt.gz", 51, 1, 1),
        ("kraken-49-text.txt.gz", 62, 1, 1),
    ],
)
def test_a_real_recording_is_taken_in_whole_and_once(
    recordings: Path, tape: Path, name: str, appended: int, sent: int, opens: int
) -> None:
    lines = [each for each in gzip.decompress((recordings / name).read_bytes()).split(b"\n") if each]
    with TapeWriter(tape, clock=SystemClock(), roll_bytes=4 << 20) as writer:
        result = import_recording(writer, recordings / name, "venue")
        assert (result.appended, result.already, result.rejected_lines) == (appended, 0, 0)
        assert (result.sent, result.skipped_lines, result.messages) == (sent, 0, ())
        again = import_recording(writer, recordings / name, "venue")
        assert (again.appended, again.already, again.first_pos) == (0, appended, again.next_pos)
    assert len(lines) == appended
    total: Counter[Kind] = Counter()
    for segment in list_segments(tape):
        total.update(segment.by_kind)
    assert (total[Kind.OPEN], total[Kind.SENT], total[Kind.CLOSE]) == (opens, sent, 1)
    frames = (r for run in TapeReader(tape).read() for r in run if r.kind in (Kind.FRAME, Kind.SENT))
    for record, line in zip(frames, (e for e in lines if b" <-> " not in e), strict=True):
        assert line.endswith(record.payload)
        assert line.removesuffix(record.payload)[-2:] in (b": ", line[18:20])
    assert verify(tape) == []


def test_every_kind_of_line_becomes_its_kind_of_record(
    imported: Callable[..., ImportResult], records: Records
) -> None:
    result = imported(text(URL_LINES))
    assert (result.appended, result.sent, result.rejected_lines) == (7, 2, 0)
    assert [(r.recv_ns, r.kind.name, r.payload) for r in records()] == [
        (1_500_000_000, "OPEN", b'{"url":"wss://x?token=***"}'),
        (1_750_000_000, "SENT", b'{"op":"subscribe"}'),
        (2_000_000_000, "FRAME", b'{"a":1}'),
        (2_500_000_000, "OPEN", b'{"url":"wss://y"}'),
        (2_750_000_000, "SENT", b'{"op":"auth","key":"***"}'),
        (3_000_000_000, "FRAME", b'{"b":2}'),
        (3_500_000_000, "REST", b'{"url":"https://z/trades?since=1"}\n[{"c":3}]'),
        (3_500_000_000, "CLOSE", b'{"reason":"the recording recording.txt ends"}'),
    ]
    assert {r.stream for r in records()} == {result.stream}


def test_a_recording_without_an_open_gets_one(
    imported: Callable[..., ImportResult], records: Records
) -> None:
    result = imported(text(LINES))
    first, *_, last = records()
    assert (first.kind, first.payload) == (Kind.OPEN, b'{"url":"file:recording.txt"}')
    assert (first.recv_ns, last.recv_ns) == (1723161254087891200, 1723161254087891249)
    assert last.kind == Kind.CLOSE
    assert (result.appended, result.next_pos - result.first_pos) == (50, 52)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bytes], ids=["gzip", "zstd", "plain"])
def test_the_packing_is_known_by_its_magic(
    imported: Callable[..., ImportResult], records: Records, pack: Callable[[bytes], bytes]
) -> None:
    assert imported(pack(text(LINES)), "recording.bin").appended == 50
    assert [r.payload for r in records()][1:-1] == [b'{"n":%d}' % n for n in range(50)]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_members_and_padding_are_read_through(
    imported: Callable[..., ImportResult], pack: Callable[[bytes], bytes]
) -> None:
    padding = bytes(700) if pack is gzip.compress else b""
    packed = pack(text(LINES[:20])) + pack(b"") + padding + pack(text(LINES[20:])) + padding
    assert imported(packed).appended == 50


@pytest.mark.parametrize("lines", [LINES[:12], URL_LINES], ids=["ns", "url"])
def test_a_growing_recording_is_never_taken_in_twice(
    imported: Callable[..., ImportResult], records: Records, tape: Path, lines: list[bytes]
) -> None:
    whole = evidence_of(lines)
    for count in range(1, len(lines) + 1):
        for _ in range(2):
            result = imported(text(lines[:count]))
            assert result.appended + result.already == len(evidence_of(lines[:count]))
        assert result.appended == 0
    assert evidence(records()) == whole
    streams = TapeReader(tape).streams
    assert len(streams) == len(whole)
    for stream in streams:
        kinds = [r.kind for r in records() if r.stream == stream]
        assert (kinds[0], kinds[-1]) == (Kind.OPEN, Kind.CLOSE)


def evidence_of(lines: list[bytes]) -> list[tuple[int, Kind, bytes]]:
    batch = parse_lines(text(lines), None)
    return [
        (ns, Kind(kind), payload)
        for ns, kind, payload in zip(batch.recv_ns.tolist(), batch.kind.tolist(), batch.payloads, strict=True)
    ]


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_last_line_that_is_not_finished_is_kept_apart_until_it_is(
    imported: Callable[..., ImportResult], records: Records, cut: int
) -> None:
    whole = text(LINES[:3])
    for _ in range(2):
        result = imported(whole[:-cut])
    finished = cut == 1
    assert (result.appended, result.already) == (0, 3)
    result = imported(text(LINES))
    assert (result.appended, result.already) == (47, 3) if finished else (48, 2)
    frames = [r for r in records() if r.kind == Kind.FRAME]
    main = [r.payload for r in frames if "line" not in r.stream.connection]
    assert main == [b'{"n":%d}' % n for n in range(50)]
    apart = [r.stream.connection for r in frames if "line" in r.stream.connection]
    assert apart == ([] if finished else [f"{result.stream.connection}-line-3"])


def test_a_grown_recording_keeps_its_name_past_the_prefix(imported: Callable[..., ImportResult]) -> None:
    lines = [b"1723161254087%06d {}" % n for n in range(9000)]
    small = imported(text(lines[:100]))
    grown = imported(text(lines))
    assert small.stream == grown.stream
    assert grown.stream.connection.endswith("-2300")
    assert (grown.already, grown.appended) == (100, 8900)
    assert imported(gzip.compress(text(lines))).already == 9000


def test_different_recordings_and_feeds_are_kept_apart(
    imported: Callable[..., ImportResult], tape: Path, clock: ManualClock, tmp_path: Path
) -> None:
    assert imported(text(LINES)).appended == 50
    assert imported(text(LINES[1:])).appended == 49
    assert imported(text(LINES), connection="lab").stream.connection.startswith("lab-")
    with TapeWriter(tape, clock=clock) as writer:
        assert import_recording(writer, tmp_path / "recording.txt", "kite").appended == 50


def test_lines_of_no_form_go_on_the_tape_and_are_told(
    imported: Callable[..., ImportResult], records: Records
) -> None:
    lines = [LINES[0], b"\xff\x00 rubbish", b"", LINES[1], *[b"bad %d" % n for n in range(12)]]
    result = imported(text(lines))
    assert (result.appended, result.rejected_lines, len(result.messages)) == (15, 13, 10)
    assert result.messages[0] == r"line 2 fits no form: b'\xff\x00 rubbish'"
    assert result.messages[1] == "line 5 fits no form: b'bad 0'"
    frames = [r for r in records() if r.kind == Kind.FRAME]
    assert [r.payload for r in frames][1::2][:1] == [b"\xff\x00 rubbish"]
    assert frames[1].recv_ns == frames[0].recv_ns
    assert {r.recv_ns for r in frames[3:]} == {frames[2].recv_ns}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no lines; nothing was appended"),
        (b"\n\n \n", "holds no lines; nothing was appended"),
        (gzip.compress(b""), "holds no lines; nothing was appended"),
        (bytes(range(256)) * 400, "this is no recording that can be imported, and nothing was appended"),
        (b"a,b,c\n1,2,3\n", "none of the first 2 lines is `NANOSECONDS FRAME`"),
        (b"no newline", "none of the first 1 lines"),
        (gzip.compress(b"hello\nworld\n"), "none of the first 2 lines"),
        (b"\x1f\x8bnot gzip at all", r"damaged before byte 17 of 17: Error -3 .* The 0 lines before it"),
    ],
    ids=["empty", "blank", "empty-gz", "binary", "csv", "line", "gz", "bad-gz"],
)
def test_what_is_no_recording_is_refused_and_nothing_appended(
    imported: Callable[..., ImportResult], records: Records, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        imported(content)
    assert records() == []


def test_a_missing_file_is_told(tape: Path, clock: ManualClock, tmp_path: Path) -> None:
    with TapeWriter(tape, clock=clock) as writer:
        with pytest.raises(DataError, match=r"there is no recording at .*nowhere\.gz"):
            import_recording(writer, tmp_path / "nowhere.gz", "sim")
        with pytest.raises(UsageError, match="max_line_bytes is 100; it must be at least 4194304"):
            import_recording(writer, tmp_path / "nowhere.gz", "sim", max_line_bytes=100)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_file_cut_short_gives_all_before_the_cut_and_the_rest_later(
    imported: Callable[..., ImportResult], records: Records, pack: Callable[[bytes], bytes]
) -> None:
    rng = random.Random(1)
    lines = [b"1723161254087%06d %d" % (n, rng.getrandbits(400)) for n in range(8000)]
    packed = pack(text(lines))
    for part in (0.4, 0.7, 0.7, 0.9):
        with pytest.raises(
            DataError, match=r"recording\.txt: .*repair the file or fetch it again, and import"
        ):
            imported(packed[: int(len(packed) * part)])
    before = len(evidence(records()))
    assert 4000 < before < 8000 or pack is zstandard.compress
    result = imported(packed)
    assert (result.already, result.appended) == (before, 8000 - before)
    assert [payload for _, _, payload in evidence(records())] == [line[20:] for line in lines]


def test_a_damaged_byte_in_the_middle_is_told_with_its_place(
    imported: Callable[..., ImportResult], records: Records
) -> None:
    rng = random.Random(1)
    lines = [b"1723161254087%06d %d" % (n, rng.getrandbits(400)) for n in range(30_000)]
    packed = bytearray(gzip.compress(text(lines)))
    packed[len(packed) * 2 // 3] ^= 0xFF
    with pytest.raises(
        DataError, match=r"damaged before byte \d+ of \d+: .* lines before it are on the tape"
    ):
        imported(bytes(packed))
    found = [payload for _, _, payload in evidence(records())]
    assert len(found) > 15_000
    assert imported(gzip.compress(text(lines))).appended == 30_000 - len(found)


def test_a_line_of_100_megabytes_is_taken_in(imported: Callable[..., ImportResult], tape: Path) -> None:
    huge = b"1723161254087891268 " + b"x" * 100_000_000
    result = imported(gzip.compress(text([LINES[0], huge, LINES[1]]), compresslevel=1))
    assert (result.appended, result.skipped_lines) == (3, 0)
    sizes = [len(payload) for run in TapeReader(tape).read() for payload in run.payloads]
    assert sizes[1:-1] == [7, 100_000_000, 7]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bytes], ids=["gzip", "zstd", "plain"])
def test_lines_over_the_bound_are_left_out_and_told(
    imported: Callable[..., ImportResult], records: Records, pack: Callable[[bytes], bytes]
) -> None:
    huge = b"1723161254087891268 " + b"x" * (9 << 20)
    content = pack(text([LINES[0], huge, LINES[1], huge, LINES[2]]) + huge)
    for _ in range(2):
        result = imported(content, max_line_bytes=5 << 20)
        assert result.skipped_lines == 3
        assert result.messages[0] == f"line 2 is {len(huge)} bytes long and was left out"
        assert [message[:7] for message in result.messages[1:]] == ["line 4 ", "line 6 "]
    assert (result.appended, result.already) == (0, 3)
    assert len(records()) == 5


def test_what_is_imported_is_synced(tape: Path, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "recording.txt").write_bytes(text(LINES))
    with TapeWriter(tape, clock=clock, fsync_interval_s=3600) as writer:
        result = import_recording(writer, tmp_path / "recording.txt", "sim")
        assert writer.synced_pos == result.next_pos == 52


def test_progress_is_told_in_bytes_of_the_file(imported: Callable[..., ImportResult]) -> None:
    told: list[tuple[int, int]] = []
    content = gzip.compress(text(LINES))
    imported(content, progress=lambda done, total: told.append((done, total)))
    assert told == [(len(content), len(content))]


IMPORTER = """
import sys
from pathlib import Path
from barograph.clock import SystemClock
from barograph.tape import TapeWriter, import_recording, recordings
recordings.PIECE_BYTES, recordings._READ = 1 << 15, 1 << 12
with TapeWriter(Path(sys.argv[1]), clock=SystemClock(), roll_bytes=200_000) as tape:
    import_recording(
        tape, Path(sys.argv[2]), "sim", progress=lambda done, total: print(done, flush=True)
    )
"""


def test_kill_9_at_any_moment_and_import_again_gives_every_line_once(
    tape: Path, tmp_path: Path, records: Records
) -> None:
    rng = random.Random(8)
    lines = [b'1723161254087%06d {"n":%d}' % (n, n * n) for n in range(40_000)]
    source = tmp_path / "recording.gz"
    source.write_bytes(gzip.compress(text(lines)))
    killed = 0
    for _ in range(40):
        command = [sys.executable, "-c", IMPORTER, str(tape), str(source)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 30)):
                process.stdout.readline()
            process.kill()
        if process.returncode == 0:
            break
        killed += 1
        if killed == 4:
            break
    with TapeWriter(tape, clock=SystemClock()) as writer:
        import_recording(writer, source, "sim")
    assert killed >= 3
    assert evidence(records()) == evidence_of(lines)
    assert [r.kind for r in records()][-1] == Kind.CLOSE


def test_an_import_that_fills_the_disk_goes_on_later(
    imported: Callable[..., ImportResult], records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = writer_module.write_all, [3]

    def full(fd: int, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(fd, data)

    monkeypatch.setattr(writer_module, "write_all", full)
    content = text([b"17231612540878912%02d " % (n % 100) + b"y" * 3_000_000 for n in range(5)])
    with pytest.raises(StorageFull):
        imported(content)
    left[0] = 1000
    result = imported(content)
    assert (result.appended + result.already, result.already > 0, result.appended > 0) == (5, True, True)
    frames = [r for r in records() if r.kind == Kind.FRAME]
    assert [r.recv_ns % 100 for r in frames] == [0, 1, 2, 3, 4]


def test_opens_that_the_recording_holds_are_not_taken_for_ours(
    imported: Callable[..., ImportResult], records: Records, tape: Path
) -> None:
    """Counting must not be off by one where a session begins with a line that opened a connection."""
    lines = [*URL_LINES[:3], *URL_LINES[4:5], URL_LINES[6]]
    imported(text(lines[:3]))
    imported(text(lines[:4]))
    result = imported(text(lines))
    assert (result.already, result.appended) == (4, 1)
    opens = [json.loads(r.payload)["url"] for r in records() if r.kind == Kind.OPEN]
    assert opens == ["wss://x?token=***", "wss://y", "file:recording.txt"]
    assert [s.connection.removeprefix(result.stream.connection) for s in TapeReader(tape).streams] == [
        "",
        "-2",
        "-3",
    ]
    assert all(isinstance(s, Stream) for s in TapeReader(tape).streams)
