"""Dagster's resources: what a run is configured by, and plain clients for the steps.

The environment is read when a run starts, never at import: definitions load with an empty one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Optional

import dagster as dg
from pydantic import Field, PrivateAttr, create_model

from lead_assets.config.environment import Environment
from lead_assets.domain.settings import NAMES, UNSET_MEANS, Settings
from lead_assets.pipeline.connect import make_embedder, make_extractor, open_source, open_witness
from lead_assets.pipeline.run_context import RunContext, RunOptions, resolve_run
from lead_assets.search.typesense import ALIAS, SearchIndex
from lead_assets.storage.database import LOCK_TIMEOUT_SECONDS, Database


def _setting_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, info in Settings.model_fields.items():
        annotation = info.annotation
        kind = next((k for k in (bool, int, float) if annotation is k or annotation == (k | None)), str)
        default = UNSET_MEANS[name.upper()] if info.default is None else info.default
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

    _resolved: dict[str, RunContext] = PrivateAttr(default_factory=dict)

    def options(self) -> RunOptions:
        """The options that are set here."""
        settings = {name: value for name in NAMES if (value := getattr(self, name)) is not None}
        return RunOptions(self.source, self.archive_path, self.as_of, settings)

    def resolve(self, campaign_id: str) -> RunContext:
        """The context of a run of ``campaign_id``; its file is read once a run.

        Raises:
            CampaignInvalid, SettingInvalid: with what is wrong and where.
        """
        if campaign_id not in self._resolved:
            self._resolved[campaign_id] = resolve_run(Environment.read(), campaign_id, self.options())
        return self._resolved[campaign_id]


class DatabaseResource(dg.ConfigurableResource[Database]):
    """PostgreSQL: DATABASE_URL, else the embedded server. Closed when the run ends."""

    lock_timeout_seconds: float = Field(
        default=LOCK_TIMEOUT_SECONDS, description="For how long a run waits for another run of its campaign."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Database]:
        """A client for the run."""
        url = Environment.read().database_url
        with closing(Database(url, lock_timeout_seconds=self.lock_timeout_seconds)) as database:
            yield database


class SearchIndexResource(dg.ConfigurableResource[SearchIndex]):
    """Typesense: TYPESENSE_URL and TYPESENSE_API_KEY, else the embedded server. Closed when the run ends."""

    alias: str = Field(default=ALIAS, description="Alias of the collection that holds the documents.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[SearchIndex]:
        """A client for the run."""
        with closing(SearchIndex(*Environment.read().typesense, alias=self.alias)) as index:
            yield index


class RejectionLogs(dg.ConfigurableResource[Path]):
    """Folder of the rejection CSV files: REJECTION_LOG_DIR."""

    folder: Optional[str] = Field(default=None, description="Unset means REJECTION_LOG_DIR.")  # noqa: UP045

    def create_resource(self, context: dg.InitResourceContext) -> Path:
        """The folder."""
        return Path(self.folder).absolute() if self.folder else Environment.read().rejection_logs


def _open_witness(name: str | None, database: Database, on_message: Callable[[str], object]) -> Any:
    return open_witness(Environment.read(), name, database, on_message)


def build_resources() -> dict[str, Any]:
    """The resources of production, by the names that assets ask for."""
    opener = dg.ResourceDefinition.hardcoded_resource
    return {
        "run_settings": RunSettings(),
        "database": DatabaseResource(),
        "search_index": SearchIndexResource(),
        "rejection_logs": RejectionLogs(),
        "witness_opener": opener(_open_witness, "Opens whom the sweep asks: Reddit, or Arctic Shift."),
        "source_opener": opener(open_source, "Opens the run's source."),
        "embedder_opener": opener(make_embedder, "Opens what embeds texts."),
        "extractor_opener": opener(make_extractor, "Opens what reads candidates."),
    }
