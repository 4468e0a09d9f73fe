"""Reading a campaign's queries: what is new since the last reading, and an interrupted reading first."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.errors import LookUpFailed
from lead_assets.domain.progress import QueryProgress
from lead_assets.sources.arctic_shift.client import (
    ArcticShiftClient,
    ArcticShiftError,
    BudgetSpent,
    QueryTimedOut,
    Refused,
    Unreachable,
)
from lead_assets.sources.arctic_shift.facts import SubredditBook
from lead_assets.sources.arctic_shift.matching import Matcher
from lead_assets.sources.arctic_shift.pages import FIRST_SECOND, Page, created, read_pages
from lead_assets.sources.arctic_shift.queries import Kind, Query, keyword_queries, listing, subreddits_of
from lead_assets.sources.base import CrawlState, SourceCounts

SETTLING = timedelta(hours=36)
"""After about so long Arctic Shift fetches everything again; until then scores are 0 or 1 and things arrive late."""
LISTING_PAGES = 20
"""So many pages of a subreddit's listing are read at most where its keywords cannot be searched."""
_CONTENT: tuple[Kind, ...] = ("posts", "comments")


@dataclass(frozen=True)
class Found:
    """What one page had, and how far its query was read with it."""

    documents: list[Document]
    progress: QueryProgress


@dataclass(frozen=True)
class Bounds:
    """What is asked for: things posted from ``since`` to ``until``; ``digest`` is of the gate settings."""

    digest: str
    since: datetime | None
    until: datetime | None

    @property
    def oldest(self) -> int:
        """Epoch second of the oldest thing needed."""
        return int(self.since.timestamp()) if self.since else FIRST_SECOND

    @property
    def before(self) -> int | None:
        """Epoch second after the newest thing needed; None where that is now."""
        return int(self.until.timestamp()) + 1 if self.until else None


class Reading:
    """One reading of all of a campaign's queries."""

    def __init__(
        self, client: ArcticShiftClient, memory: CrawlState, counts: SourceCounts, campaign: Campaign, bounds: Bounds
    ) -> None:
        self.errors: list[str] = []
        """Why queries could not be read on."""
        self._client = client
        self._memory = memory
        self._counts = counts
        self._campaign = campaign
        self._bounds = bounds
        self._matcher = Matcher(campaign, counts)
        self._met: set[str] = set()
        self._spent = False

    def pages(self) -> Iterator[Found]:
        """What is found, page by page. Failures are warnings, and the other queries go on while that makes sense."""
        for subreddit in subreddits_of(self._campaign):
            errors = len(self.errors)
            for kind in _CONTENT:
                if kind in self._campaign.content:
                    yield from self._read_kind(kind, subreddit)
                if self._spent or self._client.gave_up:
                    return
            if subreddit not in self._met and len(self.errors) == errors:
                self._doubt(subreddit)

    def _read_kind(self, kind: Kind, subreddit: str) -> Iterator[Found]:
        for query in keyword_queries(self._campaign, kind, subreddit):
            if query.listed:
                yield from self._read_listing(query, "it finds no words of scripts without spaces")
                return
            try:
                yield from self._read(query)
            except (QueryTimedOut, Refused) as error:
                # Keywords are refused in very active subreddits, and are the first to be switched off under load.
                yield from self._read_listing(listing(self._campaign, kind, subreddit), str(error))
                return
            except Unreachable as error:
                self._fail(query, error)
            except BudgetSpent as error:
                self._stop(error)
            if self._spent or self._client.gave_up:
                return

    def _read_listing(self, query: Query, refusal: str) -> Iterator[Found]:
        self._warn(
            f"Arctic Shift could not search keywords in {query.kind} of r/{query.subreddit} ({refusal}); all that is "
            "new there is read and matched here instead."
        )
        try:
            yield from self._read(query, LISTING_PAGES)
        except BudgetSpent as error:
            self._stop(error)
        except ArcticShiftError as error:
            self._fail(query, error)

    def _read(self, query: Query, max_pages: int | None = None) -> Iterator[Found]:
        """An interrupted reading of ``query`` to its end, then what is new.

        Raises:
            ArcticShiftError: a page could not be read.
        """
        digest = query.digest(self._campaign, self._bounds.digest, self._bounds.until)
        progress = self._memory.progress(digest) or QueryProgress(digest, query.label)
        if progress.newest_at or progress.reading_newest_at:
            self._met.add(query.subreddit)
        if progress.after and progress.after.isdecimal():
            progress = yield from self._read_from(query, progress, int(progress.after), max_pages)
        yield from self._read_from(query, progress, None, max_pages)

    def _read_from(
        self, query: Query, progress: QueryProgress, cursor: int | None, max_pages: int | None
    ) -> Generator[Found, None, QueryProgress]:
        before = self._bounds.before if cursor is None else cursor
        for number, page in enumerate(read_pages(self._client, query, before, self._oldest(progress)), start=1):
            if number == 1 and cursor is None:
                progress = progress.began(_newest(page))
            cut = page.cursor is not None and number == max_pages
            progress = progress.finished() if page.cursor is None or cut else progress.reached(str(page.cursor))
            if page.things:
                self._met.add(query.subreddit)
            self._tell(query, page, cut)
            yield Found(self._matcher.documents(page.things, query.label), progress)
            if cut:
                break
        return progress

    def _oldest(self, progress: QueryProgress) -> int:
        """Where reading stops: what was read before is read again as far back as it may have changed."""
        if progress.newest_at is None:
            return self._bounds.oldest
        return max(self._bounds.oldest, int((progress.newest_at - SETTLING).timestamp()))

    def _tell(self, query: Query, page: Page, cut: bool) -> None:
        where = f"{query.kind} of r/{query.subreddit}"
        if page.crowded is not None:
            moment = datetime.fromtimestamp(page.crowded, UTC)
            self._warn(f"More {where} than fit a page were posted in the second {moment}. Some may be missing.")
        if cut:
            reached = datetime.fromtimestamp(page.cursor or 0, UTC)
            self._warn(
                f"There are more new {where} than are read in one run: those before {reached:%Y-%m-%d %H:%M} UTC were "
                "left out. For them crawl a monthly dump with --source archive."
            )

    def _doubt(self, subreddit: str) -> None:
        """Nothing was ever found in ``subreddit``: warn if Arctic Shift does not know it at all."""
        try:
            known = SubredditBook(self._client, self._memory).facts({subreddit.casefold(): None})
        except LookUpFailed:
            return
        if subreddit.casefold() not in known or not known[subreddit.casefold()].reachable:
            self._warn(
                f"Arctic Shift knows no subreddit r/{subreddit}. Check its spelling under `subreddits.include` in the "
                "campaign's file."
            )

    def _stop(self, error: BudgetSpent) -> None:
        self._spent = True
        self.errors.append(str(error))
        self._warn(
            f"The crawl stopped after {self._counts.requests} requests, as many as a run may send. The next run goes "
            "on from there (REDDIT_MAX_REQUESTS_PER_RUN allows more)."
        )

    def _fail(self, query: Query, error: ArcticShiftError) -> None:
        self.errors.append(str(error))
        self._warn(
            f"{self._client.url} could not be read for {query.label[:120]} ({error}). The next run continues from "
            "there."
        )

    def _warn(self, sentence: str) -> None:
        self._counts.warnings.append(sentence)


def _newest(page: Page) -> datetime | None:
    """When the newest item of the first page was posted; no later than now, whatever it says."""
    seconds = [second for thing in page.things if (second := created(thing)) is not None]
    now = datetime.now(UTC)
    return datetime.fromtimestamp(min(max(seconds), int(now.timestamp())), UTC) if seconds else None
