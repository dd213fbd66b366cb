"""Where versions of models live, and which one counts.

::

    models/
      promoted.json                       the version that counts
      isolation-forest/
        3fa9c1b20d4e/                     the beginning of the sha256 of card.json
          card.json  card.md  model.bin  model.skops

A version is named by its content: the same data, parameters, seed and libraries give the same
name, none is ever written over, and none can change unnoticed. Each is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from barograph.anomalies.models.card import VERSION_DIGITS, Card, as_text, read_card, sealed
from barograph.anomalies.models.promotion import Promoted
from barograph.disk import sync_directory
from barograph.errors import DataError, UsageError
from barograph.store.durable import publish, stage, storage_errors, temporary

if TYPE_CHECKING:
    from barograph.anomalies.models.model import Model
    from barograph.anomalies.models.rule import ModelRule

CARD = "card.json"
TEXT = "card.md"
MODEL = "model.bin"
ESTIMATOR = "model.skops"
PROMOTED = "promoted.json"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")


class Reference(NamedTuple):
    """A version: ``isolation-forest/3fa9c1b20d4e``."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class Registry:
    """The models of a data directory.

    Args:
        folder: ``<data>/models``; made when something is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, data: Path) -> Registry:
        """The models of the data directory ``data``."""
        return cls(data / "models")

    # Versions.

    def put(self, card: Card, files: Mapping[str, bytes]) -> Reference:
        """Keep a version: its card, and the files that the card names.

        One that is there already stays as it is.

        Raises:
            UsageError: its name is none.
            StorageFull, StorageError: nothing of it is there.
        """
        if not _NAME.fullmatch(card.name):
            raise UsageError(
                f"{card.name!r} cannot name a model; use small letters, digits, - and _, 64 at the most"
            )
        named = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        if named != card.files:
            raise ValueError(f"the card names {sorted(card.files)} otherwise than the files are")
        seal = sealed(card)
        reference = Reference(card.name, seal.version)
        target = self._path(reference)
        if target.is_dir():
            self.card(reference)
            return reference
        text = as_text(card, seal.version).encode()
        self._put_whole(target, {CARD: seal.data, TEXT: text, **files})
        return reference

    def _put_whole(self, target: Path, files: Mapping[str, bytes]) -> None:
        staged = temporary(target.parent, f".{target.name}")
        with storage_errors("writing", target):
            try:
                for name, data in files.items():
                    stage(staged / name, memoryview(data))
                sync_directory(staged)
                try:
                    os.rename(staged, target)
                except OSError:
                    # Another process was faster: what is named by its content is the same.
                    if not target.is_dir():
                        raise
                sync_directory(target.parent)
            finally:
                shutil.rmtree(staged, ignore_errors=True)

    def versions(self) -> list[Reference]:
        """Every version, by name, the latest made last."""
        found = [
            (name.name, (each / CARD).stat().st_mtime_ns, each.name)
            for name in (self.folder.iterdir() if self.folder.is_dir() else ())
            if name.is_dir() and _NAME.fullmatch(name.name)
            for each in name.iterdir()
            if _VERSION.fullmatch(each.name) and (each / CARD).is_file()
        ]
        return [Reference(name, version) for name, _, version in sorted(found)]

    def find(self, text: str) -> Reference:
        """The version that ``text`` means: ``NAME/VERSION``, or as much of it as only one has.

        Raises:
            UsageError: none, or several.
        """
        known = self.versions()
        name, _, version = text.partition("/")
        found = [each for each in known if each.name == name and each.version.startswith(version)]
        if len(found) == 1:
            return found[0]
        listed = (
            ", ".join(str(each) for each in found or known) or "none; `barograph anomalies train` makes one"
        )
        problem = "means several versions" if found else "is no version of a model"
        raise UsageError(f"{text!r} {problem}; there are: {listed}")

    def digest(self, reference: Reference) -> str:
        """The sha256 of a version's card."""
        return hashlib.sha256(self._read_card(reference)).hexdigest()

    def card(self, reference: Reference) -> Card:
        """A version's card.

        Raises:
            DataError: it is not there, or has been changed.
        """
        return read_card(self._read_card(reference), f"{self._path(reference) / CARD}")

    def model(self, reference: Reference) -> Model:
        """What scores.

        Raises:
            DataError: it is not there, or has been changed.
        """
        # Judging is compiled; who only looks for promotions does not load the compiler.
        from barograph.anomalies.models.model import decoded

        return decoded(self.file(reference, MODEL), str(self._path(reference) / MODEL))

    def file(self, reference: Reference, name: str) -> bytes:
        """A file of a version, as its card names it.

        Raises:
            DataError: it is not there, or has been changed.
        """
        path = self._path(reference) / name
        data = _bytes(path, reference)
        if self.card(reference).files.get(name) != hashlib.sha256(data).hexdigest():
            raise DataError(
                f"{path} is not the file that its card names: damaged or exchanged; put the folder back "
                "from a backup, or train the version again"
            )
        return data

    def _read_card(self, reference: Reference) -> bytes:
        path = self._path(reference) / CARD
        data = _bytes(path, reference)
        if not hashlib.sha256(data).hexdigest().startswith(reference.version):
            raise DataError(
                f"{path} has been changed: its sha256 does not begin with {reference.version}; put the "
                "folder back from a backup, or train the version again"
            )
        return data

    def _path(self, reference: Reference) -> Path:
        if not (_NAME.fullmatch(reference.name) and _VERSION.fullmatch(reference.version)):
            raise DataError(f"{str(reference)!r} cannot be a version of a model")
        return self.folder / reference.name / reference.version

    # Which one counts.

    def promote(self, reference: Reference | None) -> Promoted:
        """Let a version count from now on, None: no model. It must be whole."""
        if reference is not None:
            self.model(reference)
        made = Promoted(None) if reference is None else Promoted(str(reference), self.digest(reference))
        path = self.folder / PROMOTED
        with storage_errors("writing", path):
            staged = temporary(self.folder, PROMOTED)
            stage(staged, memoryview(msgspec.json.encode(made) + b"\n"))
            publish(staged, path)
            sync_directory(self.folder)
        return made

    def promoted(self) -> Promoted | None:
        """What counts; None while nothing has ever been promoted.

        Raises:
            DataError: the file cannot be read.
        """
        path = self.folder / PROMOTED
        try:
            return msgspec.json.decode(path.read_bytes(), type=Promoted)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} cannot be read ({error}); say again what counts: barograph anomalies promote"
            ) from error

    def rule(self, promoted: Promoted) -> ModelRule:
        """What judges minutes for a promotion that stands on the tape.

        Raises:
            DataError: the version is not there any more, or is another one.
        """
        name, _, version = (promoted.version or "").partition("/")
        reference = Reference(name, version)
        if self.digest(reference) != promoted.digest:
            raise DataError(
                f"the tape names {reference} with another digest than {self._path(reference)} has; put the "
                "right folder back from a backup"
            )
        from barograph.anomalies.models.rule import ModelRule

        return ModelRule(str(reference), self.model(reference))


def _bytes(path: Path, reference: Reference) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"the anomaly model {reference} is not there: no {path}; put its folder back from a backup, or "
            "train it again from the same tables (the same data and parameters give the same version)"
        ) from None
