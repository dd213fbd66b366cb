"""Where the PostgreSQL server is, and who we are there. The password is never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from barograph.errors import SettingsError
from barograph.settings.keeping import DatabaseSection

SCHEMES = ("postgresql", "postgres")
_PATHS = ("sslrootcert", "sslcert", "sslkey")


@dataclass(frozen=True, slots=True)
class Address:
    """A server, a database, a user; what libpq calls connection parameters.

    Attributes:
        parameters: libpq's own names and values, the password apart.
        namespace: the schema that holds the tables.

    >>> str(Address.of_url("postgresql://ada:secret@db.example:5433/markets?sslmode=require"))
    'postgresql://ada@db.example:5433/markets?sslmode=require'
    """

    parameters: dict[str, str]
    password: str | None = field(default=None, repr=False)
    namespace: str = "public"

    @classmethod
    def of_url(cls, url: str, namespace: str = "public") -> Address:
        """The address that a ``postgresql://`` URL tells.

        Raises:
            SettingsError: it is none; the URL itself is not repeated, it may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise SettingsError(f"the database's URL cannot be read: {error}") from None
        if parts.scheme not in SCHEMES:
            raise SettingsError(
                f"the database's URL begins with {parts.scheme or 'nothing'!r}, not with postgresql://"
            )
        given = {
            "host": unquote(parts.hostname or ""),
            "port": str(port or ""),
            "dbname": unquote(parts.path.lstrip("/")),
            "user": unquote(parts.username or ""),
            **dict(parse_qsl(parts.query)),
        }
        password = given.pop("password", None) or (unquote(parts.password) if parts.password else None)
        return cls({name: value for name, value in given.items() if value}, password, namespace)

    @classmethod
    def of(cls, database: DatabaseSection) -> Address:
        """The address that the settings tell: the URL, with what stands beside it taking precedence.

        Raises:
            SettingsError: neither a URL nor a host, or a URL that cannot be read.
        """
        known = cls.of_url(database.url.get_secret_value()) if database.url is not None else cls({})
        beside = {
            "host": database.host,
            "port": str(database.port) if database.port is not None else None,
            "dbname": database.name,
            "user": database.user,
            "sslmode": database.sslmode,
            **{name: _path(getattr(database, name)) for name in _PATHS},
        }
        parameters = {**known.parameters, **{name: value for name, value in beside.items() if value}}
        if database.url is None and not parameters.get("host"):
            raise SettingsError(
                "the store is PostgreSQL, but neither database.url (DATABASE_URL) nor database.host (DB_HOST)"
                " says where it is"
            )
        parameters.setdefault("connect_timeout", str(round(database.connect_timeout_s)))
        password = database.password.get_secret_value() if database.password is not None else known.password
        return cls(parameters, password, database.namespace)

    def __str__(self) -> str:
        return self._url(None)

    def conninfo(self) -> dict[str, Any]:
        """Keyword arguments for psycopg's ``connect``."""
        secret = {"password": self.password} if self.password is not None else {}
        return {**self.parameters, **secret}

    def uri(self) -> str:
        """A URI with the password in it, for drivers that take nothing else. Never to be shown."""
        return self._url(self.password)

    def _url(self, password: str | None) -> str:
        rest = dict(self.parameters)
        host, port, name, user = (rest.pop(key, "") for key in ("host", "port", "dbname", "user"))
        if host.startswith("/"):  # a folder of sockets, or several hosts, cannot stand in the host's place
            rest["host"], host = host, ""
        secret = f":{quote(password, safe='')}" if password is not None else ""
        who = f"{quote(user, safe='')}{secret}@" if user or secret else ""
        where = f"{quote(host, safe=':[],.')}{f':{port}' if port else ''}"
        query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""  # libpq takes + for itself
        return f"postgresql://{who}{where}/{quote(name, safe='')}{query}"


def _path(path: object) -> str | None:
    return str(path) if path is not None else None
