"""What a source is: where documents come from, and the facts about subreddits and authors that gates need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd

from lead_assets.domain.automation import AUTOMATIONS, Automation
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.progress import Progress, QueryProgress, StoredDocument, SubredditFacts, UnreadTree

MAX_EXAMPLES = 10


@dataclass
class SourceCounts:
    """What a source met on the way: each record that was read is counted once more, by what became of it.

    ``unmatched`` have nothing to do with the campaign, ``given`` were handed on. ``outdated`` are older states of what
    was met in a newer one; ``automated`` counts what no person wrote, by kind; ``excluded`` match, but the campaign's
    lists leave out their subreddit, author or kind.
    ``requests`` are all that were sent, ``retries`` those of them that repeated a failed one, ``waited_seconds`` the
    time spent waiting for the request budget or for a server that failed.
    """

    read: int = 0
    malformed: int = 0
    deleted: int = 0
    outdated: int = 0
    unmatched: int = 0
    excluded: int = 0
    given: int = 0
    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0
    automated: dict[Automation, int] = field(default_factory=lambda: dict.fromkeys(AUTOMATIONS, 0))
    malformed_examples: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def matched(self) -> int:
        """Records that concern the campaign, those among them that could not be read or are gone."""
        return self.read - self.unmatched

    def add_automation(self, kind: Automation) -> None:
        """Count one thing that no person wrote."""
        self.automated[kind] += 1

    def add_malformed(self, where: str, why: str) -> None:
        """Count one malformed record and remember the first few."""
        self.malformed += 1
        if len(self.malformed_examples) < MAX_EXAMPLES:
            self.malformed_examples.append(f"{where}: {why}")


@dataclass(frozen=True)
class Batch:
    """Documents to be judged and stored together.

    ``progress`` is stored in the same transaction, and only if the documents are. ``gone`` are stored documents that
    their author or a moderator has taken down. ``refreshed`` documents were fetched again on purpose: the ledger, which
    knows them, must not call them duplicates.
    """

    documents: Sequence[Document]
    progress: Sequence[Progress] = ()
    gone: Sequence[str] = ()
    refreshed: bool = False


class Source(Protocol):
    """A source of documents for one crawl."""

    name: str
    counts: SourceCounts

    def search(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        """Batches of documents that the campaign wants and that match its keywords, ``matched_keywords`` set.

        ``since`` is a hint: nothing older is needed. An id may come more than once.

        Raises:
            SourceFailed: the crawl cannot go on; batches already given are good.
        """
        ...

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with the facts about its subreddits that could be had; the rest stays unknown.

        Raises:
            LookUpFailed: the facts exist but cannot be read now, which is not the same as unknown.
        """
        ...

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with the karma of its authors, as ``look_up_subreddits``."""
        ...

    def close(self) -> None:
        """Close connections; the source is not used any more."""
        ...


class CrawlState(Protocol):
    """What a live source knows from earlier runs of its campaign, and facts shared by all campaigns."""

    def young(self, reddit_ids: Sequence[str]) -> set[str]:
        """Those of ``reddit_ids`` that were judged under the gate settings in force within the ledger's TTL."""
        ...

    def progress(self, query: str) -> QueryProgress | None:
        """How far ``query`` was read; None where it never was."""
        ...

    def stale_documents(self, since: datetime | None, limit: int) -> list[StoredDocument]:
        """Stored documents posted after ``since`` and judged longer ago than the TTL, judged longest ago first."""
        ...

    def unsettled_documents(self, hours: float) -> list[StoredDocument]:
        """Stored documents that were crawled within so many hours of their posting, and are older than that now."""
        ...

    def unread_trees(self, since: datetime | None, limit: int) -> list[UnreadTree]:
        """Stored posts after ``since`` with more comments than when their tree was read, most new comments first."""
        ...

    def subreddits(self, names: Sequence[str]) -> Mapping[str, SubredditFacts]:
        """Facts by case-folded name that were looked up within a day; the others are left out."""
        ...

    def remember_subreddits(self, facts: Sequence[SubredditFacts]) -> None:
        """Store facts for a day."""
        ...

    def hot_posts(self, names: Sequence[str]) -> Mapping[str, int]:
        """Counts of hot posts by case-folded name that were looked up within a day."""
        ...

    def remember_hot_posts(self, counts: Mapping[str, int]) -> None:
        """Store counts of hot posts for a day."""
        ...

    def authors(self, author_ids: Sequence[str]) -> Mapping[str, int | None]:
        """Karma by author that was looked up within seven days; None where Reddit does not tell it."""
        ...

    def remember_authors(self, karma: Mapping[str, int | None]) -> None:
        """Store karma for seven days."""
        ...
