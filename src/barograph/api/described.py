"""The answers of the API in OpenAPI's words: made from the tables' definitions, with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from barograph.api.formats import MEDIA_TYPES, Form
from barograph.api.problems import MEDIA_TYPE as PROBLEM_TYPE
from barograph.api.problems import ProblemDetails

if TYPE_CHECKING:
    import pyarrow as pa

Schema = dict[str, Any]

DESCRIPTION = """
What was recorded, to read. Times are ISO 8601 in UTC; a range is half-open: `start` is in it, `end` is not.

**Forms.** `Accept: application/json` (the default), `text/csv` or `application/vnd.apache.arrow.stream`,
or `?format=json|csv|arrow`; gzip when `Accept-Encoding` asks for it.

**Pages.** `limit` rows at the most. The next page is at the header `Link` with `rel="next"`, and its cursor
in the member `next` of JSON. Rows that come in between are neither given twice nor left out.

**Tokens.** `Authorization: Bearer baro_...`, from `barograph token create`. On loopback none is needed.

**Errors** are `application/problem+json` with a `request_id`, which the server's log has, too.
"""

HOME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Barograph</title>
<h1>Barograph</h1>
<p>The API of what was recorded. <a href="/openapi.json">/openapi.json</a> describes it; begin with
<a href="/v1/symbols">/v1/symbols</a>. <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a> and
<a href="/metrics">/metrics</a> tell how it does.</p>
</html>
"""

_PROBLEM = ProblemDetails.model_json_schema()
_SAID = {
    400: "A parameter that makes no sense: a time, an interval, a cursor.",
    401: "No token, or one that does not hold.",
    403: "The token's scope is not enough.",
    404: "A symbol that was never recorded.",
    406: "None of the forms that `Accept` names.",
    413: "The body is too large.",
    421: "Without tokens only this machine is answered, by its own name.",
    422: "A parameter that is unknown, or of the wrong type.",
    429: "Too many requests; `Retry-After` says when.",
    500: "A bug; the log has it under the request id.",
    503: "The store is away; `Retry-After` says when to ask again.",
}
_EXAMPLES = {
    400: ("Bad Request", "'yesterday' is not a time; write 2024-08-08, 2024-08-08T14:30 or ..."),
    401: ("Unauthorized", "this needs a token; make one with `barograph token create --scope read` ..."),
    404: ("Not Found", "nothing was recorded of 'BTCUSD'; did you mean BTC-USD?"),
    503: ("Service Unavailable", "connecting to postgresql://localhost/market: connection refused"),
}
_WITH_AGAIN = (429, 503)
_ROWS = (400, 401, 403, 404, 406, 421, 422, 429, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers that say no, for ``responses=`` of a route."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _PROBLEM}
    if status in _EXAMPLES:
        title, detail = _EXAMPLES[status]
        content["example"] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "request_id": "0192f0c1a2b34c5d8e9f",
        }
    made: dict[str, Any] = {"description": _SAID[status], "content": {PROBLEM_TYPE: content}}
    if status in _WITH_AGAIN:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        made["headers"] = {"Retry-After": seconds}
    return made


def rows_of(schema: pa.Schema, row: Mapping[str, Any], about: str = "") -> dict[int | str, dict[str, Any]]:
    """All answers of a route that gives rows.

    Args:
        schema: the columns.
        row: an example of a row. It has every column: OpenAPI's writer leaves null out.
    """
    example = {name: row[name] for name in schema.names}
    json = {"schema": _page(schema), "example": {"rows": [example], "next": _CURSOR}}
    csv = ",".join(schema.names) + "\n" + ",".join(_cell(value) for value in example.values()) + "\n"
    content: dict[str, Any] = {
        MEDIA_TYPES[Form.JSON]: json,
        MEDIA_TYPES[Form.CSV]: {"schema": {"type": "string"}, "example": csv},
        MEDIA_TYPES[Form.ARROW]: {"schema": {"type": "string", "format": "binary"}},
    }
    ok = {"description": about or "Rows, sorted.", "content": content, "headers": _HEADERS}
    return {200: ok, 304: {"description": "Nothing has changed since `ETag`."}, **problems(*_ROWS)}


_CURSOR = "4AG3yFsiNTQ1OWQzM2IyMWE1ZTRkYTUxIiwxLCJCVEMtVVNEIiwic2ltIiwxNzA0MDY3MjYwMDAwMDAwXQ"
_HEADERS = {
    "ETag": {"description": "For `If-None-Match`.", "schema": {"type": "string"}},
    "Link": {
        "description": 'The next page, with `rel="next"`; absent on the last.',
        "schema": {"type": "string"},
    },
}


def _page(schema: pa.Schema) -> Schema:
    row = {
        "type": "object",
        "properties": {field.name: _column(field) for field in schema},
        "required": schema.names,
        "additionalProperties": False,
    }
    following = {"type": ["string", "null"], "description": "The next page's cursor."}
    return {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}, "next": following},
        "required": ["rows", "next"],
    }


def _column(field: pa.Field) -> Schema:
    import pyarrow as pa

    kind = field.type
    if pa.types.is_timestamp(kind):
        made: Schema = {"type": "string", "format": "date-time"}
    elif pa.types.is_floating(kind):
        # NaN has no word in JSON: it is null, whatever the table allows.
        return {"type": ["number", "null"]}
    else:
        name = (
            "boolean" if pa.types.is_boolean(kind) else "integer" if pa.types.is_integer(kind) else "string"
        )
        made = {"type": name}
    return {**made, "type": [made["type"], "null"]} if field.nullable else made


def _cell(value: object) -> str:
    return "" if value is None else str(value)
