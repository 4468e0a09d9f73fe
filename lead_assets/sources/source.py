"""What a source is: where documents come from, and the facts about subreddits and authors that gates need."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document

MAX_EXAMPLES = 10


@dataclass
class SourceCounts:
    """What a source met on the way; whatever it did not hand on is counted here."""

    read: int = 0
    malformed: int = 0
    deleted: int = 0
    matched: int = 0
    requests: int = 0
    malformed_examples: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add_malformed(self, where: str, why: str) -> None:
        """Count one malformed record and remember the first few."""
        self.malformed += 1
        if len(self.malformed_examples) < MAX_EXAMPLES:
            self.malformed_examples.append(f"{where}: {why}")


class Source(Protocol):
    """A source of documents for one crawl."""

    name: str
    counts: SourceCounts

    def search(self, campaign: Campaign, since: datetime | None) -> Iterator[list[Document]]:
        """Batches of documents that the campaign wants and that match its keywords, ``matched_keywords`` set.

        ``since`` is a hint: nothing older is needed. An id may come more than once.

        Raises:
            SourceFailed: the crawl cannot go on; batches already given are good.
        """
        ...

    def look_up(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with the facts about subreddits and authors that could be had; the rest stays unknown.

        Raises:
            LookUpFailed: the facts exist but could not be had now, which is not the same as unknown.
        """
        ...
