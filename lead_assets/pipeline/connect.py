"""Which source, embedder and extractor a run uses, and that ``auto`` never falls back from a model to less.

Clients of outside services are imported where they are used: most commands never ask them.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from lead_assets.config.addresses import Address
from lead_assets.domain.errors import SettingInvalid, SourceNotFound
from lead_assets.domain.extraction import RULES
from lead_assets.domain.prices import price_of
from lead_assets.domain.settings import Layer, Settings, resolve
from lead_assets.domain.thresholds import LOCAL_MODELS
from lead_assets.pipeline.run_context import RunContext
from lead_assets.storage.corpus import read_states
from lead_assets.storage.crawl_state import CrawlState
from lead_assets.storage.database import Database
from lead_assets.storage.extractions import has_read_by
from lead_assets.storage.request_budget import RequestBudget
from lead_assets.storage.vectors import foreign_model

if TYPE_CHECKING:
    from lead_assets.config.environment import Environment
    from lead_assets.models.local_embedder import LocalEmbedder
    from lead_assets.models.openai.endpoint import Endpoint
    from lead_assets.models.protocols import Embedder, Extractor
    from lead_assets.sources.base import Source
    from lead_assets.sources.reddit.client import RedditClient
    from lead_assets.sources.witness import Witness

OPENAI = "openai"
WITNESSES = ("reddit", "arctic_shift")
"""Who can be asked what is gone."""

OnMessage = Callable[[str], object]
EmbedderOpener = Callable[[RunContext], "Embedder"]
ExtractorOpener = Callable[[RunContext], "Extractor"]
SourceOpener = Callable[[RunContext, Database, OnMessage], "Source"]
WitnessOpener = Callable[[str | None, Database, OnMessage], "Witness"]


def require_source(context: RunContext) -> None:
    """Make sure that the run's source has what it needs, before anything is opened.

    Raises:
        SourceNotFound: there is none of this name, or something that it needs is missing.
    """
    if context.source == "archive":
        from lead_assets.sources.archive import ArchiveSource

        if context.archive is None:
            raise SourceNotFound(
                f"Campaign {context.campaign.id} has no archive. Give --path FILE, or add `archive: {{path: …}}` to "
                "its file."
            )
        ArchiveSource(context.archive)
    elif context.source == "reddit":
        _ = context.environment.reddit
    elif context.source == "arctic_shift":
        from lead_assets.sources.arctic_shift.queries import require_subreddits

        require_subreddits(context.campaign)
    else:
        raise SourceNotFound(f"There is no source {context.source!r}. Choose reddit, arctic_shift or archive.")


def open_source(context: RunContext, database: Database, on_message: OnMessage) -> "Source":
    """The source of a run; ``on_message`` takes one line about what it waits for.

    Raises:
        SourceNotFound: see ``require_source``.
    """
    require_source(context)
    settings, digest = context.settings, context.gate_digest
    if context.source == "archive":
        from lead_assets.sources.archive import ArchiveSource

        assert context.archive is not None
        with database.connect() as connection:
            stored = read_states(connection, context.campaign.id)
        return ArchiveSource(context.archive, stored=stored)
    state = CrawlState(database.engine, context.campaign.id, digest, settings.reddit_dedup_ttl_seconds)
    if context.source == "arctic_shift":
        from lead_assets.sources.arctic_shift import ArcticShiftSource

        return ArcticShiftSource(
            state,
            digest=digest,
            until=context.as_of,
            url=context.environment.arctic_shift_url,
            max_requests=settings.reddit_max_requests_per_run,
            say=on_message,
            retry_seconds=settings.reddit_retry_seconds,
        )
    from lead_assets.sources.reddit.source import CrawlOptions, RedditSource

    options = CrawlOptions(digest, settings.reddit_max_comment_requests_per_run, settings.reddit_min_sub_ratio > 0)
    client = _open_reddit(
        context.environment, settings, database, on_message, max_requests=settings.reddit_max_requests_per_run
    )
    return RedditSource(client, state, options)


def witness_for(environment: "Environment", name: str | None = None) -> str:
    """Who is asked what is gone: ``name``, else Reddit where its credentials are set, else Arctic Shift.

    Raises:
        SourceNotFound: there is no such witness, or credentials that it needs are missing.
    """
    chosen = name or ("reddit" if environment.has_reddit else "arctic_shift")
    if chosen not in WITNESSES:
        raise SourceNotFound(f"{chosen!r} cannot be asked what is gone. Choose {' or '.join(WITNESSES)}.")
    if chosen == "reddit":
        _ = environment.reddit
    return chosen


def open_witness(environment: "Environment", name: str | None, database: Database, on_message: OnMessage) -> "Witness":
    """The witness of a sweep, which looks at all that is stored, however many requests that takes.

    Raises:
        SourceNotFound: see ``witness_for``.
    """
    settings = resolve([Layer("environment", environment.settings)]).settings
    if witness_for(environment, name) == "reddit":
        from lead_assets.sources.reddit.witness import RedditWitness

        return RedditWitness(_open_reddit(environment, settings, database, on_message, max_requests=sys.maxsize))
    from lead_assets.sources.arctic_shift.witness import open_witness as open_arctic_shift

    return open_arctic_shift(environment.arctic_shift_url, settings.reddit_retry_seconds, on_message)


def _open_reddit(
    environment: "Environment", settings: Settings, database: Database, on_message: OnMessage, max_requests: int
) -> "RedditClient":
    """A client of Reddit's API that shares its request budget with all other runs."""
    credentials = environment.reddit
    from lead_assets.sources.reddit.client import RedditClient

    budget = RequestBudget(database.engine, credentials.client_id, settings.reddit_requests_per_minute)
    return RedditClient(
        credentials, budget, max_requests=max_requests, say=on_message, retry_seconds=settings.reddit_retry_seconds
    )


@functools.cache
def _local_embedder() -> "LocalEmbedder":
    """One for the process: its model is loaded once, when it is first used."""
    from lead_assets.models.local_embedder import LocalEmbedder

    return LocalEmbedder()


def make_embedder(context: RunContext) -> "Embedder":
    """What embeds texts in a run, by EMBEDDER.

    Raises:
        SettingInvalid: it is openai, and no endpoint is known.
    """
    settings = context.settings
    address = context.environment.endpoint("EMBEDDING", settings.embedder, "EMBEDDER")
    if address is None:
        return _local_embedder()
    from lead_assets.models.openai.embedder import OpenAIEmbedder

    return OpenAIEmbedder(
        _endpoint(address, settings.embedding_model, "EMBEDDING_MODEL", settings),
        concurrency=settings.embedding_concurrency,
        max_input_tokens=settings.embedding_max_input_tokens,
        max_request_tokens=settings.embedding_max_request_tokens,
    )


def make_extractor(context: RunContext) -> "Extractor":
    """What reads candidates in a run, by EXTRACTOR.

    Raises:
        SettingInvalid: it is openai, and no endpoint is known; or there is a cap on an unknown cost.
    """
    settings = context.settings
    address = context.environment.endpoint("LLM", settings.extractor, "EXTRACTOR")
    if address is None:
        from lead_assets.models.openai.prompt import RequestKeys
        from lead_assets.models.rules_extractor import RulesExtractor

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


@contextlib.contextmanager
def opened_embedder(connection: sa.Connection, context: RunContext, opener: EmbedderOpener) -> Iterator["Embedder"]:
    """The run's embedder, closed at the end; ``connection`` is used for one query of its own transaction.

    Raises:
        SettingInvalid: nobody chose it, and the campaign has vectors of a model that cannot be asked now.
    """
    with contextlib.closing(opener(context)) as embedder:
        if context.settings.embedder == "auto" and embedder.name == "local":
            with _reading(connection):
                model = foreign_model(connection, context.campaign.id, LOCAL_MODELS)
            if model is not None:
                raise SettingInvalid(
                    f"Campaign {context.campaign.id} has vectors of {model}, but neither OPENAI_API_KEY nor a base URL "
                    "is set. Set it again, or EMBEDDER=local to embed and rank with the local model from now on."
                )
        yield embedder


@contextlib.contextmanager
def opened_extractor(connection: sa.Connection, context: RunContext, opener: ExtractorOpener) -> Iterator["Extractor"]:
    """The run's extractor, closed at the end; ``connection`` is used for one query of its own transaction.

    Raises:
        SettingInvalid: nobody chose it, and the campaign was read by a model that cannot be asked now.
    """
    with contextlib.closing(opener(context)) as extractor:
        if context.settings.extractor == "auto" and extractor.name == RULES:
            with _reading(connection):
                by_model = has_read_by(connection, context.campaign.id, OPENAI)
            if by_model:
                raise SettingInvalid(
                    f"Campaign {context.campaign.id} was read by a language model, but neither OPENAI_API_KEY nor a "
                    "base URL is set. Set it again, or EXTRACTOR=rules to read what is new by rules from now on."
                )
        yield extractor


@contextlib.contextmanager
def _reading(connection: sa.Connection) -> Iterator[None]:
    """A transaction of its own, unless one is open."""
    with contextlib.nullcontext() if connection.in_transaction() else connection.begin():
        yield
