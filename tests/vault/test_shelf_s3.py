"""The S3 shelf over HTTP: the contract, what the server says no to, uploads that are cut off."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.s3 import S3Server, s3_server

from barograph.errors import SettingsError, StorageError
from barograph.vault.shelf import Shelf, shelf_at
from barograph.vault.shelves.s3 import S3Shelf

from .shelf_contract import LARGE, ShelfContract


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


class TestS3Shelf(ShelfContract):
    @pytest.fixture
    def shelf(self, server: S3Server) -> Shelf:
        return S3Shelf.of(f"s3://{server.bucket()}/some/prefix/", server.environ)


class TestS3ShelfWithoutPrefix(ShelfContract):
    @pytest.fixture
    def shelf(self, server: S3Server) -> Shelf:
        return S3Shelf.of(f"s3://{server.bucket()}", server.environ)


def test_the_environment_says_where_and_who(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    bucket = server.bucket()
    shelf = shelf_at(f"s3://{bucket}/backups")
    shelf.put_bytes("a", b"1")
    assert server.client().get_object(Bucket=bucket, Key="backups/a")["Body"].read() == b"1"
    assert str(shelf) == f"s3://{bucket}/backups"


def test_others_in_the_bucket_are_left_alone(server: S3Server) -> None:
    bucket = server.bucket()
    server.client().put_object(Bucket=bucket, Key="backups-of-others/a", Body=b"1")
    shelf = S3Shelf.of(f"s3://{bucket}/backups", server.environ)
    shelf.put_bytes("a", b"1")
    assert [item.path for item in shelf.list()] == ["a"]


def test_credentials_come_from_a_profile_too(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = server.bucket()
    (tmp_path / "credentials").write_text("[me]\naws_access_key_id = a\naws_secret_access_key = b\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "me")
    environ = {"AWS_ENDPOINT_URL": server.url, "AWS_PROFILE": "me", "AWS_REGION": "us-east-1"}
    shelf = S3Shelf.of(f"s3://{bucket}", environ)
    shelf.put_bytes("a", b"1")
    assert shelf.get_bytes("a") == b"1"


def test_given_a_profile_that_is_not_there_then_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="nobody"):
        S3Shelf.of("s3://bucket", {"AWS_PROFILE": "nobody"})


def test_given_no_such_bucket_then_the_remedy_is_said(server: S3Server, tmp_path: Path) -> None:
    shelf = S3Shelf.of("s3://nowhere/x", server.environ)
    for action in (
        lambda: shelf.put_bytes("a", b"1"),
        lambda: shelf.get_bytes("a"),
        lambda: list(shelf.list()),
    ):
        with pytest.raises(SettingsError, match="no such bucket"):
            action()


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "s3://key:secret@bucket/x", "s3://bucket/x?y=1"])
def test_given_an_address_without_a_bucket_then_it_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="s3://bucket/prefix") as caught:
        S3Shelf.of(url, {})
    assert "secret" not in str(caught.value)


def test_given_nobody_who_answers_then_it_is_a_storage_error_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        environ = {
            "AWS_ENDPOINT_URL": nowhere,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "hush-hush",
        }
        with pytest.raises(StorageError, match="try again") as caught:
            S3Shelf.of("s3://bucket", environ).put_bytes("a", b"1")
    assert "hush-hush" not in str(caught.value)


def test_a_large_file_goes_up_in_parts_and_leaves_none_behind(server: S3Server, tmp_path: Path) -> None:
    bucket = server.bucket()
    (tmp_path / "large").write_bytes(LARGE)
    S3Shelf.of(f"s3://{bucket}", server.environ).put("large", tmp_path / "large")
    assert "-3" in server.client().head_object(Bucket=bucket, Key="large")["ETag"]
    assert "Uploads" not in server.client().list_multipart_uploads(Bucket=bucket)
