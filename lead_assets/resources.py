"""Resources, and the only reader of the environment.

Everything is read when a run starts, never at import: definitions load with an empty environment.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Optional

import dagster as dg
from pydantic import Field, create_model

from lead_assets import local
from lead_assets.campaign_files import find_campaign
from lead_assets.domain.campaign import Campaign, end_of_day
from lead_assets.domain.errors import (
    DatabaseUnavailable,
    SearchUnavailable,
    SettingInvalid,
    SourceNotFound,
)
from lead_assets.domain.settings import NAMES, Layer, Resolved, Settings, resolve
from lead_assets.services.embedding import Embedder, LocalEmbedder
from lead_assets.services.extractor import Extractor, RulesExtractor
from lead_assets.services.search import SearchIndex
from lead_assets.sources.archive import ArchiveSource
from lead_assets.sources.source import Source
from lead_assets.storage.database import Database

_CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT = _CHECKOUT if (_CHECKOUT / "dagster.yaml").is_file() else Path.cwd()
"""The checkout that the package runs from; an installed package has none, and state lives where one stands."""


@dataclass(frozen=True)
class Environment:
    """What the environment says, with its defaults. Folders are absolute."""

    project: Path
    home: Path
    campaigns: Path
    rejection_logs: Path
    settings: Mapping[str, str]
    _database_url: str | None
    _typesense_url: str | None
    _typesense_api_key: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> "Environment":
        """The environment now. ``variables`` replaces the process's own."""
        given = {name: value for name, value in (os.environ if variables is None else variables).items() if value}
        home = _folder(given.get("LEAD_ASSETS_HOME"), PROJECT / ".lead_assets")
        return cls(
            project=PROJECT,
            home=home,
            campaigns=_folder(given.get("LEAD_ASSETS_CAMPAIGNS"), PROJECT / "campaigns"),
            rejection_logs=_folder(given.get("REJECTION_LOG_DIR"), home / "rejections"),
            settings={name: given[name] for name in NAMES if name in given},
            _database_url=given.get("DATABASE_URL"),
            _typesense_url=given.get("TYPESENSE_URL"),
            _typesense_api_key=given.get("TYPESENSE_API_KEY"),
        )

    @property
    def own_database(self) -> bool:
        """Whether the user gave a PostgreSQL, so that none has to be started."""
        return self._database_url is not None

    @property
    def own_typesense(self) -> bool:
        """Whether the user gave a Typesense, so that none has to be started."""
        return self._typesense_url is not None

    @property
    def database_url(self) -> str:
        """The user's database, else the embedded one.

        Raises:
            DatabaseUnavailable: there is neither.
        """
        url = self._database_url or ((servers := local.read(self.home)) and servers.database_url)
        if not url:
            raise DatabaseUnavailable("No PostgreSQL is known; run `lead-assets up`, or set DATABASE_URL.")
        return url

    @property
    def typesense(self) -> tuple[str, str]:
        """Address and key of the user's Typesense, else of the embedded one.

        Raises:
            SearchUnavailable: there is neither, or the user's has no key.
        """
        if self._typesense_url:
            if not self._typesense_api_key:
                raise SearchUnavailable("TYPESENSE_URL is set, but TYPESENSE_API_KEY is not; set both or neither.")
            return self._typesense_url, self._typesense_api_key
        servers = local.read(self.home)
        if not servers or not servers.typesense_url:
            raise SearchUnavailable(
                "No Typesense is known; run `lead-assets up`, or set TYPESENSE_URL and TYPESENSE_API_KEY."
            )
        return servers.typesense_url, servers.typesense_api_key

    def exports(self) -> dict[str, str]:
        """The variables that make any program, Dagster's own commands among them, work on the same state."""
        url, key = self.typesense
        return {
            "DAGSTER_HOME": str(self.project),
            "LEAD_ASSETS_HOME": str(self.home),
            "LEAD_ASSETS_CAMPAIGNS": str(self.campaigns),
            "DATABASE_URL": self.database_url,
            "TYPESENSE_URL": url,
            "TYPESENSE_API_KEY": key,
        }


def _folder(given: str | None, default: Path) -> Path:
    return Path(given).expanduser().absolute() if given else default


@dataclass(frozen=True)
class Brief:
    """What a run works by: the campaign, its settings in force, and where documents come from."""

    campaign: Campaign
    resolved: Resolved
    source: str
    archive: Path | None
    as_of: datetime | None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.resolved.settings

    @property
    def judged_as_of(self) -> datetime:
        """The moment as of which a crawl judges ages: the given one, else now."""
        return self.as_of or datetime.now(UTC)

    def set_by(self, setting: str) -> str:
        """Where a setting's value comes from: default, environment, the campaign's file, or the run's config."""
        return self.resolved.origins[setting]


def _setting_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, info in Settings.model_fields.items():
        annotation = info.annotation
        kind = next((k for k in (bool, int, float) if annotation is k or annotation == (k | None)), str)
        default = "the embedding model's own" if info.default is None else info.default
        described = f"{info.description} Default: {default}."
        fields[name.upper()] = (Optional[kind], Field(None, description=described))  # noqa: UP045  Dagster reads Optional
    return fields


_SettingFields: Any = create_model("_SettingFields", __base__=dg.ConfigurableResource, **_setting_fields())


class RunSettings(_SettingFields):
    """What one run does otherwise than the campaign's file says. Everything is optional and empty by default."""

    source: Optional[str] = Field(default=None, description="Where documents come from in this run: archive.")  # noqa: UP045
    archive_path: str | None = Field(default=None, description="The archive file (.ndjson or .zst) of source archive.")
    as_of: str | None = Field(
        default=None, description="Day as of which ages are judged, e.g. 2026-01-31; default today."
    )

    def brief(self, campaign_id: str) -> Brief:
        """The brief of a run of ``campaign_id``: defaults < environment < campaign file < this config.

        Raises:
            CampaignInvalid, SettingInvalid: with what is wrong and where.
        """
        environment = Environment.read()
        campaign = find_campaign(environment.campaigns, campaign_id)
        layers = [Layer("environment", environment.settings), Layer(f"campaign {campaign_id}", campaign.settings)]
        below = resolve(layers).settings
        # The launchpad is filled with the settings in force: only what was changed there is the run's own.
        own = {name: value for name in NAMES if (value := getattr(self, name)) != getattr(below, name.lower())}
        resolved = resolve([*layers, Layer("run config", own)])
        source = self.source or campaign.source
        path, as_of = self._archive(campaign) if source == "archive" else (None, None)
        return Brief(campaign, resolved, source, path, parse_day(self.as_of) if self.as_of else as_of)

    def _archive(self, campaign: Campaign) -> tuple[Path | None, datetime | None]:
        """The archive of this run and the day as of which its campaign judges it."""
        if self.archive_path:
            return Path(self.archive_path).expanduser().absolute(), None
        if campaign.archive is None:
            return None, None
        return Path(campaign.archive.path), end_of_day(campaign.archive.as_of) if campaign.archive.as_of else None


def parse_day(text: str) -> datetime:
    """A day (its last second, UTC) or a moment in ISO 8601.

    Raises:
        SettingInvalid: it is neither.
    """
    try:
        if len(text) == len("2026-01-31"):
            return end_of_day(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingInvalid(f"{text!r} is no day; write one such as 2026-01-31.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def open_source(brief: Brief) -> Source:
    """The source of a run.

    Raises:
        SourceNotFound: there is none of this name, or it cannot be opened.
    """
    if brief.source in ("reddit", "arctic_shift"):
        raise SourceNotFound(
            f"Source {brief.source} is not part of this version; crawl an archive with --source archive --path FILE."
        )
    if brief.source != "archive":
        raise SourceNotFound(f"There is no source {brief.source!r}; this version has archive.")
    if brief.archive is None:
        raise SourceNotFound(
            f"Campaign {brief.campaign.id} has no archive; give --path FILE, or add `archive: {{path: …}}` to its file."
        )
    return ArchiveSource(brief.archive)


def make_embedder() -> Embedder:
    """What embeds texts; the model is loaded when it is first used."""
    return LocalEmbedder()


def make_extractor() -> Extractor:
    """What reads candidates."""
    return RulesExtractor()


SourceOpener = Callable[[Brief], Source]


@dg.resource(description="PostgreSQL: DATABASE_URL, else the embedded server.")
def database_resource(_: dg.InitResourceContext) -> Any:
    """The database, closed when the run ends."""
    database = Database(Environment.read().database_url)
    try:
        yield database
    finally:
        database.close()


@dg.resource(description="Typesense: TYPESENSE_URL and TYPESENSE_API_KEY, else the embedded server.")
def search_resource(_: dg.InitResourceContext) -> Any:
    """The search index, closed when the run ends."""
    index = SearchIndex(*Environment.read().typesense)
    try:
        yield index
    finally:
        index.close()


@dg.resource(description="Folder of the rejection CSV files: REJECTION_LOG_DIR.")
def rejection_logs_resource(_: dg.InitResourceContext) -> Path:
    """Where rejection CSV files go."""
    return Environment.read().rejection_logs


def build_resources() -> dict[str, Any]:
    """The resources of production, by the names that assets ask for."""
    return {
        "run_settings": RunSettings(),
        "database": database_resource,
        "search_index": search_resource,
        "rejection_logs": rejection_logs_resource,
        "source_opener": dg.ResourceDefinition.hardcoded_resource(open_source, "Opens the run's source."),
        "embedder": dg.ResourceDefinition.hardcoded_resource(make_embedder(), "Embeds texts with the local model."),
        "extractor": dg.ResourceDefinition.hardcoded_resource(make_extractor(), "Reads candidates by rules."),
    }
