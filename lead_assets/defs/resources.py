"""Resources, and the only reader of the environment.

Everything is read when a run starts, never at import: definitions load with an empty environment.
"""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import dagster as dg
from pydantic import Field, create_model

from lead_assets import servers as embedded
from lead_assets.config.campaign_files import find_campaign
from lead_assets.domain.campaign import Campaign, end_of_day
from lead_assets.domain.errors import (
    DatabaseUnavailable,
    SearchUnavailable,
    SettingInvalid,
    SourceNotFound,
)
from lead_assets.domain.gates import gate_digest
from lead_assets.domain.prices import price_of
from lead_assets.domain.settings import NAMES, Layer, Resolved, Settings, resolve
from lead_assets.models.local_embedder import Embedder, LocalEmbedder
from lead_assets.models.openai.address import VARIABLES as OPENAI_VARIABLES
from lead_assets.models.openai.address import Address, Purpose, address_in
from lead_assets.models.openai.prompt import RequestKeys
from lead_assets.models.rules_extractor import Extractor, RulesExtractor
from lead_assets.search.typesense import SearchIndex
from lead_assets.sources.archive import ArchiveSource
from lead_assets.sources.arctic_shift import ARCTIC_SHIFT_URL, ArcticShiftSource, require_subreddits
from lead_assets.sources.base import Source
from lead_assets.sources.reddit.client import RedditClient, RedditCredentials
from lead_assets.sources.reddit.source import Reading, RedditSource
from lead_assets.storage.crawl_state import CrawlMemory
from lead_assets.storage.database import Database
from lead_assets.storage.request_budget import RequestBudget

if TYPE_CHECKING:
    from lead_assets.models.openai.endpoint import Endpoint

REDDIT_VARIABLES = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT", "REDDIT_URL")
DAGSTER_URL = "http://127.0.0.1:3000"
_CHECKOUT = Path(__file__).resolve().parents[2]
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
    _reddit: Mapping[str, str]
    arctic_shift_url: str
    dagster_url: str
    _openai: Mapping[str, str] = field(repr=False)

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
            _reddit={name: given[name] for name in REDDIT_VARIABLES if name in given},
            arctic_shift_url=given.get("ARCTIC_SHIFT_URL", ARCTIC_SHIFT_URL),
            dagster_url=given.get("DAGSTER_URL", DAGSTER_URL),
            _openai={name: given[name] for name in OPENAI_VARIABLES if name in given},
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
        url = self._database_url or ((servers := embedded.read(self.home)) and servers.database_url)
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
        servers = embedded.read(self.home)
        if not servers or not servers.typesense_url:
            raise SearchUnavailable(
                "No Typesense is known; run `lead-assets up`, or set TYPESENSE_URL and TYPESENSE_API_KEY."
            )
        return servers.typesense_url, servers.typesense_api_key

    @property
    def reddit(self) -> RedditCredentials:
        """What Reddit knows us by.

        Raises:
            SourceNotFound: a variable is not set.
        """
        missing = [name for name in REDDIT_VARIABLES[:3] if name not in self._reddit]
        if missing:
            raise SourceNotFound(
                f"Source reddit needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not set; "
                "make an app of type script at https://www.reddit.com/prefs/apps and set them in .env, or crawl "
                "without credentials with --source arctic_shift."
            )
        client_id, secret, user_agent = (self._reddit[name] for name in REDDIT_VARIABLES[:3])
        return RedditCredentials(client_id, secret, user_agent, self._reddit.get("REDDIT_URL"))

    def endpoint(self, purpose: Purpose, kind: str, kind_setting: str) -> Address | None:
        """The OpenAI-compatible endpoint for ``purpose`` where ``kind`` is openai, or auto and one is known.

        Raises:
            SettingInvalid: ``kind`` is openai and none is known, or what is set cannot be right.
        """
        if kind not in ("auto", "openai"):
            return None
        address = address_in(self._openai, purpose)
        if address is None and kind == "openai":
            raise SettingInvalid(
                f"{kind_setting} is openai, but no endpoint is known; set OPENAI_API_KEY, or OPENAI_BASE_URL for a "
                "server of your own."
            )
        return address

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

    @property
    def gate_digest(self) -> str:
        """Hash of what the metadata gates decide by."""
        return gate_digest(self.settings, self.campaign.unknown, self.as_of)

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

    source: Optional[str] = Field(  # noqa: UP045
        default=None, description="Where documents come from in this run: reddit, arctic_shift or archive."
    )
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


def require_source(brief: Brief) -> None:
    """Make sure that the run's source has what it needs, before anything is opened.

    Raises:
        SourceNotFound: there is none of this name, or something that it needs is missing.
    """
    if brief.source == "archive":
        if brief.archive is None:
            raise SourceNotFound(
                f"Campaign {brief.campaign.id} has no archive; give --path FILE, or add `archive: {{path: …}}` to its "
                "file."
            )
        ArchiveSource(brief.archive)
    elif brief.source == "reddit":
        _ = Environment.read().reddit
    elif brief.source == "arctic_shift":
        require_subreddits(brief.campaign)
    else:
        raise SourceNotFound(f"There is no source {brief.source!r}; there are reddit, arctic_shift and archive.")


def open_source(brief: Brief, database: Database, say: Callable[[str], object]) -> Source:
    """The source of a run; ``say`` takes one line about what it waits for.

    Raises:
        SourceNotFound: see ``require_source``.
    """
    require_source(brief)
    settings, digest = brief.settings, brief.gate_digest
    if brief.source == "archive":
        assert brief.archive is not None
        return ArchiveSource(brief.archive)
    memory = CrawlMemory(database.engine, brief.campaign.id, digest, settings.reddit_dedup_ttl_seconds)
    if brief.source == "arctic_shift":
        return ArcticShiftSource(
            memory,
            digest=digest,
            until=brief.as_of,
            url=Environment.read().arctic_shift_url,
            max_requests=settings.reddit_max_requests_per_run,
            say=say,
            retry_seconds=settings.reddit_retry_seconds,
        )
    reading = Reading(digest, settings.reddit_max_comment_requests_per_run, settings.reddit_min_sub_ratio > 0)
    client = open_reddit(settings, database, say, max_requests=settings.reddit_max_requests_per_run)
    return RedditSource(client, memory, reading)


def open_reddit(
    settings: Settings, database: Database, say: Callable[[str], object], max_requests: int
) -> RedditClient:
    """A client of Reddit's API that shares its request budget with all other runs.

    Raises:
        SourceNotFound: the credentials are not set.
    """
    credentials = Environment.read().reddit
    budget = RequestBudget(database.engine, credentials.client_id, settings.reddit_requests_per_minute)
    return RedditClient(
        credentials, budget, max_requests=max_requests, say=say, retry_seconds=settings.reddit_retry_seconds
    )


def open_reddit_for_sweep(database: Database, say: Callable[[str], object]) -> RedditClient:
    """A client for looking at all that is stored, however many requests that takes.

    Raises:
        SourceNotFound: the credentials are not set.
    """
    settings = resolve([Layer("environment", Environment.read().settings)]).settings
    return open_reddit(settings, database, say, max_requests=sys.maxsize)


@functools.cache
def _local_embedder() -> LocalEmbedder:
    """One for the process: its model is loaded once, when it is first used."""
    return LocalEmbedder()


def make_embedder(brief: Brief) -> Embedder:
    """What embeds texts in a run, by EMBEDDER.

    Raises:
        SettingInvalid: it is openai, and no endpoint is known.
    """
    settings = brief.settings
    address = Environment.read().endpoint("EMBEDDING", settings.embedder, "EMBEDDER")
    if address is None:
        return _local_embedder()
    from lead_assets.models.openai.embedder import OpenAIEmbedder

    return OpenAIEmbedder(
        _endpoint(address, settings.embedding_model, "EMBEDDING_MODEL", settings),
        concurrency=settings.embedding_concurrency,
        max_input_tokens=settings.embedding_max_input_tokens,
        max_request_tokens=settings.embedding_max_request_tokens,
    )


def make_extractor(brief: Brief) -> Extractor:
    """What reads candidates in a run, by EXTRACTOR.

    Raises:
        SettingInvalid: it is openai, and no endpoint is known; or there is a cap on an unknown cost.
    """
    settings = brief.settings
    address = Environment.read().endpoint("LLM", settings.extractor, "EXTRACTOR")
    if address is None:
        return RulesExtractor(RequestKeys(settings.llm_model, settings.llm_max_document_tokens))
    from lead_assets.models.openai.extractor import OpenAIExtractor

    return OpenAIExtractor(
        _endpoint(address, settings.llm_model, "LLM_MODEL", settings),
        concurrency=settings.llm_concurrency,
        max_calls=settings.llm_max_calls_per_run,
        max_cost_usd=settings.llm_max_cost_per_run,
        max_document_tokens=settings.llm_max_document_tokens,
        max_output_tokens=settings.llm_max_output_tokens,
    )


def _endpoint(address: Address, model: str, model_setting: str, settings: Settings) -> "Endpoint":
    # Imported here and above: the client takes a good part of a second, and most commands never ask a model.
    from lead_assets.models.openai.endpoint import Endpoint
    from lead_assets.models.openai.usage import Usage

    return Endpoint(
        address,
        model,
        model_setting,
        Usage(price_of(model, settings.prices)),
        timeout_seconds=settings.openai_timeout_seconds,
        retry_seconds=settings.openai_retry_seconds,
    )


EmbedderOpener = Callable[[Brief], Embedder]
ExtractorOpener = Callable[[Brief], Extractor]


RedditOpener = Callable[[Database, Callable[[str], object]], RedditClient]
SourceOpener = Callable[[Brief, Database, Callable[[str], object]], Source]


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
        "reddit_opener": dg.ResourceDefinition.hardcoded_resource(open_reddit_for_sweep, "Opens Reddit's API."),
        "source_opener": dg.ResourceDefinition.hardcoded_resource(open_source, "Opens the run's source."),
        "embedder_opener": dg.ResourceDefinition.hardcoded_resource(make_embedder, "Opens what embeds texts."),
        "extractor_opener": dg.ResourceDefinition.hardcoded_resource(make_extractor, "Opens what reads candidates."),
    }
