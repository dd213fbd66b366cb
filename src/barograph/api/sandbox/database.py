"""What a statement over PostgreSQL may hold: our tables, functions that compute, nothing else.

The server's rights may be those of the tables' owner, or more. So a statement is looked at twice: its
words before anything is sent (functions that are not on a list, names of the system, text that hides
names), and then the server's own plan of it, which tells every relation that would be read. It runs in a
read-only transaction with a time limit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from barograph.api.sandbox.asked import check_length
from barograph.errors import BarographError, UsageError
from barograph.store.opening import Location, Querying
from barograph.store.postgres.schema import all_physical
from barograph.store.postgres.sql import kind_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """
    abs acos array_agg array_length array_position array_to_string asin atan atan2 avg bit_and
    bit_length bit_or bool_and bool_or btrim cardinality cast cbrt ceil ceiling char_length coalesce
    concat concat_ws corr cos count covar_pop covar_samp cume_dist current_date date_bin date_part
    date_trunc degrees dense_rank div every exp extract first_value floor format generate_series
    generate_subscripts greatest initcap isfinite json_agg json_array_elements json_array_elements_text
    json_array_length json_build_array json_build_object json_each json_each_text json_extract_path
    json_extract_path_text json_object_agg json_object_keys json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_object_agg jsonb_object_keys
    jsonb_typeof justify_days justify_hours lag last_value lead least left length ln log log10 lower
    ltrim make_date make_interval make_timestamptz max md5 min mod mode now nth_value ntile nullif
    octet_length overlay percent_rank percentile_cont percentile_disc pi position power radians random
    rank regexp_match regexp_matches regexp_replace regexp_split_to_array regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy replace reverse right round row
    row_number row_to_json rtrim sign sin split_part sqrt starts_with stddev stddev_pop stddev_samp
    string_agg string_to_array strpos substr substring sum tan time_bucket to_char to_date to_json
    to_jsonb to_number to_timestamp translate trim trunc unnest upper var_pop var_samp variance
    width_bucket
    """
)
"""Functions that compute."""

_BEFORE_PARENTHESIS = _words(
    """
    all and any array as between bigint bit by case char character check coalesce cross cube decimal
    distinct double else end except exists extract filter float from full group grouping having ilike in
    inner int integer intersect interval is join lateral left like limit materialized natural not null
    numeric offset on only or order outer over partition precision real recursive returning right rollup
    row select sets similar smallint some symmetric text then time timestamp timestamptz union using
    values varchar when where window with within
    """
)
"""Words that are no function where a parenthesis follows."""

_REFUSED = re.compile(
    r"pg_\w*|barograph_\w*|lo_\w*|dblink\w*|information_schema|reg(class|proc|procedure|oper|operator|type|role"
    r"|namespace|config|dictionary|collation)|current_(user|role|catalog|schema|schemas|setting|query)|session_user"
    r"|system_user|user|set_config|xmin|xmax|cmin|cmax|ctid|tableoid|inet_\w+|version|operator|into|\w*_to_xml\w*"
    r"|timescaledb\w*|_timescaledb\w*|txid_\w*",
    re.IGNORECASE,
)
"""Names that tell of the server, or lead out of the tables."""

_TOKEN = re.compile(
    r"""(?P<escaped>[uU]&["'])|(?P<text>[eE]?'(?:[^'\\]|''|\\.)*'|[xXbBnN]'[^']*')|(?P<quoted>"(?:[^"]|"")*")"""
    r"""|(?P<dollar>\$[A-Za-z_\u0080-\uffff]*\$)|(?P<value>\$\d+)|(?P<comment>--|/\*)"""
    r"""|(?P<name>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?P<number>\d[\w.]*)|(?P<blank>\s+)|(?P<other>.)""",
    re.DOTALL,
)
_OF_TIMESCALE = "_timescaledb_internal"
_PIECE = re.compile(r"_\d{4}_\d\d(_\d\d)?$")
OPTIONS, WATCH = "PGOPTIONS", "-c client_connection_check_interval=500"
"""What a worker tells libpq by its environment: a server looks twice a second whether it is still there."""
_NO_WATCH = re.compile(r"startup parameter|invalid value for parameter \W?client_connection_check_interval")
"""So answer a pool before the server that takes no such words, and a server that is not on Linux."""
_TABLES = frozenset({*(each.name for each in all_physical()), "bars_1h", "bars_1d"})


def checked(where: Location, statement: str, parameters: Sequence[Any] = ()) -> Querying:
    """A connection on which ``statement`` may be run.

    Raises:
        UsageError: it may not, and why.
        StorageError, SettingsError: the server is away, or does not let us in.
    """
    check_words(statement)
    try:
        return _planned(where, statement, parameters)
    except BarographError as error:
        if WATCH not in os.environ.get(OPTIONS, "") or not _NO_WATCH.search(str(error)):
            raise
    os.environ[OPTIONS] = os.environ[OPTIONS].replace(WATCH, "")
    return _planned(where, statement, parameters)


def _planned(where: Location, statement: str, parameters: Sequence[Any]) -> Querying:
    connection = where.sql()
    try:
        _check_plan(connection, where, statement, parameters)
    except BaseException:
        connection.close()
        raise
    return connection


def check_words(statement: str) -> None:
    """Refuse words that are not on the lists.

    Raises:
        UsageError: with the reason.
    """
    check_length(statement)
    if kind_of(statement) not in ("select", "with", "values", "table"):
        raise UsageError("this is for reading rows only: SELECT, WITH, VALUES, TABLE")
    tokens = list(_tokens(statement))
    for place, (kind, word) in enumerate(tokens):
        before = tokens[place - 1] if place else ("", "")
        after = tokens[place + 1] if place + 1 < len(tokens) else ("", "")
        if word == ";" and after != ("", ""):
            raise UsageError("one statement at a time, please")
        if kind in ("name", "quoted"):
            _check_name(word)
            if after[1] == "(" and not (kind == "name" and word in _BEFORE_PARENTHESIS):
                _check_function(word, before)


def _tokens(statement: str) -> Iterator[tuple[str, str]]:
    """The words of a statement, names as the server takes them; what could be read in two ways is refused."""
    if "\0" in statement:
        raise UsageError("a statement has no zero bytes")
    for found in _TOKEN.finditer(statement):
        kind, text = str(found.lastgroup), found[0]
        if kind == "comment":
            raise UsageError("comments are refused here: send the statement without them")
        if kind == "dollar":
            raise UsageError("text between $$ is refused here: use '...'")
        if kind == "escaped":
            raise UsageError('U&"..." is refused here: write the characters themselves')
        if kind == "text" and "\\" in text:
            raise UsageError(r"\ in a text is refused here: give the text as a parameter, $1")
        if kind == "other" and text in "'\"":
            raise UsageError(f"a {text} has no end")
        if kind == "quoted":
            yield kind, text[1:-1].replace('""', '"').lower()
        elif kind != "blank":
            yield kind, text.lower()


def _check_name(word: str) -> None:
    if _REFUSED.fullmatch(word):
        raise UsageError(f"{word!r} is refused here: it is no column of the tables")


def _check_function(word: str, before: tuple[str, str]) -> None:
    # `AS x (a, b)` and `WITH x (a) AS` name columns; nothing is called there.
    if before in (("name", "as"), ("name", "with"), ("name", "recursive")):
        return
    if before[1] == ".":
        raise UsageError(f"{word}() is refused: name functions without a schema")
    if word not in FUNCTIONS:
        raise UsageError(f"the function {word}() is refused, or there is none of this name")


def _check_plan(connection: Querying, where: Location, statement: str, parameters: Sequence[Any]) -> None:
    """Refuse relations that are not ours, by the server's own reading of the statement."""
    assert where.address is not None
    with closing(connection.query(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}", parameters)) as reader:
        rows = reader.read_all()
    plan = json.loads("\n".join(map(str, rows.column(0).to_pylist())))
    for node in _nodes(plan):
        name = node.get("Relation Name")
        if name is not None and not _is_ours(str(name), node.get("Schema"), where.address.namespace):
            raise UsageError(f"no table is called {name!r}; there are: {', '.join(sorted(_TABLES))}")


def _is_ours(name: str, schema: object, namespace: str) -> bool:
    """Whether a relation is one of our tables, or a piece of one."""
    if schema == _OF_TIMESCALE:
        return True
    return schema == namespace and (name in _TABLES or _PIECE.sub("", name) in _TABLES)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    left = [plan]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
            left += each.values()
        elif isinstance(each, list):
            left += each
