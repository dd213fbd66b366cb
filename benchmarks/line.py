"""The whole line in one process: a recording imported on to the tape, decoded and made into tables.

The recording is the real one of Binance USD-M futures, told again and again, each time six
minutes later and with its numbers moved on, until there are a million frames and none is a
duplicate. Telling it is not measured. Import and replay run in a child process, so that its
peak memory is theirs alone::

    python benchmarks/line.py [--frames 1000000] [--json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

RECORDING = "tapes/binance-usdm-btcusdt_20240808.jsonl.gz"
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

SPAN_MS = 360_000
"""One telling to the next; the recording itself lasts 346 s."""

TIMES = ("E", "T")
UPDATES = ("U", "u", "pu", "lastUpdateId")

CLAIMED_PER_S = 10_000
"""What reference guides for such systems claim, in messages a second; quoted, not measured."""

TARGET_PER_S = 150_000
WARM_FRAMES = 5_000
ROUNDS = 3
"""The best one counts: whatever else the machine does only makes it slower."""


def recorded(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The recording's frames, each with its receipt time in nanoseconds."""
    with gzip.open(path, "rt") as file:
        pairs = (line.split(" ", 1) for line in file)
        return [(int(recv_ns), json.loads(text)) for recv_ns, text in pairs]


def _spread(bodies: list[dict[str, Any]], names: tuple[str, ...]) -> int:
    values = [body[name] for body in bodies for name in names if name in body]
    return max(values) - min(values) + 1


def retold(path: Path, count: int) -> Iterator[str]:
    """At least ``count`` lines ``<receipt ns> <frame>``: whole tellings, none a copy of another."""
    frames = recorded(path)
    bodies = [frame.get("data", frame) for _, frame in frames]
    trades, updates = _spread(bodies, ("t",)), _spread(bodies, UPDATES)
    steps = dict.fromkeys(TIMES, SPAN_MS) | {"t": trades} | dict.fromkeys(UPDATES, updates)
    for telling in range(-(-count // len(frames))):
        shift_ns = telling * SPAN_MS * 1_000_000
        for (recv_ns, frame), body in zip(frames, bodies, strict=True):
            yield f"{recv_ns + shift_ns} {json.dumps(frame, separators=(',', ':'))}\n"
            for name in steps.keys() & body.keys():
                body[name] += steps[name]


def size_of(directory: Path) -> int:
    """Bytes in all files below ``directory``."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def measure(recording: Path, data: Path) -> dict[str, float]:
    """Import and replay ``recording`` here and now; seconds, frames, bytes, megabytes."""
    import resource

    from barograph.clock import SystemClock
    from barograph.recorder import replay
    from barograph.tape import TapeWriter, import_recording

    began, busy = time.perf_counter(), time.process_time()
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        import_recording(tape, recording, "binance")
    imported = time.perf_counter()
    imported_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = replay(data)
    replayed = time.perf_counter()
    return {
        "frames": result.counts.frames,
        "import_s": imported - began,
        "replay_s": replayed - imported,
        "import_peak_mb": imported_mb,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cpu_s": time.process_time() - busy,
        "recording_bytes": recording.stat().st_size,
        "tape_bytes": size_of(data / "tape"),
        "lake_bytes": size_of(data / "lake"),
    }


def measured_apart(recording: Path, data: Path) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(recording), str(data)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def report(figures: dict[str, float]) -> dict[str, Any]:
    """The figures as a benchmark's answer, with rates and whether the target is met."""
    frames = figures["frames"]
    whole_s = figures["import_s"] + figures["replay_s"]
    return {
        "benchmark": "line",
        "frames": frames,
        "import_frames_per_s": round(frames / figures["import_s"]),
        "replay_frames_per_s": round(frames / figures["replay_s"]),
        "frames_per_s": round(frames / whole_s),
        "target_frames_per_s": TARGET_PER_S,
        "claimed_by_reference_guides_per_s": CLAIMED_PER_S,
        "ratio_to_the_claim": round(frames / whole_s / CLAIMED_PER_S, 1),
        "import_peak_mb": round(figures["import_peak_mb"]),
        "peak_mb": round(figures["peak_mb"]),
        "cpu_s": round(figures["cpu_s"], 2),
        "recording_bytes_per_frame": round(figures["recording_bytes"] / frames, 1),
        "tape_bytes_per_frame": round(figures["tape_bytes"] / frames, 1),
        "lake_bytes_per_frame": round(figures["lake_bytes"] / frames, 1),
        "bytes_per_frame": round((figures["tape_bytes"] + figures["lake_bytes"]) / frames, 1),
        "passed": frames / whole_s >= TARGET_PER_S,
    }


def run(count: int) -> dict[str, Any]:
    """Tell the recording, warm the compiled kernels' cache, measure."""
    with tempfile.TemporaryDirectory(prefix="barograph-line-") as name:
        place = Path(name)
        for file, lines in (
            ("warm", islice(retold(SHARED_DATA / RECORDING, 1), WARM_FRAMES)),
            ("recording", retold(SHARED_DATA / RECORDING, count)),
        ):
            with (place / f"{file}.txt").open("w") as out:
                out.writelines(lines)
        measured_apart(place / "warm.txt", place / "warm")
        rounds = [measured_apart(place / "recording.txt", place / f"data-{n}") for n in range(ROUNDS)]
        return report(min(rounds, key=lambda figures: figures["import_s"] + figures["replay_s"]))


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description="Measure the whole line.")
    parser.add_argument("--frames", type=int, default=1_000_000, help="at least so many frames")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    answer = run(arguments.frames)
    if arguments.json:
        print(json.dumps(answer))
        return
    for name, value in answer.items():
        shown = f"{value:,}" if type(value) in (int, float) else str(value)
        print(f"{name:36} {shown:>14}")


if __name__ == "__main__":
    main()
