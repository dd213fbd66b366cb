"""The examples of docs/live.md do what stands beside them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.api import sandbox_serving
from tests.api.live_serving import WITHIN_S, minutes, served, settings_at
from tests.conftest import skip_or_fail
from tests.store.making import DAY_0, bar, commit

from barograph.store import Lake

TEXT = (Path(__file__).parents[2] / "docs" / "live.md").read_text()


def example(kind: str, word: str) -> str:
    """The block of a kind that has a word in it."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if word in block)


def of_server(command: str, url: str) -> str:
    return command.replace("http://127.0.0.1:8000", url)


def test_curl_prints_the_stream(data: Path, lake: Lake) -> None:
    curl = shutil.which("curl")
    if curl is None:
        skip_or_fail("curl is not installed")
    with served(settings_at(data)) as server:
        command = of_server(example("sh", "curl -N"), server.url)
        with subprocess.Popen(["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = iter(process.stdout)
            while not next(lines).startswith("data"):
                pass
            lake.commit(commit(0, 10, market_microstructure=[bar(DAY_0, 3)]))
            while not (line := next(lines)).startswith('data: {"type":"bar"'):
                pass
            process.terminate()
    assert json.loads(line.removeprefix("data: "))["data"]["symbol"] == "BTC-USD"


def test_the_ten_lines_of_python_follow_and_come_back(data: Path, lake: Lake) -> None:
    space: dict[str, Any] = {}
    exec(example("python", "def follow"), space)
    seen: list[str] = []

    def handle(message: dict[str, Any]) -> bool | None:
        if message["type"] == "ready":
            minutes(lake, len(seen), 2)
        if message["type"] == "bar":
            seen.append(message["data"]["timestamp"][11:16])
            return len(seen) % 2 == 1
        return None

    with served(settings_at(data)) as server:
        last = space["follow"](server.url, handle)
        assert seen == ["00:00", "00:01"]
        space["follow"](server.url, handle, last)
    assert seen == ["00:00", "00:01", "00:02", "00:03"]


def test_curl_prints_the_rows_of_a_query(data: Path, lake: Lake) -> None:
    if shutil.which("curl") is None:
        skip_or_fail("curl is not installed")
    lake.commit(commit(0, 10, market_microstructure=[bar(DAY_0, 3, price=61_080.5)]))
    with sandbox_serving.served(settings_at(data, query_seconds=WITHIN_S)) as url:
        command = of_server(example("sh", "v1/query"), url)
        done = subprocess.run(
            ["sh", "-c", f"{command.strip()} -s"], capture_output=True, text=True, check=True
        )
    assert json.loads(done.stdout) == json.loads(example("json", "columns"))
