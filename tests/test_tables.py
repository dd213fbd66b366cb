from pathlib import Path

import pytest

from barograph.rows import Bars
from barograph.tables import MARKET_MICROSTRUCTURE, TABLES

TEXT = (Path(__file__).parents[1] / "docs" / "tables.md").read_text()


@pytest.mark.parametrize("name", TABLES)
def test_keys_sort_and_versions_are_columns_and_every_column_is_documented(name: str):
    table = TABLES[name]
    named = {*table.key, *table.sort, *table.version, table.time, *filter(None, [table.withdrawn])}
    assert named <= set(table.names)
    assert table.schema().names == list(table.names)
    chapter = TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert [column for column in table.names if column not in chapter] == []


def test_a_bar_in_code_has_every_column_of_its_table_but_the_names_and_the_place():
    elsewhere = {"symbol", "venue", "timestamp", "kernel_version", "as_of", "tape_pos"}
    assert set(MARKET_MICROSTRUCTURE.names) - elsewhere <= set(Bars.__dataclass_fields__)
