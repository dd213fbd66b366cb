"""Who asks, and whether they may: tokens, addresses, and pages of other sites in somebody's browser."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from barograph.api.doors.limits import Buckets, address_key
from barograph.api.doors.tokens import Scope, Token, find, now_of, read_tokens, tokens_path
from barograph.api.doors.using import LastUsed
from barograph.api.problems import Problem
from barograph.clock import NS_PER_S, Clock
from barograph.errors import SettingsError
from barograph.log import get_logger
from barograph.settings.telling import is_loopback

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from barograph.settings import Settings

log = get_logger()

LOOK_AGAIN_S = 1.0
"""A token that was revoked works no longer than this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the token; empty where none is asked for.
        key: what limits count by: the token's id, or the address.
        scope: the most that may be done.
    """

    name: str
    key: str
    scope: Scope


class Keyring:
    """The tokens in a file, read again when it has changed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_ns: int | None = None
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def find(self, text: str) -> Token | None:
        """The entry of a token that holds now; None for any other text.

        Raises:
            SettingsError: the file cannot be read: nobody is let in.
        """
        # One that was made a moment ago holds at once.
        token = find(self._current(), text) or find(self._current(anew=True), text)
        return token if token is not None and token.is_live(now_of(self._clock.now_ns())) else None

    def _current(self, *, anew: bool = False) -> tuple[Token, ...]:
        with self._lock:
            now_ns = self._clock.now_ns()
            looked_ns = self._looked_ns
            if anew or looked_ns is None or not 0 <= now_ns - looked_ns < LOOK_AGAIN_S * NS_PER_S:
                if (seen := self._look()) != self._seen:
                    self._tokens = read_tokens(self.path)
                    self._seen = seen
                self._looked_ns = now_ns
            return self._tokens

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be read: {error.strerror}; nobody is let in") from error
        return (found.st_ino, found.st_mtime_ns, found.st_size)


class Doorkeeper:
    """Lets callers in.

    Args:
        keyring: the tokens; None lets everybody in who asks this machine by its own name.
        origins: of pages that may ask, as browsers name them.
    """

    def __init__(
        self, keyring: Keyring | None, buckets: Buckets, used: LastUsed, origins: tuple[str, ...] = ()
    ) -> None:
        self.keyring = keyring
        self.used = used
        self._buckets = buckets
        self._origins = frozenset(origins)
        self._told_unreadable = False

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Self:
        """The doorkeeper that section ``[web]`` asks for.

        Raises:
            SettingsError: everybody would be let in at a public address.
        """
        web = settings.web
        path = tokens_path(settings.data_dir)
        keyring = Keyring(path, clock) if asks_for_tokens(settings) else None
        return cls(keyring, Buckets(web.requests_per_minute, clock), LastUsed.beside(path, clock), web.cors)

    def admit(self, connection: HTTPConnection, scope: Scope, token: str | None = None) -> Caller:
        """The caller of a request or WebSocket.

        Args:
            token: where it was found; None takes it from the header ``Authorization``.

        Raises:
            Problem: 401 no token that holds, 403 not for this, 429 too often, 421 asked by another name, 503
                the tokens cannot be read.
        """
        address = connection.client.host if connection.client else "unknown"
        if self.keyring is None:
            self._check_asked_here(connection)
            return self._counted(Caller("", address_key(address), "trade"))
        text = bearer(connection) if token is None else token
        found = self._found(self.keyring, text) if text else None
        if found is None:
            self._counted(Caller("", address_key(address), "read"))
            raise _unknown(text)
        caller = self._counted(Caller(found.name, found.id, found.scope))
        self.used.note(found.id)
        if not found.allows(scope):
            raise Problem(
                403,
                f"the token {found.name!r} has the scope {found.scope}; this needs {scope}: "
                f"`barograph token create --scope {scope}`",
            )
        return caller

    def _found(self, keyring: Keyring, text: str) -> Token | None:
        """The entry of a token; where the file is, strangers are not told."""
        try:
            found = keyring.find(text)
        except SettingsError as error:
            if not self._told_unreadable:
                log.error("nobody is let in", error=str(error))  # noqa: TRY400 - no bug
            self._told_unreadable = True
            raise Problem(
                503,
                "the server's tokens cannot be read; nobody is let in until they are; its log says more",
            ) from None
        self._told_unreadable = False
        return found

    def _counted(self, caller: Caller) -> Caller:
        wait_s = self._buckets.wait_s(caller.key)
        if wait_s:
            raise Problem(
                429,
                f"more than {round(self._buckets.per_s * 60)} requests a minute; ask again in {wait_s:.1f} s "
                "(setting web.requests_per_minute)",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        return caller

    def _check_asked_here(self, connection: HTTPConnection) -> None:
        """Without tokens, a page of another site in the browser of who runs this must not read it.

        Such a page comes with its own origin, or has its own name lead to this machine.
        """
        host = _host_in(connection.headers.get("host", ""))
        if host and not is_loopback(host):
            raise Problem(
                421,
                f"this is not {host}: without tokens only this machine is answered, by its own name; behind "
                'a proxy set web.tokens = "always" and make one with `barograph token create --scope read`',
            )
        origin = connection.headers.get("origin")
        if origin and origin not in self._origins and not _is_ours(origin):
            raise Problem(403, f"pages of {origin} may not ask here; allow them by the setting web.cors")


def bearer(connection: HTTPConnection) -> str | None:
    """The token in the header ``Authorization: Bearer ...``."""
    kind, _, text = connection.headers.get("authorization", "").partition(" ")
    return text.strip() or None if kind.lower() == "bearer" else None


def asks_for_tokens(settings: Settings) -> bool:
    """Whether the API asks for tokens.

    Raises:
        SettingsError: it must not at a public address, where it has to.
    """
    web = settings.web
    local = is_loopback(web.host)
    if web.tokens == "never" and not local:
        raise SettingsError(
            f'web.tokens = "never" would let everybody in at {web.host}; set it to "auto", or web.host to '
            "127.0.0.1"
        )
    return web.tokens == "always" or not local


def is_readable(address: str) -> bool:
    """Whether an address that somebody sent is one: brackets may stand around an address of IPv6 only.

    >>> is_readable("//[::1]:8000"), is_readable("//[")
    (True, False)
    """
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


def _host_in(header: str) -> str:
    """The name in a ``Host`` header, without the port."""
    return urlsplit(f"//{header}").hostname or ""


def _is_ours(origin: str) -> bool:
    """Whether a page comes from this machine."""
    return is_readable(origin) and is_loopback(urlsplit(origin).hostname or "")


def _unknown(text: str | None) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="barograph"' + (', error="invalid_token"' if text else "")}
    said = "this token is not known, was revoked or has expired" if text else "this needs a token"
    return Problem(
        401,
        f"{said}; make one with `barograph token create --scope read` and send the header "
        "'Authorization: Bearer baro_...'",
        headers,
    )
