"""Bearer tokens: made once, shown once, kept as digests in ``state/tokens.json``.

A token is ``baro_<id>_<secret>``. The id is no secret: it finds the entry and stands in lists and
logs. The secret has 256 random bits. Its digest is a plain SHA-256: slow, salted hashes exist for
passwords, which people choose and others can guess; nobody guesses 256 random bits, whatever a
guess costs, and a quick hash lets each request be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from barograph.disk import Lock, put_bytes, read_json
from barograph.errors import SettingsError, StorageError, UsageError

Scope = Literal["read", "trade"]
"""What a token may do: ``trade`` may also do all that ``read`` may."""

SCOPES: tuple[Scope, ...] = ("read", "trade")
_OWNER_ONLY = 0o600
_PREFIX = "baro"


class Token(msgspec.Struct, frozen=True):
    """One token, without its secret.

    Attributes:
        id: names it, in lists and in the token itself.
        digest: SHA-256 of the whole token, in hexadecimal.
        expires: when it ends; None: when it is revoked.
    """

    id: str
    name: str
    scope: Scope
    digest: str
    created: datetime
    expires: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires

    def allows(self, scope: Scope) -> bool:
        """Whether it may do what asks for ``scope``."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


class _File(msgspec.Struct, frozen=True):
    tokens: tuple[Token, ...] = ()


def tokens_path(data: Path) -> Path:
    """Where the data directory ``data`` has them."""
    return data / "state" / "tokens.json"


def read_tokens(path: Path) -> tuple[Token, ...]:
    """All tokens, the expired ones too; none where there is no file.

    Raises:
        SettingsError: the file is not what :func:`create` writes, or not ours to read.
    """
    try:
        found = read_json(path, _File, f"reading {path}")
    except (StorageError, msgspec.DecodeError) as error:
        raise SettingsError(
            f"{path} holds no tokens that can be read; nobody is let in until it is mended, or removed and "
            "tokens are made anew with `barograph token create`"
        ) from error
    return () if found is None else found.tokens


def create(
    path: Path, scope: Scope, name: str, now: datetime, expires: datetime | None = None
) -> tuple[Token, str]:
    """Make a token: its entry, and the token itself, which is nowhere else.

    Raises:
        UsageError: another one has the name.
        StorageError: the disk refuses it.
    """
    with _changing(path):
        known = read_tokens(path)
        if name and any(token.name == name for token in known):
            raise UsageError(f"there is a token called {name!r} already; revoke it or choose another --name")
        identity = secrets.token_hex(4)
        text = f"{_PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
        made = Token(identity, name or identity, scope, digest_of(text), now, expires)
        _write(path, (*known, made))
        return made, text


def revoke(path: Path, which: str) -> Token:
    """Take back the token with this id or name; servers that run notice within seconds.

    Raises:
        UsageError: there is none.
    """
    with _changing(path):
        known = read_tokens(path)
        found = [token for token in known if which in (token.id, token.name)]
        if not found:
            raise UsageError(f"no token is called {which!r}; `barograph token list` shows them")
        _write(path, [token for token in known if token is not found[0]])
        return found[0]


def digest_of(text: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def find(known: Sequence[Token], text: str) -> Token | None:
    """The entry of the token ``text``; how long it takes tells nothing of the secret."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != _PREFIX:
        return None
    digest = digest_of(text)
    for token in known:
        if token.id == parts[1] and hmac.compare_digest(token.digest, digest):
            return token
    return None


def now_of(now_ns: int) -> datetime:
    """A clock's moment, to the second, for entries."""
    return datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One at a time, also among processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Lock(path.with_suffix(".lock"), f"{path} is being changed"):
        yield


def _write(path: Path, tokens: Sequence[Token]) -> None:
    """Replace the file, readable by its owner only: whole or not at all."""
    content = msgspec.json.format(msgspec.json.encode(_File(tuple(tokens))), indent=2) + b"\n"
    put_bytes(path, content, f"keeping tokens in {path}", durable=True, mode=_OWNER_ONLY)
