"""The tree of settings and its leaves; its branches are in the modules beside this one.

Every setting is defined once, with its type, default, bounds and meaning. The commented
``barograph.toml`` of ``barograph init`` and ``config show`` are made from these definitions.
Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic.fields import FieldInfo

from barograph.settings.keeping import BackupSection, DatabaseSection, LakeSection, QuerySection, S3Section
from barograph.settings.minutes import AnomaliesSection, BarsSection
from barograph.settings.origin import MASK, Explained, Origin, Path, dotted
from barograph.settings.recording import (
    RecordSection,
    ReplaySection,
    RetentionSection,
    SimulatorSection,
    TapeSection,
)
from barograph.settings.section import Section
from barograph.settings.telling import AlertsSection, LogSection, WebSection
from barograph.settings.trading import TradeSection
from barograph.settings.venues import FeedsSection


class Settings(Section):
    """All settings. ``Settings()`` has the defaults; :meth:`load` is what programs use."""

    data_dir: FilePath = Field(
        default=FilePath("data"), description="The tape, the lake and all state live here."
    )
    store: Literal["lake", "postgresql"] = Field(
        default="lake", description='Where the tables are: "lake", "postgresql" (see database), or its URL.'
    )
    tape: TapeSection = TapeSection()
    bars: BarsSection = BarsSection()
    anomalies: AnomaliesSection = AnomaliesSection()
    lake: LakeSection = LakeSection()
    database: DatabaseSection = DatabaseSection()
    backup: BackupSection = BackupSection()
    replay: ReplaySection = ReplaySection()
    simulator: SimulatorSection = SimulatorSection()
    query: QuerySection = QuerySection()
    record: RecordSection = RecordSection()
    trade: TradeSection = TradeSection()
    retention: RetentionSection = RetentionSection()
    alerts: AlertsSection = AlertsSection()
    feeds: FeedsSection = FeedsSection()
    web: WebSection = WebSection()
    s3: S3Section = S3Section()
    log: LogSection = LogSection()

    _origins: Mapping[Path, Origin] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _url_may_stand_for_the_store(cls, given: Any) -> Any:
        """``store = "postgresql://..."`` says both what the store is and where; it may hold a password."""
        store = given.get("store") if isinstance(given, Mapping) else None
        if not isinstance(store, str) or not store.startswith(("postgresql://", "postgres://")):
            return given
        return {**given, "store": "postgresql", "database": {**given.get("database", {}), "url": store}}

    def model_post_init(self, context: Any, /) -> None:
        # The loader hands the origins in as the validation's context.
        self._origins = dict(context or {})

    @classmethod
    def load(
        cls,
        path: FilePath | str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Sequence[Any] = (),
    ) -> Settings:
        """The settings in force.

        Args:
            path: the settings file; None looks for ``barograph.toml`` in the current
                directory and goes on without one.
            environ: variables; None takes the process's.
            flags: :class:`~barograph.settings.Flag` values that the command line gave.

        Raises:
            SettingsError: a file that is missing or broken, an unknown or wrong setting.
        """
        from barograph.settings.load import load

        return load(path, environ, flags)

    def origin(self, name: str) -> Origin:
        """Where the setting ``name`` (``"tape.fsync_bytes"``) got its value."""
        return self._origins.get(tuple(name.split(".")), Origin("default"))

    def explain(self) -> list[Explained]:
        """Every setting with its value, secrets masked, and its origin, in the tree's order."""
        return [
            Explained(dotted(place), leaf.shown(self), self.origin(dotted(place)), leaf.help)
            for place, leaf in leaves().items()
        ]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting's definition."""

    path: Path
    field: FieldInfo

    @property
    def help(self) -> str:
        """What it means, a sentence."""
        return self.field.description or ""

    @property
    def default(self) -> Any:
        """Its value when nobody says anything."""
        return self.field.default

    @property
    def is_path(self) -> bool:
        """Whether it names a file or folder."""
        return self.field.annotation in (FilePath, FilePath | None)

    @property
    def is_secret(self) -> bool:
        """Whether it must never be printed."""
        return self.field.annotation == SecretStr | None

    def shown(self, settings: Settings) -> object:
        """Its value in ``settings`` as plain data, a secret masked."""
        value: Any = settings
        for name in self.path:
            value = getattr(value, name)
        if isinstance(value, SecretStr):
            return MASK
        if isinstance(value, FilePath):
            return str(value)
        return list(value) if isinstance(value, tuple) else value


@cache
def leaves() -> Mapping[Path, Leaf]:
    """Every setting by its path, in the tree's order."""
    return MappingProxyType({leaf.path: leaf for leaf in _below(Settings, ())})


def _below(section: type[Section], above: Path) -> list[Leaf]:
    found: list[Leaf] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found += _below(kind, (*above, name))
        else:
            found.append(Leaf((*above, name), field))
    return found


def section_at(path: Path) -> type[Section]:
    """The class of the section at ``path``; its docstring says what it is for."""
    section: type[Section] = Settings
    for name in path:
        kind = section.model_fields[name].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Section)
        section = kind
    return section
