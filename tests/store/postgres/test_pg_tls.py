"""One protected connection, to a server whose certificate we made ourselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import skip_or_fail
from tests.servers.postgres import binaries, server

from barograph.errors import StorageError
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.store.postgres.server import detect


class Protected(NamedTuple):
    address: Address
    certificate: Path
    other: Path


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that has signed itself, and its key."""
    key, made = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
            ),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    return made, key


@pytest.fixture(scope="module")
def protected() -> Iterator[Protected]:
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed")
    if binaries() is None:
        skip_or_fail("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="barograph-tls-"))
    try:
        made, key = certificate(folder, "ours")
        other, _ = certificate(folder, "other")
        if os.getuid() == 0:
            folder.chmod(0o755)
            os.chown(key, 65534, 65534)
        with server(ssl="on", ssl_cert_file=f"'{made}'", ssl_key_file=f"'{key}'") as running:
            yield Protected(running.create(), made, other)
    finally:
        shutil.rmtree(folder)


def trusting(address: Address, root: Path) -> Address:
    more = {"sslmode": "verify-full", "sslrootcert": str(root)}
    return replace(address, parameters={**address.parameters, **more})


def test_the_server_proves_who_it_is(protected: Protected) -> None:
    with closing(connect(trusting(protected.address, protected.certificate))) as connection:
        tls = detect(connection).tls
    assert tls is not None
    assert tls.startswith("TLS")


def test_who_cannot_prove_it_is_refused(protected: Protected) -> None:
    with pytest.raises(StorageError, match="certificate verify failed"):
        connect(trusting(protected.address, protected.other))
