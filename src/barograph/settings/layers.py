"""What a file, the environment and flags say, each value with its origin."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeAlias

from barograph.errors import SettingsError
from barograph.settings.origin import Origin, Path
from barograph.settings.toml_lines import flatten, key_lines

PREFIX = "BAROGRAPH__"

PLAIN_NAMES: Mapping[str, Path] = {
    "DATABASE_URL": ("database", "url"),
    "DB_HOST": ("database", "host"),
    "DB_PORT": ("database", "port"),
    "DB_NAME": ("database", "name"),
    "DB_USER": ("database", "user"),
    "DB_PASS": ("database", "password"),
    "KITE_API_KEY": ("feeds", "kite", "api_key"),
    "KITE_API_SECRET": ("feeds", "kite", "api_secret"),
    "KITE_ACCESS_TOKEN": ("feeds", "kite", "access_token"),
    "MASSIVE_API_KEY": ("feeds", "polygon", "api_key"),
    "POLYGON_API_KEY": ("feeds", "polygon", "api_key"),
    "POLYGON_TIER_CRYPTO": ("feeds", "polygon", "tier_crypto"),
    "POLYGON_TIER_STOCKS": ("feeds", "polygon", "tier_stocks"),
    "AWS_S3_BUCKET": ("s3", "bucket"),
    "S3_BUCKET": ("s3", "bucket"),
    "USE_S3": ("s3", "use"),
}
"""Variables with names of their own; the later of two for one setting wins."""

RESERVED_NAMES: tuple[str, ...] = ("AWS_REGION",)
"""Variables that later versions will read and this one does not; ``doctor`` says so when one is set."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave."""

    value: Any
    origin: Origin


Layer: TypeAlias = dict[Path, Given]


def _read(file: FilePath) -> str:
    try:
        # Windows editors begin a file with a byte-order mark, which TOML does not know.
        return file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error}") from error


def from_file(file: FilePath) -> Layer:
    """All values of the TOML file ``file``.

    Raises:
        SettingsError: it cannot be read or is not TOML.
    """
    text = _read(file)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    lines = key_lines(text)
    return {
        path: Given(value, Origin("file", f"{file}:{lines.get(path, 1)}")) for path, value in flatten(tables)
    }


def _plain(environ: Mapping[str, str]) -> Layer:
    # Container files often pass a variable on although it is not set: empty is not given.
    return {
        path: Given(environ[name], Origin("environment", name))
        for name, path in PLAIN_NAMES.items()
        if environ.get(name)
    }


def _parsed(text: str) -> Any:
    """A list is written as JSON; everything else is text that the setting's type reads."""
    if not text.lstrip().startswith("["):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Plain names first, then ``BAROGRAPH__SECTION__KEY``, which is the more specific."""
    layer = _plain(environ)
    for name, text in environ.items():
        if name.upper().startswith(PREFIX):
            path = tuple(name[len(PREFIX) :].lower().split("__"))
            layer[path] = Given(_parsed(text), Origin("environment", name))
    return layer
