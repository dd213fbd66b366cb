"""Tick files: write, size and read of a million trades, beside NautilusTrader's catalogue.

    python benchmarks/tick_files.py [--rows N] [--rounds N] [--json] [--peer-python PATH]

Both write the same trades of 20 symbols over one day into a new folder, objects already
built, and read all of them back, and one symbol. The best of several rounds counts, ours before
and after the peer's. NautilusTrader 1.221 wants pandas below 3, so that it has to live in an
environment of its own where pandas is newer: name its interpreter with --peer-python
(made by ``uv venv peer && uv pip install --python peer/bin/python nautilus_trader``).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SYMBOLS = 20
DAY_US = 1_723_075_200_000_000


@dataclass(frozen=True)
class Trades:
    """Simulated trades in order of time: prices in cents, sizes in hundred-thousandths."""

    ts_us: npt.NDArray[np.int64]
    recv_us: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.int32]
    cents: npt.NDArray[np.int64]
    lots: npt.NDArray[np.int64]
    side: npt.NDArray[np.int8]
    trade_id: npt.NDArray[np.int64]


def simulate(rows: int, seed: int = 1) -> Trades:
    """One day: milliseconds from the venue, 20 ms of delay, random walks, a few busy symbols."""
    random = np.random.default_rng(seed)
    ts = DAY_US + np.sort(random.integers(0, 86_400_000, rows)) * 1_000
    recv = np.maximum.accumulate(ts + random.lognormal(np.log(20_000), 0.4, rows).astype(np.int64))
    weight = 1 / np.arange(1, SYMBOLS + 1)
    symbol = random.choice(SYMBOLS, rows, p=weight / weight.sum()).astype(np.int32)
    cents, trade_id = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    for number in range(SYMBOLS):
        mine = np.flatnonzero(symbol == number)
        walk = np.exp(np.cumsum(random.normal(0, 2e-5, len(mine))))
        cents[mine] = np.round(100_000 * (number + 1) * walk)
        trade_id[mine] = 10**9 * (number + 1) + np.arange(len(mine))
    lots = np.maximum(np.round(random.lognormal(-4, 1.5, rows) * 1e5), 1).astype(np.int64)
    side = random.choice(np.array([-1, 1], dtype=np.int8), rows)
    return Trades(ts, recv, symbol, cents, lots, side, trade_id)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def folder_size(folder: Path) -> int:
    """Bytes of the Parquet files in ``folder``, a file with two names counted once."""
    files = {each.st_ino: each.st_size for each in (path.stat() for path in folder.rglob("*.parquet"))}
    return sum(files.values())


class Ours:
    """The lake: commit to a hot part (synced), seal, scan, and the Market's DataFrame."""

    def __init__(self, trades: Trades) -> None:
        import pyarrow as pa

        from barograph.tables import TICKS

        schema = TICKS.schema()
        names = pa.array([f"SYM{number:02d}-USD" for number in range(SYMBOLS)])
        rows = len(trades.ts_us)
        columns = {
            "ts": pa.array(trades.ts_us),
            "recv_ts": pa.array(trades.recv_us),
            "venue": pa.repeat("sim", rows),
            "symbol": names.take(pa.array(trades.symbol)),
            "price": pa.array(trades.cents / 100),
            "size": pa.array(trades.lots / 100_000),
            "side": pa.array(trades.side),
            "trade_id": pa.array(trades.trade_id),
            "seq": pa.nulls(rows, pa.int64()),
            "flags": pa.array(np.zeros(rows, dtype=np.int16)),
            "tape_pos": pa.array(np.arange(rows)),
        }
        self._table = pa.table([columns[f.name].cast(f.type) for f in schema], schema=schema)

    def round(self, folder: Path) -> dict[str, float]:
        from barograph.market import connect
        from barograph.store import Commit, Lake, Scan, read

        rows = self._table.num_rows
        lake = Lake(folder / "lake")
        write_s, _ = timed(lambda: lake.commit(Commit(0, rows, {"ticks": self._table})))
        hot = folder_size(folder)
        seal_s, sealed = timed(lambda: lake.seal(all=True, grace_s=-1))
        scan_s, found = timed(lambda: read(lake, Scan("ticks")))
        assert found.num_rows == rows
        market = connect(folder)
        market_s, _ = timed(market.ticks)
        one_s, one = timed(lambda: market.ticks("SYM05-USD"))
        small = [timed(lambda n=n: lake.commit(self._small(rows + n * 1_000))) for n in range(21)]
        lake.close()
        return {
            "write_s": write_s,
            "write_and_seal_s": write_s + seal_s,
            "hot_bytes_per_row": hot / rows,
            "bytes_per_row": sealed[0].bytes / rows,
            "read_s": scan_s,
            "read_frame_s": market_s,
            "read_one_s": one_s,
            "one_rows": one.height,
            "commit_1000_s": sorted(taken for taken, _ in small)[10],
        }

    def _small(self, pos: int) -> Any:
        from barograph.store import Commit

        return Commit(pos, pos + 1_000, {"ticks": self._table.slice(0, 1_000)})


class Nautilus:
    """NautilusTrader's ParquetDataCatalog with TradeTick objects that are there already."""

    def __init__(self, trades: Trades) -> None:
        from nautilus_trader.model.data import TradeTick
        from nautilus_trader.model.enums import AggressorSide
        from nautilus_trader.model.identifiers import InstrumentId, TradeId
        from nautilus_trader.model.objects import Price, Quantity

        ids = [InstrumentId.from_str(f"SYM{number:02d}-USD.SIM") for number in range(SYMBOLS)]
        sides = {1: AggressorSide.BUYER, -1: AggressorSide.SELLER}
        columns = (trades.symbol, trades.cents, trades.lots, trades.side, trades.trade_id)
        values = zip(*(c.tolist() for c in (*columns, trades.ts_us, trades.recv_us)), strict=True)
        self._by_symbol: list[list[TradeTick]] = [[] for _ in ids]
        for symbol, cents, lots, side, trade_id, ts, recv in values:
            tick = TradeTick(
                ids[symbol],
                Price(cents / 100, 2),
                Quantity(lots / 100_000, 5),
                sides[side],
                TradeId(str(trade_id)),
                ts * 1_000,
                recv * 1_000,
            )
            self._by_symbol[symbol].append(tick)
        self._ids = [str(each) for each in ids]

    def round(self, folder: Path) -> dict[str, float]:
        from nautilus_trader.persistence.catalog import ParquetDataCatalog

        rows = sum(len(ticks) for ticks in self._by_symbol)
        catalog = ParquetDataCatalog(str(folder))

        def write() -> None:
            for ticks in self._by_symbol:
                catalog.write_data(ticks)

        write_s, _ = timed(write)
        read_s, found = timed(catalog.trade_ticks)
        assert len(found) == rows
        one_s, one = timed(lambda: catalog.trade_ticks(instrument_ids=[self._ids[5]]))
        return {
            "write_s": write_s,
            "bytes_per_row": folder_size(folder) / rows,
            "read_s": read_s,
            "read_one_s": one_s,
            "one_rows": len(one),
        }


def measure(make: Callable[[Trades], Any], rows: int, rounds: int) -> dict[str, float]:
    """The best of some rounds, each in a new folder on the disk that holds temporary files."""
    subject = make(simulate(rows))
    results = []
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="tick-files-"))
        try:
            results.append(subject.round(folder))
        finally:
            shutil.rmtree(folder)
    return {name: min(result[name] for result in results) for name in results[0]}


def peer_figures(python: str, rows: int, rounds: int) -> dict[str, float]:
    command = [python, __file__, "--as-peer", "--rows", str(rows), "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the peer could not be measured:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(rows: int, ours: dict[str, float], peer: dict[str, float]) -> dict[str, Any]:
    best = {"ours": ours, "nautilus_trader": peer, "rows": rows}
    ratios = {
        "write": peer["write_s"] / ours["write_s"],
        "write_and_seal": peer["write_s"] / ours["write_and_seal_s"],
        "bytes_per_row": peer["bytes_per_row"] / ours["bytes_per_row"],
        "read": peer["read_s"] / ours["read_s"],
        "read_frame": peer["read_s"] / ours["read_frame_s"],
        "read_one": peer["read_one_s"] / ours["read_one_s"],
    }
    return {**best, "ratios": {name: round(value, 1) for name, value in ratios.items()}}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.as_peer:
        print(json.dumps(measure(Nautilus, options.rows, options.rounds)))
        return
    # The peer is measured between two halves of ours, so that a busy machine hurts both.
    first = measure(Ours, options.rows, options.rounds)
    peer = peer_figures(options.peer_python, options.rows, options.rounds)
    second = measure(Ours, options.rows, options.rounds)
    ours = {name: min(first[name], second[name]) for name in first}
    result = report(options.rows, ours, peer)
    if options.json:
        print(json.dumps(result))
        return
    for name in ("ours", "nautilus_trader", "ratios"):
        print(name, *(f"  {key:20} {value:.4g}" for key, value in result[name].items()), sep="\n")


if __name__ == "__main__":
    main()
