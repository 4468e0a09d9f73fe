"""What a run works by: the campaign, its settings in force, and where documents come from. Resolved once per run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lead_assets.config.campaign_files import find_campaign
from lead_assets.config.environment import Environment
from lead_assets.domain.campaign import Campaign, end_of_day
from lead_assets.domain.errors import SettingInvalid
from lead_assets.domain.gate_catalog import gate_digest
from lead_assets.domain.settings import NAMES, UNSET_MEANS, Layer, Resolved, Settings, resolve
from lead_assets.domain.thresholds import LOCAL_MODELS, cosine_threshold_of
from lead_assets.files import expanded


@dataclass(frozen=True)
class RunOptions:
    """What one run does otherwise than the campaign's file says; everything is optional."""

    source: str | None = None
    archive_path: str | None = None
    as_of: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def run_options(config: Mapping[str, Any]) -> RunOptions:
    """The options in ``config``, where settings stand beside source, archive_path and as_of, as in Dagster's config."""
    own = {name: config.get(name) for name in ("source", "archive_path", "as_of")}
    return RunOptions(**own, settings={name: value for name, value in config.items() if name not in own})


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class RunContext:
    """One run: handed on to every step, so that an edit of the campaign's file meanwhile does not divide the run.

    ``clock`` says what time it is. The ledger's ages are by PostgreSQL's own clock.
    """

    campaign: Campaign
    resolved: Resolved
    source: str
    archive: Path | None
    as_of: datetime | None
    environment: Environment
    clock: Callable[[], datetime] = utc_now

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.resolved.settings

    @property
    def judged_as_of(self) -> datetime:
        """The moment as of which a crawl judges ages: the given one, else now."""
        return self.as_of or self.clock()

    @property
    def gate_digest(self) -> str:
        """Hash of what the metadata gates decide by."""
        return gate_digest(self.settings, self.campaign.unknown, self.as_of)

    def set_by(self, setting: str) -> str:
        """Where a setting's value comes from: default, environment, the campaign's file, or the run's config."""
        return self.resolved.origins[setting]


def resolve_run(environment: Environment, campaign_id: str, options: RunOptions | None = None) -> RunContext:
    """The context of a run of ``campaign_id``: defaults < environment < campaign file < ``options``.

    Raises:
        CampaignInvalid, SettingInvalid: with what is wrong and where.
    """
    options = options or RunOptions()
    campaign = find_campaign(environment.campaigns, campaign_id)
    layers = [Layer("environment", environment.settings), Layer(f"campaign {campaign_id}", campaign.settings)]
    below = resolve(layers).settings
    source = options.source or campaign.source
    # The launchpad is filled with the settings in force: only what was changed there is the run's own.
    own = {
        name: value
        for name, value in options.settings.items()
        if name not in NAMES or value != getattr(below, name.lower())
    }
    unset = {name for name in own if name in UNSET_MEANS and getattr(below, name.lower()) is None}
    if unset:
        others = {name: value for name, value in own.items() if name not in unset}
        in_force = values_in_force(resolve([*layers, Layer("run config", others)]).settings, environment, source)
        own = {name: value for name, value in own.items() if name not in unset or value != in_force[name]}
    resolved = resolve([*layers, Layer("run config", own)])
    path, as_of = _archive(campaign, options) if source == "archive" else (None, None)
    as_of = parse_day(options.as_of) if options.as_of else as_of
    return RunContext(campaign, resolved, source, path, as_of, environment)


def settings_of_ranking(run: RunContext, model: str | None) -> Settings:
    """The run's settings, for documents that ``model`` has ranked; None where nothing is ranked yet."""
    return run.settings.with_cosine_threshold(cosine_threshold_of(model or LOCAL_MODELS))


def values_in_force(settings: Settings, environment: Environment, source: str) -> dict[str, Any]:
    """Every setting by name; what is unset has the value that counts for the embedding model and the source.

    Raises:
        SettingInvalid: EMBEDDER is openai, and no endpoint is known.
    """
    values = settings.model_dump(by_alias=True)
    if settings.cosine_threshold is None:
        is_local = environment.endpoint("EMBEDDING", settings.embedder, "EMBEDDER") is None
        values["COSINE_THRESHOLD"] = cosine_threshold_of(LOCAL_MODELS if is_local else settings.embedding_model)
    return values | {"STORE_CONTACTS": settings.keeps_contacts_of(source)}


def _archive(campaign: Campaign, options: RunOptions) -> tuple[Path | None, datetime | None]:
    """The archive of this run and the day as of which its campaign judges it."""
    if options.archive_path:
        return expanded(options.archive_path).absolute(), None
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
        raise SettingInvalid(f"{text!r} is not a valid day. Write one such as 2026-01-31.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
