"""Names and values as PostgreSQL reads them in a statement."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name.

    >>> quoted('odd"name')
    '"odd""name"'
    """
    return '"' + name.replace('"', '""') + '"'


def quoted_path(name: str) -> str:
    """The name of a table with its schema's before it.

    >>> quoted_path("public.a.b")
    '"public"."a.b"'
    """
    return ".".join(map(quoted, name.split(".", 1)))


def literal(value: object) -> str:
    """A value.

    >>> literal("it's")
    "'it''s'"
    """
    from psycopg.sql import Literal

    return Literal(value).as_string(None)
