"""The tables, all in PostgreSQL schema ``lead_assets``. Migrations create them; a test compares the two.

Campaign-owned tables have ``campaign_id`` first in their key; the others are shared by all campaigns.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import UserDefinedType

SCHEMA = "lead_assets"
REVISION = "0012"
"""The newest migration, known without importing Alembic; a test compares the two."""
VERSION_TABLE = "alembic_version"
metadata = sa.MetaData(schema=SCHEMA)


class Vector(UserDefinedType[str]):
    """pgvector's ``vector`` without a dimension, written as text ``[1,2,3]``; the dimension belongs to the model."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "vector"


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _time(name: str, *, default: bool = False, nullable: bool = True) -> sa.Column[Any]:
    server_default = sa.func.now() if default else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=server_default, nullable=nullable and not default)


def _of_document() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["campaign_id", "reddit_id"],
        [f"{SCHEMA}.documents.campaign_id", f"{SCHEMA}.documents.reddit_id"],
        ondelete="CASCADE",
    )


documents = sa.Table(
    "documents",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("subreddit", sa.Text, nullable=False),
    sa.Column("subreddit_id", sa.Text),
    sa.Column("author", sa.Text),
    sa.Column("author_id", sa.Text),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("post_id", sa.Text),
    _time("created_at"),
    sa.Column("score", sa.BigInteger),
    sa.Column("upvote_ratio", sa.Double),
    sa.Column("over_18", sa.Boolean),
    sa.Column("num_comments", sa.BigInteger),
    sa.Column("subreddit_subscribers", sa.BigInteger),
    sa.Column("subreddit_hot_posts", sa.BigInteger),
    sa.Column("author_karma", sa.BigInteger),
    sa.Column("matched_keywords", ARRAY(sa.Text), nullable=False),
    sa.Column("text_hash", sa.Text, nullable=False),
    _time("judged_as_of", nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    _time("crawled_at", default=True),
    _time("updated_at", default=True),
    sa.Column("author_left", sa.Boolean, nullable=False, server_default=sa.false()),
    _time("state_at"),
    sa.Index("documents_text_hash", "text_hash"),
    sa.Index("documents_run", "campaign_id", "run_id"),
    sa.Index("documents_reddit_id", "reddit_id"),
    sa.Index("documents_post", "post_id", postgresql_where=sa.text("kind = 'comment'")),
)

rejections = sa.Table(
    "rejections",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("gate", sa.Text, nullable=False),
    sa.Column("setting", sa.Text, nullable=False),
    sa.Column("observed", sa.Double),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("observed_values", JSONB, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("subreddit", sa.Text, nullable=False),
    sa.Column("author", sa.Text),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    _time("posted_at"),
    sa.Column("run_id", sa.Text, nullable=False),
    _time("rejected_at", default=True),
    # Of the crawl's rejections, whose documents are not stored; what the ranking rejects is in documents.
    sa.Column("excerpt", sa.Text, nullable=False, server_default=""),
    sa.Index("rejections_gate", "campaign_id", "gate"),
)

sightings = sa.Table(
    "sightings",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    _time("seen_at", default=True),
    sa.Column("gate_digest", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    # The ledger as it stood before the run, so that de-duplication can be checked afterwards.
    _time("previous_seen_at"),
    sa.Column("previous_gate_digest", sa.Text),
)

gate_tallies = sa.Table(
    "gate_tallies",
    metadata,
    _key("campaign_id"),
    _key("gate"),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("evaluated", sa.BigInteger, nullable=False),
    sa.Column("kept", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("unknown", sa.BigInteger, nullable=False),
    _time("tallied_at", default=True),
)

stage_runs = sa.Table(
    "stage_runs",
    metadata,
    _key("campaign_id"),
    _key("asset"),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("counts", JSONB, nullable=False),
    _time("finished_at", default=True),
)

vectors = sa.Table(
    "vectors",
    metadata,
    _key("model"),
    _key("text_hash"),
    sa.Column("vector", Vector, nullable=False),
    _time("created_at", default=True),
    sa.Column("truncated", sa.Boolean, nullable=False, server_default=sa.false()),
)

# What texts say by themselves (domain/text_features.py), shared like vectors.
text_features = sa.Table(
    "text_features",
    metadata,
    _key("version"),
    _key("text_hash"),
    _key("kind"),
    sa.Column("asking_cue", sa.Double, nullable=False),
    sa.Column("selling_cue", sa.Double, nullable=False),
    sa.Column("title_key", sa.Text, nullable=False),
    sa.Column("body_key", sa.Text, nullable=False),
    sa.Column("characters", sa.BigInteger, nullable=False),
    sa.Column("body_characters", sa.BigInteger, nullable=False),
    _time("created_at", default=True),
    sa.Column("wording", ARRAY(sa.Double), nullable=False, server_default="{}"),
    sa.Column("is_foreign", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("text_features_text_hash", "text_hash"),
)

failed_embeddings = sa.Table(
    "failed_embeddings",
    metadata,
    _key("model"),
    _key("text_hash"),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    _time("failed_at", default=True),
)

candidates = sa.Table(
    "candidates",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("text_hash", sa.Text, nullable=False),
    sa.Column("cosine_similarity", sa.Double, nullable=False),
    sa.Column("lexical", sa.Double, nullable=False),
    sa.Column("intent_similarity", sa.Double, nullable=False),
    sa.Column("asking_cue", sa.Double, nullable=False),
    sa.Column("selling_cue", sa.Double, nullable=False),
    sa.Column("keyword_hits", sa.BigInteger, nullable=False),
    sa.Column("score", sa.BigInteger),
    sa.Column("fused_score", sa.Double, nullable=False),
    sa.Column("kept", sa.Boolean, nullable=False),
    sa.Column("gate", sa.Text),
    sa.Column("duplicate_of", sa.Text),
    sa.Column("run_id", sa.Text, nullable=False),
    _time("ranked_at", default=True),
    # What keyword_hits and ruled_out were found by: the same keywords need not be looked for again in the same text.
    sa.Column("keywords_digest", sa.Text),
    sa.Column("ruled_out", sa.Boolean),
    sa.Column("product_similarity", sa.Double, nullable=False),
    sa.Column("outcome", sa.Text),
    # What the extractor would be asked about it now: its own key, all keys whose answers count (best reader first), and
    # what the keys were made of, so that they are made again only when that changes.
    sa.Column("request_key", sa.Text),
    sa.Column("accepted_keys", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("request_basis", sa.Text),
    # What the lead model says, by which parts (feature to log-odds), and by which model.
    sa.Column("lead_probability", sa.Double),
    sa.Column("lead_parts", JSONB),
    sa.Column("lead_model", sa.Text),
    sa.Column("keyword_in_title", sa.Double),
    sa.Column("keyword_words", sa.Double),
    sa.Column("keyword_place", sa.Double),
    _of_document(),
)

extractions = sa.Table(
    "extractions",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    _key("request_key"),
    sa.Column("text_hash", sa.Text, nullable=False),
    sa.Column("extractor", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("extraction", JSONB(none_as_null=True)),
    sa.Column("error", sa.Text),
    sa.Column("removed_quotes", sa.BigInteger, nullable=False),
    sa.Column("removed_contacts", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    _time("extracted_at", default=True),
    sa.Column("raw_answer", sa.Text),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Double),
    sa.Index("extractions_request_key", "request_key"),
    _of_document(),
)

leads = sa.Table(
    "leads",
    metadata,
    _key("campaign_id"),
    _key("reddit_id"),
    sa.Column("embedding", Vector),
    sa.Column("reddit_url", sa.Text, nullable=False),
    sa.Column("author", sa.Text),
    sa.Column("extracted_data", JSONB),
    sa.Column("relevance_score", sa.Double),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("subreddit", sa.Text, nullable=False),
    _time("posted_at"),
    _time("created_at", default=True),
    _time("updated_at", default=True),
    sa.Column("qualifies", sa.Boolean),  # whether it is a lead, by RELEVANCE; null before it was read
    _of_document(),
    sa.Index("leads_relevance", "campaign_id", sa.text("relevance_score DESC NULLS LAST")),
)

# What live sources know, shared by all campaigns: facts, the request budget, and what must not come back.
subreddits = sa.Table(
    "subreddits",
    metadata,
    _key("name"),  # case-folded
    sa.Column("reachable", sa.Boolean, nullable=False),
    sa.Column("subscribers", sa.BigInteger),
    sa.Column("over_18", sa.Boolean),
    _time("looked_up_at", default=True),
)

subreddit_activity = sa.Table(
    "subreddit_activity",
    metadata,
    _key("name"),  # case-folded
    sa.Column("hot_posts", sa.BigInteger, nullable=False),
    _time("looked_up_at", default=True),
)

authors = sa.Table(
    "authors",
    metadata,
    _key("author_id"),
    sa.Column("karma", sa.BigInteger),
    _time("looked_up_at", default=True),
)

request_budget = sa.Table(
    "request_budget",
    metadata,
    _key("client"),
    _time("blocked_until"),
    sa.Column("remaining", sa.Double),
    _time("reset_at"),
)

request_grants = sa.Table(
    "request_grants",
    metadata,
    _key("client"),
    sa.Column("second", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
)

deleted_documents = sa.Table("deleted_documents", metadata, _key("reddit_id"), _time("deleted_at", default=True))

# How far a campaign's queries and comment trees were read.
crawl_queries = sa.Table(
    "crawl_queries",
    metadata,
    _key("campaign_id"),
    _key("query"),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("after", sa.Text),
    _time("newest_at"),
    _time("reading_newest_at"),
    sa.Column("read_to_end", sa.Boolean, nullable=False),
    _time("updated_at", default=True),
)

comment_trees = sa.Table(
    "comment_trees",
    metadata,
    _key("campaign_id"),
    _key("post_id"),
    sa.Column("num_comments", sa.BigInteger, nullable=False),
    _time("read_at", default=True),
)

# Who may use the HTTP API. A revoked token's row stays: it says that there was one (lead_assets/api/access.py).
api_tokens = sa.Table(
    "api_tokens",
    metadata,
    _key("name"),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    _time("created_at", default=True),
    _time("revoked_at"),
    sa.Column("kind", sa.Text, nullable=False, server_default="work"),  # read, or work: what changes something too
)

# Who is signed in to the page, by the hash of what is in the browser's cookie.
page_sessions = sa.Table(
    "page_sessions",
    metadata,
    _key("session_hash"),
    sa.Column("token_name", sa.Text, nullable=False),
    _time("expires_at", nullable=False),
)

# What became of leads, append-only: found, status, mark, note, announced. No foreign key: what is deleted on Reddit
# takes the texts of its events along, and they still count.
lead_events = sa.Table(
    "lead_events",
    metadata,
    _key("campaign_id"),
    sa.Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("reddit_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("reason", sa.Text),
    _time("until"),
    sa.Column("actor", sa.Text, nullable=False),
    _time("happened_at", default=True),
    sa.Column("undoes", sa.BigInteger),
    sa.Index("lead_events_of_lead", "campaign_id", "reddit_id", "event_id"),
    sa.Index("lead_events_reddit_id", "reddit_id"),
    sa.Index("lead_events_actor", "campaign_id", "actor", "event_id"),
    sa.Index("lead_events_found", "campaign_id", "reddit_id", unique=True, postgresql_where=sa.text("event = 'found'")),
    sa.Index(
        "lead_events_announced",
        *("campaign_id", "reddit_id", "value"),
        unique=True,
        postgresql_where=sa.text("event = 'announced'"),
    ),
    sa.Index(
        "lead_events_status",
        *("campaign_id", "reddit_id", "event_id"),
        postgresql_where=sa.text("event = 'status'"),
    ),
    sa.Index("lead_events_mark", "campaign_id", "reddit_id", "event_id", postgresql_where=sa.text("event = 'mark'")),
)

# Alerts. A channel is an address of a campaign's file, by its digest: addresses hold secrets.
notify_channels = sa.Table(
    "notify_channels",
    metadata,
    _key("campaign_id"),
    _key("channel"),
    sa.Column("label", sa.Text, nullable=False),
    _time("added_at", default=True),
    _time("failing_since"),
    _time("switched_off_at"),
    sa.Column("switched_off_because", sa.Text),
)

outbox = sa.Table(
    "outbox",
    metadata,
    _key("campaign_id"),
    _key("channel"),
    _key("subject"),  # the lead's id, or run:… or check:…
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False, server_default="{}"),
    sa.Column("message_id", sa.Text),  # given before the first attempt, and the same in all of them
    _time("queued_at", default=True),
    _time("due_at", default=True),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    _time("first_attempt_at"),
    sa.Column("last_error", sa.Text),
    _time("ended_at"),
    sa.Column("outcome", sa.Text),
    sa.Index("outbox_waiting", "due_at", postgresql_where=sa.text("ended_at IS NULL")),
)

# What is current is defined in views.sql; these are the views' columns for queries.
_views = sa.MetaData(schema=SCHEMA)


def _view(name: str, of: sa.Table, *more: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, _views, *(sa.Column(column.name, column.type) for column in of.columns), *more)


current_candidates = _view("current_candidates", candidates, sa.Column("is_readable", sa.Boolean))
current_extractions = _view("current_extractions", extractions, sa.Column("stale", sa.Boolean))
qualified_leads = _view("qualified_leads", leads, sa.Column("stale", sa.Boolean))


def _decision() -> list[sa.Column[Any]]:
    """The columns that say what was decided about a lead last."""
    texts, times = ("status", "reason", "status_by"), ("snoozed_until", "status_at")
    columns: dict[str, sa.Column[Any]] = {name: sa.Column(name, sa.Text) for name in texts}
    columns |= {name: sa.Column(name, sa.DateTime(timezone=True)) for name in times}
    return [columns[name] for name in ("status", "reason", "snoozed_until", "status_by", "status_at")]


lead_decisions = sa.Table(
    "lead_decisions",
    _views,
    sa.Column("campaign_id", sa.Text),
    sa.Column("reddit_id", sa.Text),
    *_decision(),
)
lead_states = sa.Table(
    "lead_states",
    _views,
    sa.Column("campaign_id", sa.Text),
    sa.Column("reddit_id", sa.Text),
    sa.Column("found_at", sa.DateTime(timezone=True)),
    *_decision(),
    sa.Column("qualifies", sa.Boolean),
    sa.Column("stale", sa.Boolean),
)
lead_marks = sa.Table(
    "lead_marks",
    _views,
    sa.Column("campaign_id", sa.Text),
    sa.Column("reddit_id", sa.Text),
    sa.Column("mark", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text),
    sa.Column("marked_at", sa.DateTime(timezone=True)),
)
campaign_stats = sa.Table(
    "campaign_stats",
    _views,
    sa.Column("campaign_id", sa.Text),
    sa.Column("documents", sa.BigInteger),
    sa.Column("rejected_by_gate", JSONB),
    sa.Column("candidates", sa.BigInteger),
    sa.Column("kept_candidates", sa.BigInteger),
    sa.Column("leads_found", sa.BigInteger),
    sa.Column("last_run_id", sa.Text),
    sa.Column("last_run_at", sa.DateTime(timezone=True)),
)
