"""The writer and the reader, logged in for real: each may do its work and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.servers.postgres import Server

from barograph.errors import SettingsError, UsageError
from barograph.settings.keeping import DatabaseSection
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect, errors
from barograph.store.postgres.exchanging import exchange
from barograph.store.postgres.inspecting import inspect
from barograph.store.postgres.migrating import migrate
from barograph.store.postgres.roles import Role, known_roles, make_roles, role_statements, verifier
from barograph.store.postgres.schema import all_physical
from barograph.store.postgres.server import TimescaleDB, detect
from barograph.store.postgres.upkeep import upkeep

NOW_US = round(datetime.now(UTC).timestamp() * 1e6)
DENIED = psycopg.errors.InsufficientPrivilege
PASSWORD = "o'dd \\ pass"
_numbers = count()


class People(NamedTuple):
    owner: psycopg.Connection[Any]
    writer: psycopg.Connection[Any]
    reader: psycopg.Connection[Any]
    names: tuple[str, str]


def as_role(address: Address, name: str, password: str = PASSWORD) -> psycopg.Connection[Any]:
    return connect(replace(address, parameters={**address.parameters, "user": name}, password=password))


@contextmanager
def at_work(address: Address) -> Iterator[People]:
    number = next(_numbers)  # roles are the server's, not the database's
    names = f"writer {number}", f'reader"{number}'
    with closing(connect(address)) as owner:
        migrate(owner, "public", TimescaleDB())
        roles = [
            Role(names[0], "writer", verifier(owner, names[0], PASSWORD)),
            Role(names[1], "reader", verifier(owner, names[1], PASSWORD)),
        ]
        owner.execute("CREATE TABLE holdings (number integer)")
        make_roles(owner, "public", roles)
        with closing(as_role(address, names[0])) as writer, closing(as_role(address, names[1])) as reader:
            yield People(owner, writer, reader, names)


@pytest.fixture
def people(postgres: Address) -> Iterator[People]:
    with at_work(postgres) as all_three:
        yield all_three


@pytest.fixture(scope="module")
def idle(postgres_server: Server) -> Iterator[People]:
    """The same for tests that change nothing."""
    with at_work(postgres_server.create()) as all_three:
        yield all_three


def test_the_writer_does_all_that_a_recorder_does(people: People) -> None:
    writer = people.writer
    upkeep(writer, NOW_US, DatabaseSection(ahead_days=1, keep_days=5))
    writer.execute("SELECT barograph_make_partitions('ticks', '2026-01-01', '2026-01-02')")
    with writer.transaction():
        writer.execute("CREATE TEMP TABLE staged (LIKE ticks)")
        writer.execute(
            "INSERT INTO staged VALUES ('2026-01-01', now(), 'sim', 'B', 1, 1, 0, NULL, NULL, 0, 1, 0)"
        )
        writer.execute("INSERT INTO ticks SELECT * FROM staged ON CONFLICT DO NOTHING")
        writer.execute("INSERT INTO barograph_commits VALUES (0, 1) ON CONFLICT DO NOTHING")
        writer.execute("INSERT INTO barograph_state VALUES ('lineage', 'x')")
        writer.execute("UPDATE barograph_state SET value = 'y'")
    writer.execute("UPDATE market_microstructure SET price = 1")
    with writer.cursor() as cursor, cursor.copy("COPY quotes FROM STDIN"):
        pass
    assert writer.execute("SELECT price FROM ticks").fetchall() == [(1.0,)]
    for view in ("anomalies", "last_prices", "market_minutes", "bars_1h", "barograph_partitions"):
        writer.execute(f"SELECT * FROM {view}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ticks",
        "UPDATE ticks SET price = 0",
        "TRUNCATE market_microstructure",
        "DROP TABLE ticks",
        "ALTER TABLE ticks ADD COLUMN mine integer",
        "CREATE TABLE mine (number integer)",
        "SELECT * FROM holdings",
        "UPDATE bars_1h SET price = 0",
        "DELETE FROM barograph_commits",
        "UPDATE barograph_migrations SET version = 99",
        "DELETE FROM barograph_dropped",
    ],
)
def test_the_writer_does_nothing_else(idle: People, statement: str) -> None:
    with pytest.raises(DENIED):
        idle.writer.execute(statement)


def test_the_reader_reads_everything_made_later_too(people: People) -> None:
    upkeep(people.writer, NOW_US, DatabaseSection(ahead_days=1))
    people.owner.execute("CREATE TABLE later (number integer)")
    for name in (*(each.name for each in all_physical()), "holdings", "later", "anomalies", "bars_1d"):
        people.reader.execute(f"SELECT * FROM {name}")
    (piece,) = people.owner.execute("SELECT name FROM barograph_partitions LIMIT 1").fetchall()[0]
    people.reader.execute(f"SELECT * FROM {piece}")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO barograph_state VALUES ('lineage', 'mine')",
        "UPDATE ticks SET price = 0",
        "DELETE FROM holdings",
        "CREATE TABLE mine (number integer)",
        "SELECT barograph_make_partitions('ticks', '2026-01-01', '2026-01-02')",
        "SELECT barograph_drop_before('ticks', now(), false)",
        "SELECT barograph_refresh_aggregates()",
    ],
)
def test_the_reader_does_nothing_else(idle: People, statement: str) -> None:
    with pytest.raises(DENIED):
        idle.reader.execute(statement)


def test_rights_stay_when_tables_are_exchanged(people: People) -> None:
    migrate(people.owner, "anew", TimescaleDB())
    people.owner.execute("SELECT anew.barograph_make_partitions('ticks', '2026-01-01', '2026-01-01')")
    exchange(people.owner, "anew", "public")
    people.reader.execute("SELECT * FROM ticks_2026_01_01")
    people.writer.execute(
        "INSERT INTO ticks VALUES ('2026-01-01', now(), 'sim', 'B', 1, 1, 0, NULL, NULL, 0, 1, 0)"
    )


def test_roles_made_again_keep_their_rights_and_are_known(people: People) -> None:
    make_roles(people.owner, "public", [])
    assert known_roles(people.owner, "public") == [
        Role(people.names[1], "reader"),
        Role(people.names[0], "writer"),
    ]
    people.writer.execute("INSERT INTO barograph_commits VALUES (5, 6)")
    with pytest.raises(DENIED):
        people.writer.execute("DELETE FROM ticks")


def test_a_writer_made_a_reader_writes_no_more(people: People) -> None:
    make_roles(people.owner, "public", [Role(people.names[0], "reader")])
    people.writer.execute("SELECT * FROM ticks")
    with pytest.raises(DENIED):
        people.writer.execute("INSERT INTO barograph_commits VALUES (5, 6)")


def test_an_owner_without_a_superusers_rights_will_do(postgres: Address) -> None:
    """As on managed servers."""
    name = f"owner_{next(_numbers)}"
    with closing(connect(postgres)) as warden:
        warden.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'x'")
        warden.execute(f"GRANT CREATE ON DATABASE {postgres.parameters['dbname']} TO {name}")
    with closing(as_role(replace(postgres, namespace="mine"), name, "x")) as owner:
        migrate(owner, "mine", detect(owner).timescaledb)
        make_roles(owner, "mine", [Role(f"of_{name}", "writer"), Role(f"also_{name}", "reader")])
        upkeep(owner, NOW_US, DatabaseSection(namespace="mine", ahead_days=1, keep_days=4))
        migrate(owner, "mine_anew", detect(owner).timescaledb)
        exchange(owner, "mine_anew", "mine")


def test_without_a_password_nobody_logs_in(people: People, postgres: Address) -> None:
    name = f"group_{next(_numbers)}"
    make_roles(people.owner, "public", [Role(name, "reader")])
    with pytest.raises(SettingsError, match=r"not permitted to log in|authentication failed"):
        as_role(postgres, name)
    people.owner.execute(f"CREATE ROLE ada_{name} LOGIN PASSWORD 'x' IN ROLE {name}")
    with closing(as_role(postgres, f"ada_{name}", "x")) as ada:
        ada.execute("SELECT * FROM ticks")


def test_everybody_may_no_longer_make_tables(postgres: Address) -> None:
    with closing(connect(postgres)) as owner:
        owner.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")  # as PostgreSQL 14 has it
        migrate(owner, "public", TimescaleDB())
        name = f"late_{next(_numbers)}"
        make_roles(owner, "public", [Role(name, "reader", verifier(owner, name, PASSWORD))])
        with closing(as_role(postgres, name)) as reader, pytest.raises(DENIED):
            reader.execute("CREATE TABLE mine (number integer)")


def test_who_may_not_make_tables_is_told_so(people: People) -> None:
    people.owner.execute("DROP TABLE barograph_migrations")
    with pytest.raises(SettingsError, match="permission denied for schema public"):
        migrate(people.reader, "public", TimescaleDB())


def test_everybody_may_look_at_the_state(idle: People) -> None:
    now = datetime.now(UTC)
    theirs = [replace(inspect(each, "public", now), server=None) for each in idle[:3]]  # type: ignore[arg-type]
    assert theirs[0] == theirs[1] == theirs[2]
    assert len(theirs[0].tables) == 10


def test_a_password_shows_nowhere(idle: People) -> None:
    proof = verifier(idle.owner, "ada", PASSWORD)
    role = Role("ada", "writer", proof)
    assert proof.startswith("SCRAM-SHA-256$")
    for shown in (repr(role), *role_statements("public", [role], hide=True)):
        assert PASSWORD not in shown
        assert proof not in shown
    with pytest.raises(UsageError, match="empty"):
        verifier(idle.owner, "ada", "")


@pytest.mark.parametrize("name", ["", "x" * 64, "a\0b"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        list(role_statements("public", [Role(name, "reader")]))


def test_a_reader_who_calls_upkeep_is_told_so(idle: People) -> None:
    with pytest.raises(SettingsError, match="permission denied"), errors("trying"):
        upkeep(idle.reader, NOW_US, DatabaseSection())
