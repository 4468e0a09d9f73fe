"""Documents that are given: a source without a place to look."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pandas as pd

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.sources.base import Batch, SourceCounts


class FixedSource:
    """Gives the documents that it was made with, which match their campaign already."""

    name = "archive"

    def __init__(self, documents: Sequence[Document], batch_documents: int = 1_000) -> None:
        """Take ``documents`` with their ``matched_keywords``."""
        self.counts = SourceCounts()
        self._documents = documents
        self._size = batch_documents

    def search(self, campaign: Campaign, since: datetime | None) -> Iterator[Batch]:
        """Batches of the documents, all of them: ``post_age`` judges and counts."""
        for start in range(0, len(self._documents), self._size):
            batch = self._documents[start : start + self._size]
            self.counts.read += len(batch)
            self.counts.given += len(batch)
            yield Batch(batch)

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is: the documents carry all the facts there are."""
        return frame

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is."""
        return frame

    def close(self) -> None:
        """Nothing is open."""
