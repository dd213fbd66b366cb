"""README.md's section on PostgreSQL, run by a shell as it is written, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from barograph.recorder.warming import warm

from ..conftest import skip_or_fail

if TYPE_CHECKING:
    from tests.servers.postgres import Server

README = Path(__file__).resolve().parents[2] / "README.md"
ENOUGH = "--duration 6s"


def script() -> str:
    """The section's shell blocks; the recording ends by itself, for nobody is there to press Ctrl-C."""
    section = re.search(r"\n## PostgreSQL\n(.*?)\n## ", README.read_text(encoding="utf-8"), re.DOTALL)
    assert section is not None
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL))
    assert blocks.count("--feed sim ") == 1
    return "set -eu\n" + blocks.replace("--feed sim ", f"--feed sim {ENOUGH} ")


def _without(given: Mapping[str, str], *beginnings: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if not name.startswith(beginnings)}


def environment(server: Server, programs: Path) -> dict[str, str]:
    """A shell's, with libpq's own variables for who and where, and commands of a machine that is set up."""
    for name in ("sudo", "pip"):
        stub = programs / name
        stub.write_text("#!/bin/sh\nexit 0\n")
        stub.chmod(0o755)
    address = server.address()
    path = [str(programs), str(server.programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    libpq = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user"}
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "DB_", "BAROGRAPH__"))
        },
        **{name: address.parameters[key] for name, key in libpq.items()},
        "PGPASSWORD": address.password or "",
        "PATH": os.pathsep.join(path),
        "USER": "somebody",
    }


@pytest.mark.slow
def test_from_nothing_to_psql_over_ones_own_recording(postgres_server: Server, tmp_path: Path) -> None:
    warm()  # a recording of seconds cannot wait for the compiler
    shell = shutil.which("bash")
    if shell is None or not (postgres_server.programs / "psql").exists():
        skip_or_fail("no bash or no psql here")
    programs = tmp_path / "programs"
    programs.mkdir()
    done = subprocess.run(
        [shell, "-c", script()],
        cwd=tmp_path,
        env=environment(postgres_server, programs),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "change_pct_day" in done.stdout
    assert "BTC-USD" in done.stdout
    assert re.search(r'\{"symbol":"BTC-USD","trades":\d+\}', done.stdout)
    assert "committed" in done.stdout
    assert not (tmp_path / "D" / "lake").exists()
    assert (tmp_path / "D" / "tape").is_dir()
