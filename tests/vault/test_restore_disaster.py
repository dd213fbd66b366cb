"""The machine is lost. Another user, in an empty home, has the backup directory and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from tests.servers.postgres import Server
from tests.servers.recorded import with_tables, write_tape

from barograph.cli import main
from barograph.store import Lake
from barograph.store.postgres import PostgresStore
from barograph.store.postgres.address import Address
from barograph.store.store import Absorbing

from .taking import content

NOBODY = 65_534


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Another machine's disk: a folder that belongs to somebody without rights where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="barograph-disaster-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def given_to_the_other_user(folder: Path) -> None:
    if os.name != "nt" and os.getuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)


def run(elsewhere: Path, *words: object, address: Address | None = None) -> subprocess.CompletedProcess[str]:
    """The command line as the other user, with nothing of ours in the environment."""
    home = elsewhere / "home"
    if not home.exists():
        home.mkdir()
        given_to_the_other_user(home)
    database = {"BAROGRAPH__STORE": "postgresql", "DATABASE_URL": address.uri()} if address else {}
    return subprocess.run(
        [sys.executable, Path(__file__).with_name("disaster_user.py"), *words, "--json", "--quiet"],
        env={"HOME": str(home), "PATH": os.environ["PATH"], **database},
        capture_output=True,
        text=True,
        check=False,
    )


def recorded(home: Path, monkeypatch: pytest.MonkeyPatch, address: Address | None) -> Absorbing:
    """A simulated market, recorded in two days' parts, each with its backups; the store at the end."""
    monkeypatch.chdir(home)
    if address is not None:
        monkeypatch.setenv("BAROGRAPH__STORE", "postgresql")
        monkeypatch.setenv("DATABASE_URL", address.uri())
    data = home / "data"
    monkeypatch.setenv("BAROGRAPH__TAPE__ROLL_BYTES", "65536")
    for number, minutes in enumerate((30, 60)):
        write_tape(data, minutes=minutes, seed=number)
        for words in ("replay", "backup run --kind hourly-raw", "backup run --kind daily"):
            assert main([*words.split(), "--data", str(data), "--quiet"]) == 0
    return Lake(data / "lake") if address is None else PostgresStore(address)


@pytest.mark.parametrize("to", ["lake", "postgresql"])
@pytest.mark.parametrize("of", ["lake", "postgresql"])
def test_all_comes_back_from_the_backup_directory_alone(
    tmp_path: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    of: str,
    to: str,
) -> None:
    server: Server | None = None
    if "postgresql" in (of, to):
        server = request.getfixturevalue("postgres_server")
    first, second = (
        with_tables(server.create()).address if server and kind != "lake" else None for kind in (of, to)
    )
    store = recorded(tmp_path, monkeypatch, first)
    with closing(store):
        expected, committed, lineage = content(store), store.committed(), store.lineage()
    assert all(expected[name].num_rows for name in ("ticks", "quotes", "market_microstructure", "candles"))
    shutil.copytree(tmp_path / "data" / "backups", elsewhere / "backups")
    given_to_the_other_user(elsewhere / "backups")
    shutil.rmtree(tmp_path / "data")
    _damage_is_found(elsewhere)

    data = elsewhere / "home" / "data"
    words = ("restore", "--from", elsewhere / "backups", "--data", data, "--verify")
    done = run(elsewhere, *words, address=second)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["next_pos"] == committed
    assert said["verified"]["ticks"] == expected["ticks"].num_rows
    with closing(Lake(data / "lake") if second is None else PostgresStore(second)) as found:
        assert content(found) == expected
        assert (found.committed(), found.lineage()) == (committed, lineage)
    refused = run(elsewhere, *words[:-1], address=second)
    assert (refused.returncode, "not empty" in refused.stderr) == (2, True)
    if server is not None:
        assert "correct horse" not in done.stdout + done.stderr + refused.stderr


def _damage_is_found(elsewhere: Path) -> None:
    """A changed byte in some files, and some files missing: each is found."""
    random, backups = Random(11), elsewhere / "backups"
    files = sorted(path for path in backups.rglob("*") if path.suffix in (".parquet", ".sealed"))
    for number, path in enumerate(random.sample(files, 2)):
        good = path.read_bytes()
        bad = bytearray(good)
        bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
        for changed in (bytes(bad), None):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            target = elsewhere / "home" / f"damaged-{number}"
            done = run(elsewhere, "restore", "--from", backups, "--into", target)
            assert done.returncode == 4, (path, done.stdout, done.stderr)
            path.write_bytes(good)
            shutil.rmtree(target, ignore_errors=True)
