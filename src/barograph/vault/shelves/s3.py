"""A shelf in S3, or in anything that speaks its language: ``s3://bucket/prefix``.

Files go up through obstore: in one request when they are small, as a multipart upload otherwise. An object
is visible when it is whole, never before. Who we are is found as AWS's own tools find it when boto3 is
installed (environment, profiles, single sign-on, container, machine); without boto3 by the environment,
web identity, container and machine. ``AWS_ENDPOINT_URL`` and ``AWS_REGION`` count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from barograph.clock import to_us
from barograph.errors import DataError, SettingsError, StorageError
from barograph.vault.shelf import Item, write_whole

if TYPE_CHECKING:
    from obstore.store import S3Store

RETRIES = 3
_PATIENCE_S = 300
"""For one request with all that it carries, on a slow line too."""
_CONNECT_S = 5
_GIVE_UP_S = 60
_KEYS = ("access_key_id", "secret_access_key", "session_token")
_PART = 8 * 1024 * 1024
_AT_ONCE = 4
"""Parts of a file that are on their way at the same time: 32 MB of memory."""
_DELETED_AT_ONCE = 1_000

_DENIED = (
    "the credentials do not allow it; the role needs s3:GetObject, PutObject and DeleteObject on the prefix, "
    "and s3:ListBucket on the bucket"
)
_REGION = "the bucket is in another region; set AWS_REGION"
_SAID = (
    ("NoSuchBucket", "there is no such bucket; make it, or correct the address"),
    ("AccessDenied", _DENIED),
    ("InvalidAccessKeyId", "the access key is unknown; look at AWS_ACCESS_KEY_ID, or log in again"),
    ("SignatureDoesNotMatch", "the secret key is wrong, or this machine's clock is"),
    ("ExpiredToken", "the session has expired; log in again"),
    ("PermanentRedirect", _REGION),
    ("AuthorizationHeaderMalformed", _REGION),
)
"""Words of the server's answers, and what to do."""


class S3Shelf:
    """A :class:`~barograph.vault.shelf.Shelf` below a bucket's prefix.

    Args:
        store: obstore's store, without a prefix of its own.
        bucket, prefix: where; the prefix without slashes at its ends.
    """

    def __init__(self, store: S3Store, bucket: str, prefix: str) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    @classmethod
    def of(cls, url: str, environ: Mapping[str, str] | None = None) -> Self:
        """The shelf at ``s3://bucket/prefix``. Nothing is asked of the server yet.

        Raises:
            SettingsError: obstore is not installed, or the address names no bucket.
        """
        parts = urlsplit(url)
        bucket, prefix = parts.netloc, parts.path.strip("/")
        if not bucket or "@" in bucket or parts.query:
            raise SettingsError(
                "backups in S3 need an address such as s3://bucket/prefix, and nothing else in it"
            )
        environ = os.environ if environ is None else environ
        return cls(_store(bucket, environ), bucket, prefix)

    def put(self, path: str, file: Path) -> None:
        """Upload a local file; see the protocol."""
        import obstore

        with self._errors(f"uploading {path} to"), file.open("rb") as source:
            obstore.put(self._store, self._prefix + path, source, chunk_size=_PART, max_concurrency=_AT_ONCE)

    def put_bytes(self, path: str, content: bytes) -> None:
        """The same with a small file's content."""
        import obstore

        with self._errors(f"uploading {path} to"):
            obstore.put(self._store, self._prefix + path, content, use_multipart=False)

    def get(self, path: str, file: Path) -> None:
        """Download to a local path; see the protocol."""
        write_whole(file, self.chunks(path), f"downloading {path} from {self} to {file}")

    def get_bytes(self, path: str) -> bytes:
        """A small file's content."""
        return b"".join(self.chunks(path))

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content in pieces; see the protocol."""
        import obstore

        with self._errors(f"downloading {path} from", path):
            found = obstore.get(self._store, self._prefix + path)
            stream, left = iter(found.stream(min_chunk_size=_PART)), found.meta["size"]
        while left:
            # Only the server's part is inside: what the caller does with a piece is no fault of the server's.
            with self._errors(f"downloading {path} from", path):
                chunk = bytes(next(stream, b""))
            if not chunk:
                raise StorageError(
                    f"downloading {path} from {self}: the connection ended {left:,} bytes early"
                )
            left -= len(chunk)
            yield chunk

    def list(self, prefix: str = "") -> Iterator[Item]:
        """All files below a folder, ascending by path."""
        import obstore

        found: list[Item] = []
        with self._errors("listing"):
            for page in obstore.list(self._store, prefix=(self._prefix + prefix).strip("/") or None):
                found += [
                    Item(each["path"].removeprefix(self._prefix), each["size"], to_us(each["last_modified"]))
                    for each in page
                ]
        yield from sorted(found, key=lambda item: item.path)

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""
        import obstore

        wanted = iter(paths)
        while some := [self._prefix + path for path in islice(wanted, _DELETED_AT_ONCE)]:
            with self._errors("deleting from"):
                obstore.delete(self._store, some)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @contextmanager
    def _errors(self, doing: str, path: str | None = None) -> Iterator[None]:
        """Turn obstore's errors into the house's."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if path is None or "NoSuchBucket" in str(error):
                raise self._explained(error, doing) from error
            raise DataError(f"{self} has no file {path}") from error
        except (BaseError, OSError, ValueError) as error:
            raise self._explained(error, doing) from error

    def _explained(self, error: Exception, doing: str) -> Exception:
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        text = str(error)
        for word, remedy in _SAID:
            if word in text:
                return SettingsError(f"{doing} {self}: {remedy} ({word})")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return SettingsError(f"{doing} {self}: {_DENIED}")
        if "credential" in text.lower() or "169.254.169.254" in text:
            return SettingsError(
                f"{doing} {self}: no credentials were found; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give the machine a role (profiles need: pip install boto3)"
            )
        return StorageError(f"{doing} {self}: {_first_line(text)}; try again when it answers")


def _first_line(text: str) -> str:
    # The rest of obstore's text is the same once more, for its developers.
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _store(bucket: str, environ: Mapping[str, str]) -> S3Store:
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise SettingsError(
            f"backups in S3 need a package that is not installed ({error}): pip install 'barograph[aws]'"
        ) from error
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    return S3Store(
        bucket,
        config=_config(endpoint, environ),
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "timeout": timedelta(seconds=_PATIENCE_S),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=_GIVE_UP_S)},
        credential_provider=_boto3(environ),
    )


def _config(endpoint: str | None, environ: Mapping[str, str]) -> Any:
    given = {
        "region": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        **{name: environ.get(f"AWS_{name.upper()}") for name in _KEYS},
    }
    config: dict[str, Any] = {name: value for name, value in given.items() if value}
    if endpoint:
        # A server of one's own, by its address: it has no name for each bucket.
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    return config


def _boto3(environ: Mapping[str, str]) -> Any:
    """Credentials as boto3 finds them; None leaves it to obstore.

    Raises:
        SettingsError: a profile is named, which needs boto3, and there is none.
    """
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return None  # in the environment: both find them, and boto3 takes half a second to load
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        if environ.get("AWS_PROFILE"):
            raise SettingsError(f"AWS_PROFILE needs a package that is not installed: {error}") from error
        return None
    try:
        return Boto3CredentialProvider()
    except ValueError:
        return None  # it found none; obstore then says so when something is asked
    except Exception as error:
        raise SettingsError(f"AWS's credentials cannot be read: {error}") from error
