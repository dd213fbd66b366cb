"""docs/postgres.md's recipes for psql, each run by psql as it is written, by the reader role."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import skip_or_fail
from ..store.making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, tick

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.postgres import Address

PAGE = Path(__file__).resolve().parents[2] / "docs" / "postgres.md"
READER = "recipes_reader"


def recipes() -> list[str]:
    section = re.search(
        r"\n## Recipes for psql\n(.*?)(\n## |\Z)", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert section is not None
    return re.findall(r"```sql\n(.*?)```", section[1], re.DOTALL)


def rows() -> dict[str, list[Any]]:
    """A rising price with one leap of volume, a gap, trades and quotes."""
    minutes = [
        bar(
            at + n * MINUTE,
            n,
            symbol,
            open=100.0 + n,
            high=102.0 + n,
            low=99.0 + n,
            price=101.0 + n,
            volume=2.0,
            volume_spike_score=5.0 if n == 7 else 0.1,
        )
        for at in (DAY_0, DAY_1)
        for symbol in ("BTC-USD", "ETH-USD")
        for n in range(30)
    ]
    quote = {"symbol": "BTC-USD", "venue": "sim", "bid_price": 99.0, "ask_price": 101.0}
    missing = {"symbol": "BTC-USD", "venue": "sim", "channel": "trades", "state": "missing", "reason": "cut"}
    return {
        "market_microstructure": minutes,
        "anomalies": [anomaly(DAY_1 + 7 * MINUTE, 8, 5.0)],
        "ticks": [tick(DAY_1 + n, n) for n in range(20)],
        "quotes": [{"ts": DAY_1 + 5, "tape_pos": 5, **quote}],
        "coverage": [{"minute": DAY_1, "tape_pos": 9, **missing}],
    }


@pytest.fixture(scope="module")
def filled(postgres_server: Server) -> Iterator[Address]:
    """A database as a recorder leaves it, with a reader who may look at it."""
    from barograph.settings.keeping import DatabaseSection
    from barograph.store.postgres import PostgresStore
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.migrating import migrate
    from barograph.store.postgres.roles import Role, make_roles, verifier
    from barograph.store.postgres.server import detect
    from barograph.store.postgres.upkeep import upkeep

    address = postgres_server.create()
    with connect(address) as connection:
        migrate(connection, address.namespace, detect(connection).timescaledb)
        store = PostgresStore(address)
        store.commit(commit(0, 40, **rows()))
        store.close()
        upkeep(connection, DAY_1 + 40 * MINUTE, DatabaseSection())
        role = Role(READER, "reader", verifier(connection, READER, "look"))
        make_roles(connection, address.namespace, [role])
    yield type(address)({**address.parameters, "user": READER}, "look", address.namespace)
    with connect(address) as connection:
        connection.execute(f"DROP OWNED BY {READER}; DROP ROLE {READER}")


def psql(server: Server, address: Address, recipe: str, folder: Path) -> list[dict[str, str]]:
    program = server.programs / "psql"
    if not program.exists():
        skip_or_fail("there is no psql here")
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": address.password or "", "PGTZ": "UTC"}
    done = subprocess.run(
        [program, "--no-psqlrc", "--csv", "-v", "ON_ERROR_STOP=1", "-d", str(address)],
        input=recipe,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{recipe}\n{done.stderr}"
    return list(csv.DictReader(done.stdout.splitlines()))


def test_every_recipe_runs_as_it_is_written(postgres_server: Server, filled: Address, tmp_path: Path) -> None:
    assert len(recipes()) == 9
    for recipe in recipes():
        found = psql(postgres_server, filled, recipe, tmp_path)
        assert found or "\\copy" in recipe, recipe
    assert (tmp_path / "ticks.csv").read_text().startswith("time,symbol,price,volume")


def test_recipes_tell_the_truth(postgres_server: Server, filled: Address, tmp_path: Path) -> None:
    last, hours, quarters, spikes, found, quoted, missing, _, _ = recipes()

    def answer(recipe: str) -> list[dict[str, str]]:
        return psql(postgres_server, filled, recipe, tmp_path)

    assert [(row["symbol"], row["price"], row["pct"]) for row in answer(last)] == [
        ("BTC-USD", "130", "0.00"),
        ("ETH-USD", "130", "0.00"),
    ]
    assert [tuple(row.values())[1:6] for row in answer(hours)] == [("100", "131", "99", "130", "60")] * 2
    shown = [tuple(row.values())[2:] for row in answer(quarters) if row["symbol"] == "BTC-USD"]
    assert shown[-2:] == [("100", "116", "99", "115", "30"), ("115", "131", "114", "130", "30")]
    assert {row["score"] for row in answer(spikes)} == {"5.0"}
    assert [(row["kind"], row["price"], row["ten_minutes_later"]) for row in answer(found)] == [
        ("volume_spike", "108", "118")
    ]
    stood = [row["bid_price"] for row in answer(quoted)]
    assert stood == [""] * 5 + ["99"] * 15
    assert [(row["reason"], row["minutes"]) for row in answer(missing)] == [("cut", "1")]
