"""Log lines of the libraries: events with values, never on standard output, never with secrets.

A program that configures structlog decides where they go. One that does not gets them on
standard error; structlog's own default is standard output, where data belongs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

import structlog

MASK = "***"
_SECRET_NAME = re.compile(
    r"(api|access|private|secret|signing)_?key|token|secret|signature|passphrase|passwo?r?d|authori[sz]ation",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4
"""A value shorter than this is no secret, and masking it would eat harmless words."""

Event = MutableMapping[str, Any]

if not structlog.is_configured():
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def get_logger() -> Any:
    """A logger: ``get_logger().warning("what happened", path=..., bytes=...)``."""
    return structlog.get_logger()


def mask_by_name(value: Any, clean: Callable[[str], str]) -> Any:
    """``value`` with ``clean`` applied to every text in it, and texts under secret names masked.

    >>> mask_by_name({"token": "abc", "n": [1, "x"], "instrument_token": 408065}, str.upper)
    {'token': '***', 'n': [1, 'X'], 'instrument_token': 408065}
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return clean(value.decode(errors="backslashreplace"))
    if isinstance(value, Mapping):
        return {
            name: MASK if _is_secret(name, inner) else mask_by_name(inner, clean)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_by_name(inner, clean) for inner in value]
    return value


def _is_secret(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, str | bytes) and _SECRET_NAME.search(name) is not None


class Redaction:
    """Keeps secrets out of log lines: the last step before one is written.

    It knows secrets in three ways: by the name of the field they stand under, by their place in
    an address, and by their value. The last also finds them inside what is only turned
    into text while the line is written.

    Args:
        secrets: values that must never appear.
        clean_address: takes the secrets out of addresses in a text.
    """

    def __init__(self, secrets: Iterable[str], clean_address: Callable[[str], str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._clean_address = clean_address

    def event(self, _logger: object, _method: str, event: Event) -> Event:
        """A structlog processor, for before the line is made."""
        return {
            name: MASK if _is_secret(name, value) else mask_by_name(value, self._clean)
            for name, value in event.items()
        }

    def line(self, _logger: object, _method: str, line: Any) -> str:
        """A structlog processor, for behind the renderer."""
        return self._without_known(line)

    def _clean(self, text: str) -> str:
        cleaned = self._without_known(text)
        return self._clean_address(cleaned) if any(sign in cleaned for sign in ("://", "?", "&")) else cleaned

    def _without_known(self, text: str) -> str:
        return self._known.sub(MASK, text) if self._known is not None else text


def _forms(secret: str) -> Iterable[str]:
    """A secret as it is, in JSON, and in an address."""
    return (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret))
