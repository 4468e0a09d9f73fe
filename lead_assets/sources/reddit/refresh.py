"""Stored documents again, once the ledger's TTL has passed: their scores, and whether they are still there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.progress import StoredDocument
from lead_assets.sources.base import Batch, CrawlState
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.failures import NotReachable, QueryRejected, RedditUnavailable
from lead_assets.sources.reddit.things import IDS_PER_REQUEST, Thing, fetch, to_document

REQUESTS_FOR_FACTS = 2
"""A batch of a hundred needs one request for its authors and one for its subreddits."""


def refreshed(client: RedditClient, memory: CrawlState, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
    """Batches of stored documents as they are now, those that were judged longest ago first, as far as requests go.

    Raises:
        SourceFailed: Reddit refuses us.
    """
    rounds = client.requests_left // (1 + REQUESTS_FOR_FACTS)
    stale = memory.stale_documents(since, rounds * IDS_PER_REQUEST)
    for start in range(0, len(stale), IDS_PER_REQUEST):
        chunk = stale[start : start + IDS_PER_REQUEST]
        try:
            things, gone = fetch(client, [stored.reddit_id for stored in chunk])
        except (NotReachable, QueryRejected, RedditUnavailable) as error:
            client.counts.warnings.append(f"{len(stale) - start} stored documents were not looked at again. {error}")
            return
        documents = [_as_it_is(stored, things, campaign, client) for stored in chunk]
        yield Batch([document for document in documents if document], gone=gone, refreshed=True)


def _as_it_is(
    stored: StoredDocument, things: dict[str, Thing], campaign: Campaign, client: RedditClient
) -> Document | None:
    thing = things.get(stored.reddit_id)
    if thing is None:
        return None
    client.counts.read += 1
    if stored.reddit_id.startswith("t1_") and not thing.get("link_title"):
        thing = {**thing, "link_title": stored.title}
    document = to_document(thing, client.counts)
    if document is None:
        return None
    client.counts.given += 1
    return replace(document, matched_keywords=campaign.keywords_in(document))
