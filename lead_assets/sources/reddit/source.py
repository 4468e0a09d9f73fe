"""The Reddit source: posts by search, comments of matched posts and of named subreddits, and stored ones again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import SourceFailed
from lead_assets.sources.base import Batch, CrawlState
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.facts import Facts
from lead_assets.sources.reddit.failures import RunBudgetSpent
from lead_assets.sources.reddit.listings import ListingReader
from lead_assets.sources.reddit.pending import Pending
from lead_assets.sources.reddit.queries import comment_queries, post_queries
from lead_assets.sources.reddit.refresh import refreshed
from lead_assets.sources.reddit.trees import TreeReader


@dataclass(frozen=True)
class CrawlOptions:
    """What a crawl reads by: the hash of its gate settings, requests for comment trees, whether to count hot posts."""

    gate_digest: str
    comment_requests: int
    hot_posts: bool


class RedditSource:
    """Crawls Reddit's API with as few requests as it takes."""

    name = "reddit"

    def __init__(self, client: RedditClient, memory: CrawlState, reading: CrawlOptions) -> None:
        """Take an opened client, which is closed with the source."""
        self.counts = client.counts
        self._client = client
        self._memory = memory
        self._reading = reading
        self._facts = Facts(client, memory, wants_hot_posts=reading.hot_posts)

    def search(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        """Batches in this order: what is new, comments of matched posts, stored documents that have become old.

        Raises:
            SourceFailed: Reddit refuses us, or nothing at all could be read.
        """
        try:
            yield from self._new(campaign, since)
            yield from self._in_trees(campaign, since)
            yield from refreshed(self._client, self._memory, campaign, since)
        except RunBudgetSpent as error:
            self.counts.warnings.append(str(error))

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See ``Facts``."""
        return self._facts.look_up_subreddits(frame)

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See ``Facts``."""
        return self._facts.look_up_authors(frame)

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _new(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        subreddits = self._reachable(campaign)
        queries = post_queries(campaign.keywords, subreddits) if "posts" in campaign.content else []
        if "comments" in campaign.content:
            queries += comment_queries(campaign.keywords, subreddits)
        reader = ListingReader(self._client, self._memory, self._reading.gate_digest, campaign, since)
        yield from _with_the_rest((batch for query in queries for batch in reader.read(query)), reader.pending)
        reader.require_some_success()

    def _in_trees(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        if "comments" in campaign.content:
            reader = TreeReader(self._client, self._memory, campaign)
            yield from _with_the_rest(reader.read(since, self._reading.comment_requests), reader.pending)

    def _reachable(self, campaign: Campaign) -> list[str]:
        """The subreddits that the campaign names and that can be read.

        Raises:
            SourceFailed: it names some, and not one can be read.
        """
        named = campaign.subreddits.include
        facts = self._facts.of_subreddits(named)
        lost = [name for name in named if not facts[name.casefold()].reachable]
        if lost:
            sentence = (
                f"{', '.join(f'r/{name}' for name in lost)}: private, banned, or not there. Check subreddits.include "
                f"of campaign {campaign.id}."
            )
            if len(lost) == len(named):
                raise SourceFailed(f"Nothing can be crawled. {sentence}")
            self.counts.warnings.append(sentence)
        return [name for name in named if name not in lost]


def _with_the_rest(batches: Iterator[Batch], pending: Pending) -> Iterator[Batch]:
    """``batches`` and what they leave pending, which an error that ends them must not cost."""
    try:
        yield from batches
    except SourceFailed:
        yield from pending.flush()
        raise
    yield from pending.flush()
