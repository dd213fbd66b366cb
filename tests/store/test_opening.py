"""One door to both kinds of store."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from barograph.errors import SettingsError
from barograph.settings import Settings
from barograph.settings.keeping import DatabaseSection
from barograph.store import Lake
from barograph.store.opening import Location, has_tables, open_at, open_store
from barograph.store.postgres import PostgresStore

URL = "postgresql://ada:secret-word@db.example:5433/markets"


def settings(**database: object) -> Settings:
    return Settings(store="postgresql", database=DatabaseSection.model_validate(database))


def test_settings_name_the_lake_of_the_data_directory(tmp_path: Path) -> None:
    store = open_store(Settings(data_dir=tmp_path))
    assert isinstance(store, Lake)
    assert store.root == tmp_path / "lake"


def test_settings_name_a_database(tmp_path: Path) -> None:
    given = settings(url=SecretStr(URL), namespace="mine", statement_timeout_s=7)
    store = open_store(given)
    assert isinstance(store, PostgresStore)
    assert store.address.namespace == "mine"
    assert Location.of(given).statement_timeout_s == 7
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        open_store(settings())


@pytest.mark.parametrize("where", ["data", Path("data")])
def test_a_path_is_a_data_directory(where: str | Path) -> None:
    store = open_at(where)
    assert isinstance(store, Lake)
    assert store.root == Path("data/lake")


@pytest.mark.parametrize("url", [URL, URL.replace("postgresql", "postgres"), "postgresql:///markets"])
def test_a_url_is_a_database(url: str) -> None:
    assert isinstance(open_at(url), PostgresStore)


def test_another_url_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsError, match="not at mysql://") as caught:
        open_at("mysql://root:secret-word@nowhere/db")
    assert "secret-word" not in str(caught.value)


def test_a_location_shows_no_password_and_can_be_handed_to_another_process() -> None:
    where = Location.at(URL)
    assert "secret-word" not in str(where) + repr(where)
    assert str(where) == "postgresql://ada@db.example:5433/markets"
    again = pickle.loads(pickle.dumps(where))
    assert again == where
    assert again.address.password == "secret-word"
    assert Location.at(where) is where


def test_a_lake_has_tables_once_its_folder_is_there(tmp_path: Path) -> None:
    assert not has_tables(Location(tmp_path))
    (tmp_path / "lake").mkdir()
    assert has_tables(Location(tmp_path))
    assert has_tables(Location.at(URL))


def test_over_a_lake_no_driver_of_databases_is_loaded(tmp_path: Path) -> None:
    program = """
import sys
from barograph.settings import Settings
from barograph.store.opening import Location, open_store
from barograph.market import connect
open_store(Settings()).committed()
connect(".").bars()
connect(".").symbols()
print(sorted({"psycopg", "adbc_driver_postgresql", "pgpq"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
