"""What live sources know from earlier runs: the ledger, how far queries were read, and facts shared by campaigns."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from lead_assets.domain.progress import (
    Progress,
    QueryProgress,
    StoredDocument,
    SubredditFacts,
    TreeProgress,
    UnreadTree,
)
from lead_assets.storage.bulk import upsert
from lead_assets.storage.corpus import is_rejected_by_crawl
from lead_assets.storage.schema import (
    authors,
    comment_trees,
    crawl_queries,
    documents,
    sightings,
    subreddit_activity,
    subreddits,
)

SUBREDDIT_TTL_SECONDS = 86_400
AUTHOR_TTL_SECONDS = 7 * 86_400


class CrawlState:
    """What is remembered for one campaign under the gate settings in force."""

    def __init__(self, engine: sa.Engine, campaign_id: str, gate_digest: str, ttl_seconds: int) -> None:
        """Take the ledger's TTL; 0 means that nothing is ever young."""
        self._engine = engine
        self._campaign_id = campaign_id
        self._digest = gate_digest
        self._ttl = ttl_seconds

    def young(self, reddit_ids: Sequence[str]) -> set[str]:
        """Those of ``reddit_ids`` that were judged under the gate settings in force within the TTL."""
        query = sa.select(sightings.c.reddit_id).where(
            sightings.c.campaign_id == self._campaign_id,
            _among(sightings.c.reddit_id),
            sightings.c.gate_digest == self._digest,
            _age(sightings.c.seen_at) < self._ttl,
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query, {"names": list(reddit_ids)}))

    def progress(self, query: str) -> QueryProgress | None:
        """How far ``query`` was read; None where it never was."""
        columns = [crawl_queries.c[name] for name in QueryProgress.__dataclass_fields__]
        wanted = sa.select(*columns).where(
            crawl_queries.c.campaign_id == self._campaign_id, crawl_queries.c.query == query
        )
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return QueryProgress(**row._mapping) if row else None

    def stale_documents(self, since: datetime | None, limit: int) -> list[StoredDocument]:
        """Stored documents posted after ``since`` and judged longer ago than the TTL, judged longest ago first."""
        if not self._ttl:
            return []
        query = self._stored(since).where(_age(sightings.c.seen_at) >= self._ttl).order_by(sightings.c.seen_at)
        return self._read_stored(query.limit(limit))

    def unsettled_documents(self, hours: float) -> list[StoredDocument]:
        """Stored documents that were last fetched within so many hours of their posting, and are older than that."""
        settled_at = documents.c.created_at + sa.func.make_interval(0, 0, 0, 0, 0, 0, hours * 3_600)
        query = self._stored(None).where(documents.c.updated_at < settled_at, settled_at <= sa.func.now())
        return self._read_stored(query.order_by(documents.c.created_at))

    def _stored(self, since: datetime | None) -> sa.Select[tuple[str, str]]:
        of_document = (sightings.c.campaign_id == documents.c.campaign_id) & (
            sightings.c.reddit_id == documents.c.reddit_id
        )
        query = (
            sa.select(documents.c.reddit_id, documents.c.title)
            .join(sightings, of_document)
            .where(documents.c.campaign_id == self._campaign_id)
        )
        return query if since is None else query.where(documents.c.created_at >= since)

    def _read_stored(self, query: sa.Select[tuple[str, str]]) -> list[StoredDocument]:
        with self._engine.connect() as connection:
            return [StoredDocument(*row) for row in connection.execute(query)]

    def unread_trees(self, since: datetime | None, limit: int) -> list[UnreadTree]:
        """Stored posts after ``since`` with more comments than when their tree was read, most new comments first."""
        of_post = (comment_trees.c.campaign_id == documents.c.campaign_id) & (
            comment_trees.c.post_id == documents.c.reddit_id
        )
        new = documents.c.num_comments - sa.func.coalesce(comment_trees.c.num_comments, 0)
        query = (
            sa.select(documents.c.reddit_id, documents.c.title, documents.c.num_comments)
            .outerjoin(comment_trees, of_post)
            .where(
                documents.c.campaign_id == self._campaign_id,
                documents.c.kind == "post",
                new > 0,
                ~is_rejected_by_crawl(),
            )
            .order_by(new.desc(), documents.c.reddit_id)
            .limit(limit)
        )
        if since is not None:
            query = query.where(documents.c.created_at >= since)
        with self._engine.connect() as connection:
            return [UnreadTree(*row) for row in connection.execute(query)]

    def subreddits(self, names: Sequence[str]) -> dict[str, SubredditFacts]:
        """Facts by case-folded name that were looked up within a day; the others are left out."""
        columns = [subreddits.c[name] for name in SubredditFacts.__dataclass_fields__]
        query = sa.select(*columns).where(
            _among(subreddits.c.name), _age(subreddits.c.looked_up_at) < SUBREDDIT_TTL_SECONDS
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query, {"names": list(names)})
            return {row.name: SubredditFacts(**row._mapping) for row in rows}

    def remember_subreddits(self, facts: Sequence[SubredditFacts]) -> None:
        """Store facts for a day."""
        rows = [vars(fact) for fact in sorted(facts, key=lambda fact: fact.name)]
        with self._engine.begin() as connection:
            upsert(connection, subreddits, rows, touch="looked_up_at")

    def hot_posts(self, names: Sequence[str]) -> dict[str, int]:
        """Counts of hot posts by case-folded name that were looked up within a day."""
        query = sa.select(subreddit_activity.c.name, subreddit_activity.c.hot_posts).where(
            _among(subreddit_activity.c.name), _age(subreddit_activity.c.looked_up_at) < SUBREDDIT_TTL_SECONDS
        )
        with self._engine.connect() as connection:
            return dict(connection.execute(query, {"names": list(names)}).tuples().all())

    def remember_hot_posts(self, counts: Mapping[str, int]) -> None:
        """Store counts of hot posts for a day."""
        rows = [{"name": name, "hot_posts": count} for name, count in sorted(counts.items())]
        with self._engine.begin() as connection:
            upsert(connection, subreddit_activity, rows, touch="looked_up_at")

    def authors(self, author_ids: Sequence[str]) -> dict[str, int | None]:
        """Karma by author that was looked up within seven days; None where Reddit does not tell it."""
        query = sa.select(authors.c.author_id, authors.c.karma).where(
            _among(authors.c.author_id), _age(authors.c.looked_up_at) < AUTHOR_TTL_SECONDS
        )
        with self._engine.connect() as connection:
            return dict(connection.execute(query, {"names": list(author_ids)}).tuples().all())

    def remember_authors(self, karma: Mapping[str, int | None]) -> None:
        """Store karma for seven days."""
        rows = [{"author_id": author_id, "karma": value} for author_id, value in sorted(karma.items())]
        with self._engine.begin() as connection:
            upsert(connection, authors, rows, touch="looked_up_at")


def write_progress(connection: sa.Connection, campaign_id: str, progress: Sequence[Progress]) -> None:
    """Remember how far queries and trees were read; the last word on each counts."""
    queries = {entry.query: entry for entry in progress if isinstance(entry, QueryProgress)}
    trees = {entry.post_id: entry for entry in progress if isinstance(entry, TreeProgress)}
    owned = {"campaign_id": campaign_id}
    upsert(connection, crawl_queries, [owned | vars(entry) for entry in queries.values()], touch="updated_at")
    upsert(connection, comment_trees, [owned | vars(entry) for entry in trees.values()], touch="read_at")


def _among(column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return column == sa.func.any(sa.bindparam("names", type_=sa.ARRAY(sa.Text)))


def _age(column: sa.ColumnElement[datetime]) -> sa.ColumnElement[float]:
    """Seconds by the server's clock."""
    return sa.func.extract("epoch", sa.func.now() - column).cast(sa.Double)
