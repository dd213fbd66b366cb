"""One log of many: prefixes, colours, JSON."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

from barograph.supervising.logs import Log

NOW = datetime(2026, 11, 22, 3, 4, 5, 678, tzinfo=UTC)


def log(form: Any = "console", **more: Any) -> tuple[Log, io.BytesIO]:
    out = io.BytesIO()
    return Log(out, form, ["record", "serve"], now=lambda: NOW, **more), out


def test_given_lines_of_several_then_each_begins_with_its_name_in_one_column() -> None:
    made, out = log()
    made.line("record", b"2026 [info] recording")
    made.line("serve", "grün".encode())
    made.say("warning", "record is slow", pid=7)
    assert out.getvalue().decode().splitlines() == [
        "record | 2026 [info] recording",
        "serve  | grün",
        "up     | 2026-11-22T03:04:05.000678Z [warning  ] record is slow pid=7",
    ]


def test_given_an_empty_line_then_nothing_is_written() -> None:
    for form in ("console", "json"):
        made, out = log(form)
        made.line("record", b"  ")
        assert out.getvalue() == b""


def test_given_control_characters_then_they_cannot_write_over_other_lines() -> None:
    made, out = log()
    made.line("record", b"a\rb\x07c\td")
    assert out.getvalue() == b"record | a?b?c\td\n"


def test_given_a_terminal_then_names_have_colours_that_differ_and_end() -> None:
    made, out = log(colour=True)
    made.line("record", b"x")
    made.line("serve", b"x")
    first, second = out.getvalue().splitlines()
    assert first[:5] != second[:5]
    assert first.endswith(b"\x1b[0m x")


def test_given_json_of_a_process_then_it_stays_what_it_is_and_says_whose() -> None:
    made, out = log("json")
    made.line("record", b'{"event":"recording","price":1.10,"process":"x"}')
    assert out.getvalue() == b'{"process":"record","event":"recording","price":1.10}\n'


def test_given_what_is_no_json_then_it_becomes_an_object() -> None:
    made, out = log("json")
    for text in (b"Traceback (most recent call last):", b'{"event": "cut', b"[1]", b"\xff{}", b"{1:2}"):
        made.line("serve", text)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["process"] for line in lines] == ["serve"] * 5
    assert lines[0]["event"] == "Traceback (most recent call last):"
    assert lines[1]["event"] == '{"event": "cut'
    assert lines[0]["timestamp"] == "2026-11-22T03:04:05.000678Z"


def test_given_json_then_the_parents_lines_are_objects_too() -> None:
    made, out = log("json")
    made.say("info", "up", error=OSError("full"))
    assert json.loads(out.getvalue()) == {
        "process": "up",
        "error": "full",
        "event": "up",
        "level": "info",
        "timestamp": "2026-11-22T03:04:05.000678Z",
    }


def test_given_quiet_then_the_parent_says_errors_only() -> None:
    made, out = log(quiet=True)
    made.say("info", "begins")
    made.say("error", "failed")
    assert b"begins" not in out.getvalue()
    assert b"failed" in out.getvalue()


def test_given_an_output_that_refuses_then_nothing_is_raised() -> None:
    out = io.BytesIO()
    out.close()
    Log(out, "console", ["record"]).line("record", b"x")
