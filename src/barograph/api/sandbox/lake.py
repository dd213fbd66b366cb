"""What a statement over the lake may hold: known tables, known functions, nothing else.

DuckDB itself tells how it reads a statement (``json_serialize_sql``), so that no comment, quotation
or encoding can hide anything from this look and not from the engine. What is not on a list is refused;
the engine is bounded besides (``store.sql``: no files but the lake's, locked settings), and so is the
process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import msgspec

from barograph.api.sandbox.asked import check_length
from barograph.errors import UsageError
from barograph.store.views import DERIVED
from barograph.tables import TABLES, TRADED

KNOWN = frozenset({*TABLES, *TRADED, *DERIVED})
"""Tables and views that may be read."""
_ROWS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"})
"""Functions that may stand where a table stands."""
_CHANGING = frozenset({
    "random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error", "now", "today", "transaction_timestamp",
    "get_current_timestamp", "get_current_time", "current_date",
})  # fmt: skip
"""Functions that give another value each time, and tell nothing."""
_TELLING = frozenset({
    "version", "getenv", "current_setting", "getvariable", "get_block_size", "in_search_path",
    "col_description", "obj_description", "shobj_description", "user", "session_user", "stats",
    "create_sort_key",
})  # fmt: skip
_BINARY = frozenset({
    "finalize", "combine", "combine_aggr", "to_aggregate_state", "invoke", "variant_bytes_to_variant",
})  # fmt: skip
"""They read what they are given as the engine's own memory."""
_HIDDEN = re.compile(
    r"__internal|pg_(?!typeof$|size_pretty$)|has_\w+_privilege$|inet_|current_(?!local|date$)|duckdb|read_|write_"
    r"|parse_duckdb|json_(de)?serialize|json_execute|json_copy|\w*(secret|setting|extension|query|sleep)"
)
_CTE = re.compile(r"\w+")
"""Names that could be a file's are none."""
_DEEPEST = 400


def check(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Refuse a statement that is not one query over the known tables.

    Args:
        connection: any: it parses, nothing is run.

    Raises:
        UsageError: with the reason.
    """
    check_length(statement)
    tree = _tree(connection, statement)
    named = {each for node in _nodes(tree) for each in _ctes(node)}
    for name in named:
        if not _CTE.fullmatch(name):
            raise UsageError(f"WITH {name!r}: name it in letters, digits and _")
    for node in _nodes(tree):
        _check_table(node, named)
        _check_functions(node)


def check_alone(statement: str) -> None:
    """The same with a connection of its own."""
    with duckdb.connect() as connection:
        check(connection, statement)


def _tree(connection: duckdb.DuckDBPyConnection, statement: str) -> Any:
    """How DuckDB reads it."""
    try:
        found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
    except duckdb.Error as error:
        raise UsageError(f"this is not SQL that DuckDB understands: {error}") from error
    assert found is not None
    try:
        tree = msgspec.json.decode(found[0])
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError("the statement is nested too deep") from error
    if tree["error"]:
        if "Only SELECT" in tree["error_message"]:
            raise UsageError(
                "this is for reading only: one SELECT (or FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW "
                "TABLES); PIVOT, EXPLAIN and others are for `barograph query`"
            )
        raise UsageError(f"this is not SQL that DuckDB understands: {tree['error_message']}")
    if len(tree["statements"]) != 1:
        raise UsageError(f"one statement at a time, please; there are {len(tree['statements'])}")
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every part of the statement, however it is nested."""
    left: list[tuple[Any, int]] = [(tree, 0)]
    while left:
        each, depth = left.pop()
        if depth > _DEEPEST:
            raise UsageError("the statement is nested too deep")
        if isinstance(each, dict):
            yield each
            left += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            left += [(inner, depth + 1) for inner in each]


def _ctes(node: dict[str, Any]) -> Iterator[str]:
    """The names that a WITH gives."""
    if isinstance(node.get("cte_map"), dict):
        for each in node["cte_map"].get("map", ()):
            yield each["key"].lower()
    if "cte_name" in node:
        yield str(node["cte_name"]).lower()


def _check_table(node: dict[str, Any], named: set[str]) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        path = [str(part) for part in node["qualified_name"]["path"]]
        if node.get("at_clause") is not None:
            raise UsageError("AT is refused: there is one state of the tables, the newest")
        if len(path) != 1 or path[0].lower() not in KNOWN | named:
            raise UsageError(f"no table is called {'.'.join(path)!r}; there are: {', '.join(sorted(KNOWN))}")
    elif kind == "SHOW_REF":
        if node.get("query") is None and node.get("table_name") != '"tables"':
            raise UsageError("of SHOW there is SHOW TABLES; DESCRIBE and SUMMARIZE take a table or a query")
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in _ROWS:
            raise UsageError(
                f"{name}() is refused where a table stands; there are: {', '.join(sorted(_ROWS))}"
            )


def _check_functions(node: dict[str, Any]) -> None:
    if "function_name" not in node:
        return
    name = str(node["function_name"]).lower()
    path = (node.get("qualified_name") or {}).get("path", ())
    if node.get("schema") or node.get("catalog") or len(path) > 1:
        raise UsageError(f"{'.'.join(map(str, path)) or name}() is refused: name functions without a schema")
    if name not in functions() | _ROWS:
        raise UsageError(f"the function {name}() is refused, or there is none of this name")


@cache
def functions() -> frozenset[str]:
    """Functions that compute, of those that this DuckDB has."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal"
            " AND function_type IN ('scalar', 'aggregate', 'macro', 'window')"
            " AND (coalesce(stability, 'CONSISTENT') = 'CONSISTENT'"
            " OR list_contains(?, lower(function_name)))",
            [sorted(_CHANGING)],
        ).fetchall()
    return frozenset(
        name
        for (name,) in found
        if name in _CHANGING or not (name in _TELLING | _BINARY or _HIDDEN.match(name))
    )
