"""PostgreSQL: load, read, live commits and a day's export, each beside its peer in the same run.

    python -m benchmarks.postgres [--rows 1000000] [--days 10] [--json]

Starts a server of its own (fsync on, everything else as PostgreSQL comes, over TCP on this machine).
The peers: ``psql \\copy`` of CSV into a table without any index, ``executemany`` of psycopg on a
sample of the same Arrow table, safe to repeat as ours is (ON CONFLICT DO NOTHING),
``pandas.read_sql``, and ``pg_dump`` of all rows where only the last day is wanted. Ours load into the tables
that `barograph db init` makes, with their keys, partitions and indexes, twice: in bulk by key, as restore and
sync do (`load`), and by the commits of a replay, each one transaction with its tape position (`commits`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from tests.servers.postgres import Server, server

from barograph.clock import DAY_US, MINUTE_US
from barograph.store import Commit, Scan
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.schema import physical
from barograph.store.postgres.server import detect
from barograph.tables import MARKET_MICROSTRUCTURE, TICKS
from benchmarks.tick_files import DAY_US as START_US
from benchmarks.tick_files import Ours, simulate

SAMPLE = 200_000
COMMIT_ROWS = 65_536
LIVE_ROWS, LIVE_COMMITS = 1_000, 200
TARGETS = {"load": 0.5, "load_executemany": 5.0, "read": 5.0, "export": 5.0}


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ticks(rows: int, day: int = 0, first_pos: int = 0) -> pa.Table:
    """Trades of one day in order of arrival, each at a tape position of its own."""
    made = Ours(simulate(rows, seed=day + 1))._table  # noqa: SLF001 - the same trades as tick_files.py
    positions = pa.array(np.arange(first_pos, first_pos + rows))
    made = made.set_column(10, TICKS.schema().field("tape_pos"), positions)
    for place, name in ((0, "ts"), (1, "recv_ts")):
        moved = pa.compute.add(made[name].cast(pa.int64()), day * DAY_US)
        made = made.set_column(place, TICKS.schema().field(name), moved.cast(made[name].type))
    return made.cast(TICKS.schema())


def bars(rows: int, symbols: int = 20) -> pa.Table:
    """Minutes of some symbols, sorted as the table is."""
    random = np.random.default_rng(1)
    each = rows // symbols
    columns: dict[str, pa.Array] = {}
    for field in MARKET_MICROSTRUCTURE.schema():
        count = each * symbols
        if field.name == "timestamp":
            column = pa.array(np.tile(START_US + np.arange(each) * MINUTE_US, symbols))
        elif field.name == "symbol":
            column = pa.array(np.repeat([f"SYM{number:02d}-USD" for number in range(symbols)], each))
        elif field.name == "venue":
            column = pa.repeat("sim", count)
        elif pa.types.is_floating(field.type):
            column = pa.array(random.normal(size=count))  # few scores are above 3
        elif field.name == "as_of":
            column = pa.array(np.full(count, START_US))
        else:
            column = pa.array(np.arange(count) if field.name == "tape_pos" else np.zeros(count, np.int64))
        columns[field.name] = column.cast(field.type)
    return pa.table(columns, schema=MARKET_MICROSTRUCTURE.schema())


def commits(table: pa.Table) -> Iterator[Commit]:
    """A replay's commits: so many records each."""
    first = table["tape_pos"][0].as_py()
    for start in range(0, table.num_rows, COMMIT_ROWS):
        rows = table.slice(start, COMMIT_ROWS)
        yield Commit(first + start, first + start + rows.num_rows, {"ticks": rows})


class Bench:
    """One server, one database with tables and one for the peers."""

    def __init__(self, running: Server, rows: int, folder: Path) -> None:
        self.rows, self.folder = rows, folder
        self.programs = running.programs
        self.address, self.peers = running.create(), running.create()
        with connect(self.address) as connection:
            migrate(connection, self.address.namespace, detect(connection).timescaledb)
        self.store = PostgresStore(self.address)

    def commits(self) -> dict[str, float]:
        """A million ticks: into a bare table by psql, into ours by commits, ours again, and executemany."""
        table = ticks(self.rows)
        file = self.folder / "ticks.csv"
        pa_csv.write_csv(table, file)
        columns = ", ".join(f"{name} {kind}" for name, kind in physical("ticks").columns[:-1])
        with connect(self.peers) as connection:
            connection.execute(f"CREATE TABLE bare ({columns})")
            connection.execute(f"CREATE TABLE keyed ({columns}, PRIMARY KEY (symbol, venue, ts, tape_pos))")
        command = f"\\copy bare from '{file}' with (format csv, header)"
        psql_s = timed(lambda: self.run("psql", self.peers, "-c", command))
        ours_s = timed(lambda: [self.store.commit(each) for each in commits(table)])
        again_s = timed(lambda: self.store.absorb("ticks", self._sorted()))
        return {
            "psql_copy_rows_s": self.rows / psql_s,
            "commits_rows_s": self.rows / ours_s,
            "duplicate_rows_s": self.rows / again_s,
            "executemany_rows_s": SAMPLE / self._executemany(table.slice(0, SAMPLE)),
        }

    def load(self) -> dict[str, float]:
        """The same ticks in bulk, as a restore brings them: sorted, into empty tables, safe to repeat."""
        batches = self._sorted()
        self.store.close()  # what the connection has learned of rows that were there is forgotten
        with connect(self.address) as connection:
            connection.execute("TRUNCATE ticks")
        return {"load_rows_s": self.rows / timed(lambda: self.store.absorb("ticks", batches))}

    def load_bars(self) -> dict[str, float]:
        """Bars that are new, and the same again."""
        table = bars(self.rows)
        return {
            name: table.num_rows
            / timed(lambda: self.store.absorb("market_microstructure", table.to_batches()))
            for name in ("bars_rows_s", "bars_again_rows_s")
        }

    def read(self) -> dict[str, float]:
        """All bars as a Polars frame, and by pandas."""
        import pandas as pd
        import polars as pl

        wanted = Scan("market_microstructure")

        def ours() -> None:
            assert pl.from_arrow(pa.Table.from_batches(self.store.scan(wanted))).height > 0

        def peer() -> None:
            with connect(self.address) as connection, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas would like SQLAlchemy better
                frame = pd.read_sql("SELECT * FROM market_microstructure", connection)
            assert len(frame) > 0

        ours()
        first_s, peer_s, second_s = timed(ours), timed(peer), timed(ours)
        return {"read_s": min(first_s, second_s), "read_sql_s": peer_s}

    def live(self) -> dict[str, float]:
        """Commits as a recorder makes them: ticks and quotes, a few bars, some of them revised."""
        minutes = bars(20_000)
        taken = []
        begin = self.store.committed()
        many = ticks(LIVE_ROWS * LIVE_COMMITS, day=1, first_pos=begin)
        for number in range(LIVE_COMMITS):
            rows = many.slice(number * LIVE_ROWS, LIVE_ROWS)
            first = begin + number * LIVE_ROWS
            revised = minutes.slice(number * 10, 20)
            place = revised.schema.get_field_index("tape_pos")
            newer = pa.array(np.arange(first, first + len(revised)))
            revised = revised.set_column(place, revised.schema.field(place), newer)
            tables = {"ticks": rows, "market_microstructure": revised}
            one = Commit(first, first + LIVE_ROWS, tables)
            taken.append(timed(lambda one=one: self.store.commit(one)))  # type: ignore[misc]
        taken.sort()
        return {
            "live_p50_ms": taken[len(taken) // 2] * 1e3,
            "live_p99_ms": taken[int(len(taken) * 0.99)] * 1e3,
        }

    def export(self, days: int) -> dict[str, float]:
        """One day out of all, sorted, as Parquet; and all of it by pg_dump."""
        begin = self.store.committed()
        for day in range(2, days + 1):
            first = begin + day * self.rows
            for each in ticks(self.rows, day, first).to_batches(max_chunksize=COMMIT_ROWS):
                self.store.absorb("ticks", [each])
        since = START_US + days * DAY_US
        file = self.folder / "day.parquet"

        def ours() -> None:
            with (
                self.store.snapshot() as held,
                pq.ParquetWriter(file, TICKS.schema(), compression="zstd") as out,
            ):
                for batch in held.scan(Scan("ticks", start_us=since, end_us=since + DAY_US)):
                    out.write_batch(batch)

        dumped = self.folder / "all.dump"
        ours_s = min(timed(ours), timed(ours))
        peer_s = timed(lambda: self.run("pg_dump", self.address, "-Fc", "-f", str(dumped), "-t", "ticks*"))
        return {
            "export_s": ours_s,
            "export_rows": pq.read_metadata(file).num_rows,
            "export_bytes": file.stat().st_size,
            "pg_dump_s": peer_s,
            "pg_dump_bytes": dumped.stat().st_size,
        }

    def run(self, program: str, address: Address, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; the password goes by the environment."""
        environment = {"PGPASSWORD": address.password or "", "PATH": "/usr/bin:/bin"}
        subprocess.run(
            [self.programs / program, "-d", str(address), *arguments],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )

    def _sorted(self) -> list[pa.RecordBatch]:
        return list(self.store.scan(Scan("ticks")))

    def _executemany(self, table: pa.Table) -> float:
        marks = ", ".join(["%s"] * table.num_columns)
        statement = f"INSERT INTO keyed VALUES ({marks}) ON CONFLICT DO NOTHING"

        def insert(cursor: psycopg.Cursor[Any]) -> None:
            rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
            cursor.executemany(statement, list(rows))

        with connect(self.peers) as connection, connection.transaction(), connection.cursor() as cursor:
            return timed(lambda: insert(cursor))


def ratios(found: dict[str, float]) -> dict[str, float]:
    """How many times better we are."""
    return {
        "load": found["load_rows_s"] / found["psql_copy_rows_s"],
        "commits": found["commits_rows_s"] / found["psql_copy_rows_s"],
        "duplicate": found["duplicate_rows_s"] / found["psql_copy_rows_s"],
        "load_executemany": found["load_rows_s"] / found["executemany_rows_s"],
        "commits_executemany": found["commits_rows_s"] / found["executemany_rows_s"],
        "read": found["read_sql_s"] / found["read_s"],
        "export": found["pg_dump_s"] / found["export_s"],
        "sync": found["rows"] / found["sync_postgresql_s"] / found["psql_copy_rows_s"],
    }


def synced(rows: int, running: Server) -> dict[str, float]:
    """A day's ticks from a backup, into a lake and into a database."""
    from benchmarks.sync import both

    found = both(rows, running)
    return {"rows": float(rows)} | {f"sync_{kind}_s": each["second_day_s"] for kind, each in found.items()}


def main() -> int:
    """Run and print; the exit code tells whether all targets were met."""
    parser = argparse.ArgumentParser(description="PostgreSQL beside its own tools and pandas.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with server(fsync="on", shared_buffers="'128MB'") as running, tempfile.TemporaryDirectory() as folder:
        bench = Bench(running, options.rows, Path(folder))
        found = {**bench.commits(), **bench.load(), **bench.load_bars(), **bench.read(), **bench.live()}
        found |= bench.export(options.days)
        bench.store.close()
        found |= synced(options.rows, running)
        with psycopg.connect(**running.address().conninfo()) as connection:
            version = str(connection.info.server_version)
    compared = ratios(found)
    answer = {"server": version, "rows": options.rows, **found, "ratios": compared}
    answer["targets"] = {
        name: {"target": least, "met": compared[name] >= least} for name, least in TARGETS.items()
    }
    if options.json:
        print(json.dumps(answer))
    else:
        for name, value in found.items():
            print(f"{name:24} {value:14,.1f}")
        for name, value in compared.items():
            least = TARGETS.get(name)
            verdict = (
                "" if least is None else f"  target {least:g} x, {'met' if value >= least else 'MISSED'}"
            )
            print(f"{name:24} {value:12.2f} x{verdict}")
    return 0 if all(compared[name] >= least for name, least in TARGETS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
