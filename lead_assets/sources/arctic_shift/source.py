"""The Arctic Shift source: its queries' pages in batches, then stored documents once more."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pandas as pd

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.errors import SourceFailed
from lead_assets.domain.progress import QueryProgress
from lead_assets.sources.arctic_shift.client import ArcticShiftClient
from lead_assets.sources.arctic_shift.facts import SubredditBook
from lead_assets.sources.arctic_shift.fetching import MAX_IDS, Titles, refresh
from lead_assets.sources.arctic_shift.matching import SOURCE, Matcher
from lead_assets.sources.arctic_shift.queries import require_subreddits
from lead_assets.sources.arctic_shift.reading import SETTLING, Bounds, Found, Reading
from lead_assets.sources.base import Batch, CrawlState, SourceCounts

ARCTIC_SHIFT_URL = "https://arctic-shift.photon-reddit.com"
BATCH_DOCUMENTS = 500
BATCH_PAGES = 25
"""Where little matches, a batch is handed out after so many pages, so that a run that dies has not read in vain."""
REFRESHED_SHARE = 10
"""One in so many requests of a run's budget is kept for documents that are to be fetched again."""
MAX_REFRESHED = 5_000


class ArcticShiftSource:
    """Crawls the public archive of Reddit that is Arctic Shift."""

    name = SOURCE

    def __init__(
        self,
        memory: CrawlState,
        *,
        digest: str,
        until: datetime | None = None,
        url: str = ARCTIC_SHIFT_URL,
        max_requests: int = 300,
        say: Callable[[str], object] = lambda _: None,
        retry_seconds: float = 120.0,
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare a crawl; nothing is sent yet.

        ``digest`` is a hash of the gate settings, ``until`` the moment as of which history is crawled (None: now).
        A request that fails is repeated for ``retry_seconds``; one that is not answered fails after
        ``timeout_seconds``. ``say`` takes one line about each wait.
        """
        self.counts = SourceCounts()
        self._memory = memory
        self._digest = digest
        self._until = until
        self._max_requests = max_requests
        self._client = ArcticShiftClient(
            url,
            self.counts,
            max_requests=max_requests,
            retry_seconds=retry_seconds,
            timeout_seconds=timeout_seconds,
            sleep=sleep,
            say=say,
        )
        self._book = SubredditBook(self._client, memory)

    def search(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        """Batches of what is new, each with how far its queries were read; then batches of refreshed documents.

        Refreshed are documents that were crawled in their first 36 hours, when scores are not final, and those that
        were judged longer ago than the ledger's TTL; not in a crawl of history.

        Raises:
            SourceNotFound: the campaign names no subreddit.
            SourceFailed: not one query was answered.
        """
        require_subreddits(campaign)
        bounds = Bounds(self._digest, since, self._until)
        reading = Reading(self._client, self._memory, self.counts, campaign, bounds)
        self._client.max_requests = self._max_requests - self._max_requests // REFRESHED_SHARE
        yield from self._batches(reading.pages())
        if reading.errors and not self._client.answered:
            raise SourceFailed(
                f"Nothing could be read from {self._client.url} ({reading.errors[0]}). Look at "
                "https://status.arctic-shift.photon-reddit.com and run the campaign again later."
            )
        self._client.max_requests = self._max_requests
        if self._until is None and not self._client.gave_up:
            yield from self._refreshed(campaign, since)

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with subscribers (and over_18) of the subreddits where they were unknown, as for comments.

        Raises:
            LookUpFailed: the server did not answer.
        """
        return self._book.fill(frame)

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is: karma as Reddit counts it is not known here.

        ``/api/users/search`` has sums of the scores that were archived, which is not karma: the gate would reject
        authors whom Reddit itself would let pass.
        """
        return frame

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _batches(self, pages: Iterator[Found]) -> Iterator[Batch]:
        titles = Titles(self._client, self.counts)
        documents: list[Document] = []
        progress: dict[str, QueryProgress] = {}
        read = 0
        for found in pages:
            if len(documents) + len(found.documents) > BATCH_DOCUMENTS or read >= BATCH_PAGES:
                yield Batch(titles.add_to(documents), tuple(progress.values()))
                documents, progress, read = [], {}, 0
            documents = documents + found.documents
            progress[found.progress.query] = found.progress
            read += 1
        if progress:
            yield Batch(titles.add_to(documents), tuple(progress.values()))

    def _refreshed(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        # Asked only now: what was met again on the way is not stale any more.
        unsettled = self._memory.unsettled_documents(SETTLING.total_seconds() / 3_600)
        limit = min(self._client.requests_left * MAX_IDS, MAX_REFRESHED)
        stale = self._memory.stale_documents(since, limit)
        stored = list({document.reddit_id: document for document in [*stale, *unsettled]}.values())
        yield from refresh(self._client, Matcher(campaign, self.counts), self.counts, stored)
