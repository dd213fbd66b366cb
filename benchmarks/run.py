"""All benchmarks, one after the other, each beside its peer: a table of ratios and targets.

    python -m benchmarks.run [--json] [--only NAME ...]

Peers are installed on first use, into environments of their own (``peers.py``). A benchmark
that cannot run is told, and the exit code is 1; a target that is missed only shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import python_of

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Figure:
    """One comparison. ``ratio`` is how many times better we are; ``met`` None where nothing is promised."""

    what: str
    ours: str
    peer: str
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder, which answers ``--json`` with one object and nothing else.

    ``environment`` names the one to run in; the interpreter of ``peer`` is handed over by
    ``--peer-python``; ``read`` makes figures of the answer.
    """

    script: str
    read: Callable[[Any], list[Figure]]
    environment: str = ""
    peer: str = ""


def decode_binance(answer: Any) -> list[Figure]:
    """A trade in a replay's run is promised in a microsecond; a lone frame is shown beside it."""
    figures = []
    for result in answer["results"]:
        for run, us in result["ours_us"].items():
            promised = result["kind"] == "trade" and run == max(result["ours_us"], key=int)
            peer_us = result["cryptofeed_us"]
            figures.append(
                Figure(
                    f"Binance {result['kind']}, runs of {run}",
                    f"{us:.2f} us",
                    f"cryptofeed {peer_us:.2f} us" if peer_us else "cryptofeed is absent",
                    result["times_faster"].get(run),
                    "1 us" if promised else "",
                    us <= 1 if promised else None,
                )
            )
    return figures


def decode_kite(answer: Any) -> list[Figure]:
    """Twenty times the vendor's client, in a replay; live, one frame at a time, is shown beside it."""
    figures = []
    for row in answer["rows"]:
        what, peer = (
            f"Kite full packets, {row['packets_a_frame']} a frame",
            f"kiteconnect {row['vendor_ns']} ns",
        )
        fast, live = row["replay_times_faster"], row["live_times_faster"]
        figures.append(Figure(what, f"{row['ours_replay_ns']} ns", peer, fast, "20 x", fast >= 20))
        figures.append(Figure(f"{what}, frame by frame", f"{row['ours_live_ns']} ns", peer, live))
    return figures


def tick_files(answer: Any) -> list[Figure]:
    """Writing, size and reading of a million trades."""
    ours, peer, ratios = answer["ours"], answer["nautilus_trader"], answer["ratios"]

    def figure(
        what: str, name: str, base: str, unit: str, target: str = "", met: bool | None = None
    ) -> Figure:
        theirs = f"NautilusTrader {peer[base]:.3g} {unit}"
        return Figure(what, f"{ours[name]:.3g} {unit}", theirs, peer[base] / ours[name], target, met)

    written, size = ratios["write"] >= 15, ours["bytes_per_row"] <= 16
    return [
        figure("1 M trades written, durable", "write_s", "write_s", "s", "15 x", written),
        figure("  written and sealed", "write_and_seal_s", "write_s", "s"),
        figure("  size of a trade", "bytes_per_row", "bytes_per_row", "bytes", "16 bytes", size),
        figure("  read back, Arrow", "read_s", "read_s", "s"),
        figure("  read back, DataFrame", "read_frame_s", "read_s", "s"),
        figure("  one symbol", "read_one_s", "read_one_s", "s"),
    ]


def line(answer: Any) -> list[Figure]:
    """The whole line; the guides' figure is a claim of theirs, not a measurement."""
    claim = answer["claimed_by_reference_guides_per_s"]

    def figure(what: str, name: str, target: str = "", met: bool | None = None) -> Figure:
        rate = answer[name]
        return Figure(what, f"{rate:,}/s", f"guides claim {claim:,}/s", rate / claim, target, met)

    target = answer["target_frames_per_s"]
    memory = Figure("  peak memory", f"{answer['peak_mb']} MB", "")
    tape = Figure("  tape and tables", f"{answer['bytes_per_frame']} bytes a frame", "")
    return [
        figure("frames through the whole line", "frames_per_s", f"{target:,}/s", answer["passed"]),
        figure("  import", "import_frames_per_s"),
        figure("  replay", "replay_frames_per_s"),
        memory,
        tape,
    ]


def bars_kernel(answer: Any) -> list[Figure]:
    """All columns against a group-by that computes OHLCV alone: at most twice its time."""
    taken, kernel = answer["batch_s"], answer["advance"]
    theirs = taken["polars_ohlcv"]

    def figure(what: str, name: str, target: str = "", met: bool | None = None) -> Figure:
        ours, peer = f"{taken[name] * 1000:.0f} ms", f"Polars OHLCV {theirs * 1000:.0f} ms"
        return Figure(what, ours, peer, theirs / taken[name], target, met)

    resumable = [
        Figure(
            f"  resumable kernel, a row, runs of {size:,}", f"{kernel[f'ns_a_row_runs_of_{size}']:.0f} ns", ""
        )
        for size in (65_536, 10, 1)
    ]
    promised = taken["all_columns_ratio"] <= 2
    return [
        figure("minutes of 1 M trades, all columns", "all_columns", "0.5 x", promised),
        figure("  unsigned, and of 1 M quotes", "all_columns_with_quotes"),
        *resumable,
    ]


BENCHMARKS = {
    "decode_binance": Benchmark("decode_binance.py", decode_binance, environment="decoders"),
    "decode_kite": Benchmark("decode_kite.py", decode_kite, environment="decoders"),
    "tick_files": Benchmark("tick_files.py", tick_files, peer="nautilus"),
    "line": Benchmark("line.py", line),
    "bars_kernel": Benchmark("bars_kernel.py", bars_kernel),
}


def measured(benchmark: Benchmark) -> list[Figure]:
    """Run it and read its answer.

    Raises:
        subprocess.CalledProcessError: it failed; its words are on standard error.
    """
    python = str(python_of(benchmark.environment)) if benchmark.environment else sys.executable
    command = [python, str(HERE / benchmark.script), "--json"]
    if benchmark.peer:
        command += ["--peer-python", str(python_of(benchmark.peer))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return benchmark.read(json.loads(done.stdout))


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def show(figures: list[Figure]) -> None:
    """The table, its columns as wide as they need to be."""
    verdicts = {True: "met", False: "MISSED", None: ""}
    rows = [("", "ours", "peer", "ratio", "target", "")]
    for each in figures:
        ratio = f"{each.ratio:.2f}" if each.ratio is not None else ""
        rows.append((each.what, each.ours, each.peer, ratio, each.target, verdicts[each.met]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for what, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([what.ljust(widths[0]), *cells]).rstrip())


def main() -> int:
    """Run what is asked for and print."""
    parser = argparse.ArgumentParser(description="Every benchmark beside its peer.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    options = parser.parse_args()
    before, started = machine(), time.monotonic()
    figures: list[Figure] = []
    failed = []
    for name in options.only:
        sys.stderr.write(f"{name} ...\n")
        try:
            figures += measured(BENCHMARKS[name])
        except subprocess.CalledProcessError as error:
            failed.append(name)
            sys.stderr.write(f"{name} could not be measured: {error}\n")
    if options.json:
        taken = round(time.monotonic() - started)
        answer = {"on": before, "seconds": taken, "failed": failed, "figures": [asdict(f) for f in figures]}
        print(json.dumps(answer))
    else:
        print(", ".join(f"{name} {value}" for name, value in before.items()))
        show(figures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
