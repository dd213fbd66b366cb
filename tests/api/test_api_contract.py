"""The API against its own description: no answer that it does not describe, and no bug."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.house import Served, served, settings_of

pytestmark = pytest.mark.slow

ROWS = tuple(
    f"/v1/{name}"
    for name in (
        "symbols",
        "bars",
        "ticks",
        "quotes",
        "anomalies",
        "coverage",
        "positions",
        "trades",
        "studies",
    )
)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def running(filled: Path) -> Iterator[Served]:
    web = {"requests_per_minute": 1_000_000, "rows_max": 200, "query_seconds": 2.0}
    with served(settings_of(filled, **web)) as started:
        yield started


@pytest.fixture(scope="module")
def described(running: Served) -> Any:
    return schemathesis.openapi.from_url(f"{running.url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("path", [*ROWS, "/v1/query", "/healthz", "/readyz"])
def test_no_answer_is_a_bug_or_not_described(described: Any, path: str, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and path in ("/healthz", "/readyz"):
        return  # nothing can be asked wrongly there
    method = "POST" if path == "/v1/query" else "GET"

    @given(case=described[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=10 if path == "/v1/query" else 20,  # each is a process
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def every_case_holds(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    every_case_holds()


def test_every_route_is_described_with_examples_and_problems(running: Served) -> None:
    document = running.get("/openapi.json").json()
    assert set(ROWS) <= set(document["paths"])
    for path in ROWS:
        route = document["paths"][path]["get"]
        assert route["summary"]
        assert route["security"]
        json = route["responses"]["200"]["content"]["application/json"]
        assert set(json["example"]["rows"][0]) == set(
            json["schema"]["properties"]["rows"]["items"]["properties"]
        )
        assert {"400", "401", "406", "422", "429", "503"} <= set(route["responses"])
        for parameter in route["parameters"]:
            assert parameter.get("description") or parameter["schema"].get("description"), parameter
