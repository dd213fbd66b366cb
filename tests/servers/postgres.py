"""A real PostgreSQL of the tests' own: found on this machine, started on a free port, gone afterwards.

It refuses to run as root, so root starts it as the least of the users that can be (``nobody``'s
id, or any other that owns nothing).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from barograph.store.postgres.address import Address

WITHIN_S = 60.0
_USER, _PASSWORD = "warden", "correct horse"
_INITDB = (
    f"--username={_USER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
)
_numbers = count()


def binaries() -> Path | None:
    """The folder of PostgreSQL's server programs; None where there is none."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return next((each for each in folders if (each / "initdb").exists()), None)


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _someone() -> dict[str, Any]:
    """As whom the server runs: ourselves, or somebody without rights where we are root."""
    if os.name == "nt" or os.getuid() != 0:
        return {}
    return {"user": 65534, "group": 65534, "extra_groups": ()}


@dataclass
class Server:
    """A running server. ``settings`` are lines of postgresql.conf beside the defaults."""

    folder: Path
    programs: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    def address(self, name: str = "postgres", namespace: str = "public", user: str = _USER) -> Address:
        """The address of a database on it; ``user`` is the superuser when nothing else is said."""
        parameters = {"host": "127.0.0.1", "port": str(self.port), "dbname": name, "user": user}
        return Address(parameters, _PASSWORD, namespace)

    def create(self) -> Address:
        """A new, empty database."""
        import psycopg

        name = f"test_{next(_numbers)}"
        with psycopg.connect(**self.address().conninfo(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def start(self) -> None:
        """Start it, and wait until it lets people in."""
        log = self.folder / "server.log"
        lines = [f"{name} = {value}" for name, value in self._conf().items()]
        (self.folder / "data" / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data"],
                stdout=out,
                stderr=out,
                cwd=self.folder,
                **_someone(),
            )
        until = time.monotonic() + WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)

    def stop(self, how: str = "fast") -> None:
        """Stop it: ``fast``, ``smart``, or ``immediate``, which is as a crash."""
        signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        self.process.send_signal(signals[how])
        self.process.wait(WITHIN_S)

    def _conf(self) -> dict[str, str]:
        return {
            "port": str(self.port),
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "max_connections": "50",
            "shared_buffers": "'64MB'",
            # The tests kill the server, not the machine: what it has written stays written.
            "fsync": "off",
            "log_min_messages": "warning",
            **self.settings,
        }

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(**self.address().conninfo(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A fresh server with ``settings`` of postgresql.conf; it has a superuser and no tables."""
    programs = binaries()
    assert programs is not None, "no PostgreSQL server is installed"
    folder = Path(tempfile.mkdtemp(prefix="barograph-postgres-"))
    try:
        if _someone():
            os.chown(folder, 65534, 65534)
        secret = folder / "secret"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [programs / "initdb", "--pgdata", folder / "data", "--pwfile", secret, *_INITDB],
            check=True,
            capture_output=True,
            cwd=folder,
            **_someone(),
        )
        running = Server(folder, programs, _free_port(), settings)
        running.start()
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
