"""``barograph db``: from an empty database to one in order, and what it tells."""

from __future__ import annotations

import io
import os
import sys
from contextlib import closing
from dataclasses import replace
from itertools import count

import psycopg
import pytest
from tests.cli.conftest import Call

from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect

_numbers = count()


@pytest.fixture(autouse=True)
def address(postgres: Address, monkeypatch: pytest.MonkeyPatch) -> Address:
    for name in os.environ:
        if name.startswith(("DB_", "DATABASE_URL", "PG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", postgres.uri())
    return postgres


@pytest.fixture
def names() -> tuple[str, str]:
    number = next(_numbers)
    return f"cli_writer_{number}", f"cli_reader_{number}"


def test_init_makes_everything_and_again_nothing(call: Call, names: tuple[str, str]) -> None:
    words = ("db", "init", "--writer", names[0], "--reader", names[1], "--json")
    first = call(*words).json
    assert first["applied"] == ["0001 tables", "0002 aggregates", "0003 views"]
    assert first["kept_as"] == "partitions, tables"
    assert first["roles"] == list(names)
    assert first["partitions_made"] > 16
    again = call(*words).json
    assert (again["applied"], again["partitions_made"], again["version"]) == ([], 0, first["version"])
    assert call("db", "migrate", "--json").json["applied"] == []


def test_status_tells_what_is_there(call: Call, names: tuple[str, str], address: Address) -> None:
    before = call("db", "status", "--json").json
    assert before["version"] == 0
    assert "barograph db init" in [each["remedy"] for each in before["problems"]]
    call("db", "init", "--reader", names[1])
    with closing(connect(address)) as connection:
        connection.execute(
            "INSERT INTO ticks SELECT now(), now(), 'v', 's', 1, 1, 0, 1, 1, 0, n, 0 "
            "FROM generate_series(1, 3) n"
        )
        connection.execute("INSERT INTO barograph_commits VALUES (0, 7)")
        connection.execute("INSERT INTO barograph_state VALUES ('lineage', 'abc')")
    status = call("db", "status", "--json").json
    assert (status["committed"], status["lineage"], status["problems"]) == (7, "abc", [])
    assert status["roles"] == [f"{names[1]} (reader)"]
    ticks = next(each for each in status["tables"] if each["table"] == "ticks")
    assert (ticks["rows"], ticks["partitions"]) == (3, 8)
    assert ticks["since"] < ticks["until"]
    shown = call("db", "status").out
    assert "market_microstructure" in shown
    assert "PostgreSQL" in shown


def test_status_tells_what_is_wrong(call: Call, address: Address) -> None:
    call("db", "init")
    with closing(connect(address)) as connection:
        connection.execute("DROP TABLE barograph_dropped CASCADE")
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        connection.execute(
            "DO $$ DECLARE p text; BEGIN FOR p IN SELECT name FROM barograph_partitions "
            "WHERE relation = 'quotes' LOOP EXECUTE 'DROP TABLE ' || p; END LOOP; END $$"
        )
        connection.execute("DELETE FROM barograph_migrations WHERE version > 2")
    problems = " ".join(each["problem"] for each in call("db", "status", "--json").json["problems"])
    for word in ("everybody may make tables", "quotes has no partition for tomorrow", "behind: 0003 views"):
        assert word in problems


def test_a_plan_changes_nothing_and_psql_would_take_it(
    call: Call, address: Address, names: tuple[str, str]
) -> None:
    plan = call("db", "init", "--writer", names[0], "--login", "--dry-run").out
    assert "CREATE TABLE ticks" in plan
    with closing(connect(address)) as connection:
        assert connection.execute("SELECT to_regclass('ticks')").fetchone() == (None,)
        connection.execute(plan)
    assert call("db", "status", "--json").json["version"] == 3
    assert call("db", "migrate", "--dry-run").out == "-- nothing to do\n"


def test_a_login_has_its_password_from_the_environment(
    call: Call, address: Address, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAROGRAPH_READER_PASS", "s3cret")
    outcome = call("db", "init", "--reader", names[1], "--login", "--log-level", "debug")
    assert "s3cret" not in outcome.out + outcome.err
    own = replace(address, parameters={**address.parameters, "user": names[1]}, password="s3cret")
    with closing(connect(own)) as connection:
        connection.execute("SELECT * FROM ticks")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM ticks")


def test_no_password_and_nobody_to_ask_is_refused(
    call: Call, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delenv("BAROGRAPH_READER_PASS", raising=False)
    outcome = call("db", "init", "--reader", names[1], "--login", code=2)
    assert "BAROGRAPH_READER_PASS" in outcome.err
    assert call("db", "status", "--json").json["version"] == 0


def test_retention_tells_what_goes(call: Call, address: Address) -> None:
    call("db", "init")
    with closing(connect(address)) as connection:
        connection.execute("SELECT barograph_make_partitions('ticks', now() - INTERVAL '9 days', now())")
        connection.execute("INSERT INTO ticks SELECT now(), now(), 'v', 's', 1, 1, 0, 1, 1, 0, 1, 0")
    words = ("db", "retention", "--keep-days", 4, "--table", "ticks", "--json")
    would = call(*words, "--dry-run").json
    gone = call(*words).json
    assert [each["partition"] for each in would] == [each["partition"] for each in gone]
    assert len(gone) == 5
    assert call(*words).json == []
    assert "--keep-days" in call("db", "retention", code=2).err
    assert "cut by time" in call("db", "retention", "--keep-days", 4, "--table", "nothing", code=2).err


def test_without_tables_the_remedy_is_told(call: Call) -> None:
    assert "barograph db init" in call("db", "migrate", code=3).err
    assert "barograph db init" in call("db", "retention", "--keep-days", 1, code=3).err


def test_two_roles_need_two_names(call: Call) -> None:
    assert "two roles" in call("db", "init", "--writer", "same", "--reader", "same", code=2).err


def test_a_wrong_password_is_a_setting_and_is_not_shown(
    call: Call, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", replace(address, password="wr0ng").uri())
    outcome = call("db", "status", code=3)
    assert "password authentication failed" in outcome.err
    assert "wr0ng" not in outcome.err


def test_no_server_is_for_later(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:s3cret@127.0.0.1:1/none")
    outcome = call("db", "status", code=75)
    assert "s3cret" not in outcome.err
