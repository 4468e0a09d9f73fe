"""Listings, newest first: read down to what is too old or known already, from where the last run stopped."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import SourceFailed
from lead_assets.domain.progress import QueryProgress, SubredditFacts
from lead_assets.sources.base import Batch, CrawlState
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.failures import NotReachable, QueryRejected, RedditUnavailable, RunBudgetSpent
from lead_assets.sources.reddit.pending import Pending
from lead_assets.sources.reddit.queries import Query
from lead_assets.sources.reddit.things import Page, Thing, matching, posted_at, read_page

PAGE = 100
FAMILIAR_IN_A_ROW = 100
"""After so many known things in a row, of a query that was read to its end once, the rest is known too."""
LISTING_CAP = 1_000
"""Reddit gives no more of any listing."""
LATE = timedelta(hours=1)
"""Search finds a post minutes after it was posted: what is so much older than the last reading was there then."""
FAILURES_IN_A_ROW = 2
"""After so many Reddit is taken to be down: what is left is not asked for, since each would wait for its retries."""


class ListingReader:
    """Reads queries one after the other; what fails is warned of, and the others go on."""

    def __init__(
        self, client: RedditClient, memory: CrawlState, gate_digest: str, campaign: Campaign, since: datetime | None
    ) -> None:
        """Read for ``campaign``, nothing posted before ``since``."""
        self.pending = Pending(client)
        self._client = client
        self._memory = memory
        self._digest = gate_digest
        self._campaign = campaign
        self._since = since
        self._pages = 0
        self._failures_in_a_row = 0
        self._first_failure: SourceFailed | None = None
        self._last_failure: RedditUnavailable | None = None

    def read(self, query: Query) -> Iterator[Batch]:
        """Batches of what ``query`` finds; where Reddit takes only parts of it, of the parts.

        Raises:
            RunBudgetSpent: the run may make no more requests; what has gathered is still ``pending``.
            SourceFailed: Reddit refuses us, or fails again and again.
        """
        if self._last_failure and self._failures_in_a_row >= FAILURES_IN_A_ROW:
            self._give_up(query, self._last_failure)
            return
        try:
            yield from self._read_on(query)
        except NotReachable as error:
            yield from self._read_parts(query, list(query.halves()), error)
        except QueryRejected as error:
            yield from self._read_parts(query, list(query.halves_of_keywords()) or list(query.halves()), error)
        except RedditUnavailable as error:
            self._give_up(query, error)
            self._last_failure = error
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= FAILURES_IN_A_ROW and not self._pages:
                raise

    def require_some_success(self) -> None:
        """Make sure that an empty crawl is not one in which everything failed.

        Raises:
            SourceFailed: not one page could be read.
        """
        if self._first_failure is not None and not self._pages:
            raise SourceFailed(f"Nothing could be crawled. {self._first_failure}")

    def _read_parts(self, query: Query, parts: list[Query], error: SourceFailed) -> Iterator[Batch]:
        if not parts:
            self._give_up(query, error)
        for part in parts:
            yield from self.read(part)

    def _give_up(self, query: Query, error: SourceFailed) -> None:
        self._first_failure = self._first_failure or error
        self._client.counts.warnings.append(f"Not crawled: {query.label}. {error}")
        if isinstance(error, NotReachable) and len(query.subreddits) == 1:
            self._memory.remember_subreddits([SubredditFacts(query.subreddits[0].casefold(), reachable=False)])

    def _read_on(self, query: Query) -> Iterator[Batch]:
        """First what an interrupted run left, then what is new."""
        digest = query.digest(self._campaign, self._digest)
        progress = self._memory.progress(digest) or QueryProgress(digest, query.label)
        if progress.after is not None:
            progress = yield from self._read_down(query, progress)
        yield from self._read_down(query, progress)

    def _read_down(self, query: Query, progress: QueryProgress) -> Generator[Batch, None, QueryProgress]:
        """Read from the cursor in ``progress``, or from the top, down; returns the progress at the end."""
        resumed = progress.after is not None
        known = _Known(progress)
        read = 0
        while True:
            page = self._next_page(query, progress, read)
            self._pages += 1
            self._failures_in_a_row = 0
            if not resumed and not read:
                progress = progress.began(posted_at(page.things[0]) if page.things else None)
            if resumed and not read and not page.things:
                # The thing at the cursor is gone, and with it the way on: begin anew, and pass over what is known.
                return replace(progress, after=None, reading_newest_at=None, read_to_end=False)
            read += len(page.things)
            found = list(matching(page.things, self._campaign, self._client.counts))
            is_known = known.goes_on(page, {document.reddit_id: thing for thing, document in found}, self._memory)
            done = page.after is None or not page.things or is_known or self._is_too_old(page)
            progress = progress.finished() if done else progress.reached(page.after)
            self.pending.add([document for _, document in found], progress)
            yield from self.pending.flush_if_full()
            if done:
                self._note_cap(query, page, read)
                return progress

    def _next_page(self, query: Query, progress: QueryProgress, read: int) -> Page:
        if not self.pending.has_room_for(PAGE):
            raise RunBudgetSpent(
                "This run has nearly made the requests that it may make (REDDIT_MAX_REQUESTS_PER_RUN) and stopped "
                "early. The next one continues from there."
            )
        return read_page(self._client.get(query.path, query.params | _cursor(progress, read)))

    def _is_too_old(self, page: Page) -> bool:
        oldest = next((moment for thing in reversed(page.things) if (moment := posted_at(thing))), None)
        return self._since is not None and oldest is not None and oldest < self._since

    def _note_cap(self, query: Query, page: Page, read: int) -> None:
        if page.after is None and read >= LISTING_CAP - PAGE // 2 and not self._is_too_old(page):
            self._client.counts.warnings.append(
                f"Reddit gives at most {LISTING_CAP} results. Older ones are missing of: {query.label}. Runs that come "
                "often lose nothing; fewer keywords or subreddits for a campaign reach further back."
            )


class _Known:
    """Counts how many things in a row were known before this run."""

    def __init__(self, progress: QueryProgress) -> None:
        self._applies = progress.read_to_end
        self._seen_before = progress.newest_at - LATE if progress.newest_at else None
        self._in_a_row = 0

    def goes_on(self, page: Page, matched: dict[str, Thing], memory: CrawlState) -> bool:
        """Take in a page; whether enough in a row were known now."""
        if not self._applies:
            return False
        young = memory.young(list(matched))
        for thing in page.things:
            name = thing.get("name")
            if isinstance(name, str) and name in matched:
                self._in_a_row = self._in_a_row + 1 if name in young else 0
            elif self._was_there(thing):
                self._in_a_row += 1
            if self._in_a_row >= FAMILIAR_IN_A_ROW:
                return True
        return False

    def _was_there(self, thing: Thing) -> bool:
        """Whether it was met by the last reading to the end, and did not match then either."""
        moment = posted_at(thing)
        return moment is not None and self._seen_before is not None and moment < self._seen_before


def _cursor(progress: QueryProgress, read: int) -> dict[str, str]:
    after = {"after": progress.after, "count": str(read)} if progress.after else {}
    return {"limit": str(PAGE), **after}
