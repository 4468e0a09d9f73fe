"""The steps of a run without Dagster, on real servers and a stand-in of a model: for tests of what steps leave behind.

``state_of`` is what two histories of the same documents must agree about, however they came to it.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lead_assets import servers as embedded
from lead_assets.config.environment import Environment
from lead_assets.domain.accounting import accounts
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.settings import Layer, resolve
from lead_assets.pipeline import announce, crawl, embed, extract, index, leads, rank
from lead_assets.pipeline.connect import open_source
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import Step, StepReport, Stores, run_step
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.schema import SCHEMA, metadata
from lead_assets.storage.statistics import read_last_counts
from lead_assets_tests.conftest import DAY, post

STEPS: tuple[Step, ...] = (
    crawl.STEP,
    index.STEP,
    embed.STEP,
    embed.STUBS,
    rank.STEP,
    extract.STEP,
    leads.STEP,
    announce.STEP,
)
DIMENSION = 16
SETTINGS: Mapping[str, Any] = {
    "EMBEDDING_MODEL": "stand-in-embedding",
    "COSINE_THRESHOLD": -1.0,
    "MIN_FUSED_SCORE_THRESHOLD": 0.0,
    "MIN_LEAD_PROBABILITY": 0.0,
    "EMBEDDING_CONCURRENCY": 1,
    "LLM_CONCURRENCY": 1,
    "OPENAI_RETRY_SECONDS": 20,
}
RECENTLY = int(time.time()) // DAY * DAY - 5 * DAY
"""When posts were posted, in epoch seconds: alerts leave out what is older than a year."""
MOMENT = datetime.fromtimestamp(RECENTLY + 5 * DAY, UTC)
NOTIFY = "json://127.0.0.1:9/never-sent"

OF_A_RUN = frozenset({"run_id", "judged_as_of", "event_id", "message_id", "previous_gate_digest"})
"""Columns that say which run wrote a row and when, not what it found. Moments are left out too, but a post's own."""
OF_A_DOCUMENT = frozenset({"documents.created_at", "documents.state_at", "leads.posted_at", "rejections.posted_at"})
TOLD_ELSEWHERE = frozenset({"stage_runs", "gate_tallies", "request_budget", "request_grants", "page_sessions"})
"""Tables of counts of the last run, and of what is not about documents."""

State = dict[str, list[tuple[str, ...]]]


@dataclass
class Place:
    """Where steps run: stores of its own, and a model that counts what it is asked."""

    folder: Path
    database: Database
    search_index: SearchIndex
    model_url: str
    variables: dict[str, str] = field(default_factory=dict)
    moment: datetime = MOMENT
    """What the clock says, so that ages are the same in each run."""
    batch_documents: int = 5

    @property
    def stores(self) -> Stores:
        return Stores(self.database, self.search_index, self.folder / "rejections", self._open_source)

    def _open_source(self, *given: Any) -> Any:
        """The archive in small batches, so that few documents are several transactions."""
        source: Any = open_source(*given)
        source._batch_documents = self.batch_documents
        return source

    def context(
        self,
        campaign_id: str = "crm",
        archive: Path | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> RunContext:
        """A run of a campaign over an archive."""
        environment = Environment.read(
            {"LEAD_ASSETS_HOME": str(self.folder / "home"), "OPENAI_BASE_URL": self.model_url, **self.variables}
        )
        given = {
            "name": campaign_id,
            "product": "A simple CRM for small businesses.",
            "keywords": ["crm"],
            "notify": [{"to": NOTIFY, "max_age": 365}],
        }
        campaign = Campaign(id=campaign_id, **(given | keys))
        resolved = resolve([Layer("test", {**SETTINGS, **(settings or {})})])
        path = archive or self.folder / "archive.ndjson"
        return RunContext(campaign, resolved, "archive", path, None, environment, lambda: self.moment)

    def run(
        self, context: RunContext, steps: Sequence[Step] = STEPS, run_id: str | None = None
    ) -> dict[str, StepReport]:
        """Run steps one after the other, as one run."""
        run_id = run_id or str(uuid.uuid4())
        return {step.name: run_step(step, context, self.stores, run_id)[0] for step in steps}

    def value(self, query: str, **parameters: Any) -> Any:
        with self.database.connect() as connection:
            return connection.scalar(sa.text(query), parameters)

    def unaccounted(self, campaign_id: str) -> int:
        """Records of the last crawl whose end is not known."""
        with self.database.connect() as connection:
            counts = read_last_counts(connection, campaign_id, crawl.STEP.name)
        return accounts(counts).missing if counts else 0

    def state(self, *campaign_ids: str, but: Collection[str] = ()) -> State:
        """What the stores hold, without the columns ``but``; of Typesense the ids and hashes of the campaigns named."""
        found = state_of(self.database, but)
        for campaign_id in campaign_ids:
            held = self.search_index.held(campaign_id)
            found[f"typesense {campaign_id}"] = sorted(held.items())
        return found


def state_of(database: Database, but: Collection[str] = ()) -> State:
    """Every table's rows without what says when and by which run they were written, sorted."""
    found: State = {}
    with database.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name not in TOLD_ELSEWHERE:
                columns = [column for column in table.columns if _counts(column) and column.name not in but]
                as_text = [sa.func.coalesce(sa.cast(column, sa.Text), "∅") for column in columns]
                found[table.name] = sorted(map(tuple, connection.execute(sa.select(*as_text))))
        qualified = sa.text(f"SELECT campaign_id, reddit_id FROM {SCHEMA}.qualified_leads")
        found["qualified_leads"] = sorted(map(tuple, connection.execute(qualified)))
    return found


def _counts(column: sa.Column[Any]) -> bool:
    if f"{column.table.name}.{column.name}" in OF_A_DOCUMENT:
        return True
    return column.name not in OF_A_RUN and not isinstance(column.type, sa.DateTime)


def asking(number: int, **other: Any) -> dict[str, Any]:
    """A post that asks for the product, in words of its own."""
    name = f"1c{number:04x}"
    shop = ("bakery", "garage", "florist", "gym", "law firm", "school", "farm")[number % 7]
    title = f"Which CRM would you recommend for a {shop} in street {number}?"
    body = f"We are {number + 2} people and lose track of our clients every week. Tool number {number} did not help."
    own = {"id": name, "name": f"t3_{name}", "author": f"author{number}", "created_utc": RECENTLY + number}
    return post(title, body) | own | other


@dataclass(frozen=True)
class Coordinates:
    """Where a place is, for another process."""

    folder: Path
    database_url: str
    typesense: tuple[str, str]
    alias: str
    model_url: str
    moment: datetime = MOMENT


def opened_place(stack: ExitStack, at: Coordinates) -> Place:
    """The place at some coordinates, until the stack ends."""
    database = Database(at.database_url)
    stack.callback(database.close)
    search_index = SearchIndex(*at.typesense, alias=at.alias)
    stack.callback(search_index.close)
    return Place(at.folder, database, search_index, at.model_url, moment=at.moment)


def coordinates_of(folder: Path, servers: embedded.Servers, database_url: str, model_url: str) -> Coordinates:
    """A new place, of which nothing is there yet but the database."""
    typesense = (servers.typesense_url, servers.typesense_api_key)
    return Coordinates(folder, database_url, typesense, f"t_{uuid.uuid4().hex}", model_url)


def place_in(stack: ExitStack, folder: Path, servers: embedded.Servers, url: str, model_url: str) -> Place:
    """A place with a database of its own at ``url``; its part of Typesense goes when the stack ends."""
    place = opened_place(stack, coordinates_of(folder, servers, url, model_url))
    stack.callback(drop_index, place.search_index)
    return place


def drop_index(search_index: SearchIndex) -> None:
    """Remove the collection of a test."""
    if (collection := search_index.current_collection()) is not None:
        search_index._client.collections[collection].delete()
        search_index._client.aliases[search_index.alias].delete()
