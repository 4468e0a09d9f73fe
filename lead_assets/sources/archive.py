"""The archive source: files of Reddit objects, plain or Zstandard, as the monthly dumps and saved answers of APIs are.

A file is streamed, so its size does not matter. One bad record never stops a crawl: it is counted and reported.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from lead_assets.domain.automation import automation_of
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit, fullname_of, is_older, state_time
from lead_assets.domain.errors import SourceFailed, SourceNotFound
from lead_assets.domain.removal import has_gone_since, is_gone
from lead_assets.sources.base import Batch, SourceCounts
from lead_assets.sources.json_records import Broken, records
from lead_assets.sources.record_files import MAX_LINE_BYTES, ZSTD_WINDOW, FileDamaged, pieces

__all__ = ["MAX_LINE_BYTES", "ZSTD_WINDOW", "ArchiveSource"]

BATCH_DOCUMENTS = 1_000
FOR_EVER = datetime.max.replace(tzinfo=UTC)
"""When something is gone of which an archive notes that it was taken down later: no other copy is newer than that."""
GONE_REMEMBERED = 200_000
"""Records of things that are gone whose time is remembered: copies of one thing stand close together in a file."""


class ArchiveSource:
    """Streams one archive file."""

    name = "archive"

    def __init__(
        self,
        path: Path,
        batch_documents: int = BATCH_DOCUMENTS,
        stored: Mapping[str, datetime | None] | None = None,
    ) -> None:
        """Take ``path`` for a crawl; ``stored`` is what the campaign has met before, and the state that it has of it.

        Raises:
            SourceNotFound: there is no such file.
        """
        if not _is_file(path):
            raise SourceNotFound(f"There is no archive file at {path}. Give the path of an .ndjson or .zst file.")
        self.path = path
        self.counts = SourceCounts()
        self._batch_documents = batch_documents
        self._known: dict[str, datetime | None] = dict(stored or {})
        """Documents that the campaign holds or was given, and the newest state of each, by fullname."""
        self._gone: dict[str, datetime] = {}
        """When the latest things that are gone were seen to be."""

    def search(self, campaign: Campaign, since: datetime | None = None) -> Iterator[Batch]:
        """Batches of matching documents, in the file's order, each in its newest state as far as it was read.

        What was given and is gone now is named in ``gone``, of a batch with an earlier state of it too. A document that
        the campaign holds is given whether its text still matches or not. ``since`` is ignored:
        ``post_age`` judges and counts.

        Raises:
            SourceFailed: the file cannot be read on.
        """
        batch: list[Document] = []
        gone: dict[str, None] = {}
        failure: SourceFailed | None = None
        try:
            for reddit_id, document in self._documents(campaign):
                if document is None:
                    gone[reddit_id] = None
                else:
                    gone.pop(reddit_id, None)
                    batch.append(document)
                if len(batch) + len(gone) >= self._batch_documents:
                    yield Batch(batch, gone=list(gone))
                    batch, gone = [], {}
        except SourceFailed as error:
            failure = error
        if batch or gone:
            yield Batch(batch, gone=list(gone))
        if failure:
            raise failure

    def named(self, reddit_ids: Collection[str]) -> list[Document]:
        """The documents with these fullnames, whatever their keywords, in the file's order; some may be missing.

        Raises:
            SourceFailed: the file cannot be read on.
        """
        wanted = set(reddit_ids)
        found: list[Document] = []
        for where, thing in self._records():
            try:
                document = from_reddit(thing, self.name)
            except MalformedDocument as error:
                self.counts.add_malformed(where, str(error))
                continue
            if document.reddit_id in wanted:
                found.append(document)
        return found

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is: an archive's records carry all the facts there are."""
        return frame

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is."""
        return frame

    def close(self) -> None:
        """Nothing: the file is closed when it was read."""

    def _documents(self, campaign: Campaign) -> Iterator[tuple[str, Document | None]]:
        """Documents by fullname, and None for one that was known and is gone.

        Raises:
            SourceFailed: the file cannot be read to its end.
        """
        for where, record in self._records():
            yield from self._take(where, record, campaign)

    def _records(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Every Reddit object in the file with where it is; what is none is counted as malformed.

        Raises:
            SourceFailed: the file cannot be read to its end.
        """
        try:
            for where, record in records(pieces(self.path)):
                self.counts.read += 1
                if isinstance(record, Broken):
                    self.counts.add_malformed(where, record.why)
                    continue
                yield where, record
        except FileDamaged as error:
            raise SourceFailed(
                f"{self.path} cannot be read past record {self.counts.read} ({error}). "
                "What came before is stored. Fetch the file again and repeat the run."
            ) from error

    def _take(
        self, where: str, thing: Mapping[str, object], campaign: Campaign
    ) -> Iterator[tuple[str, Document | None]]:
        # Most records match nothing: ask that of the raw text before a document is made of it.
        is_known = fullname_of(thing) in self._known
        possible = campaign.keyword_matcher.possible(_raw_text(thing))
        is_candidate = is_known or bool(possible)
        if is_gone(thing):
            yield from self._take_gone(thing, is_known)
            self.counts.deleted += is_candidate
            self.counts.unmatched += not is_candidate
            return
        if not is_candidate:
            self.counts.unmatched += 1
            return
        try:
            document = from_reddit(thing, self.name)
        except MalformedDocument as error:
            self.counts.add_malformed(where, str(error))
            return
        keywords, is_wanted = campaign.keywords_in(document, possible), campaign.wants(document)
        if not keywords and not is_known:
            self.counts.unmatched += 1
            return
        if not is_wanted and not is_known:
            self.counts.excluded += 1
            return
        if (automation := automation_of(thing)) is not None:
            self.counts.add_automation(automation)
            return
        reddit_id = document.reddit_id
        if self._is_outdated(reddit_id, document.state_at):
            self.counts.outdated += 1
            return
        self.counts.given += 1
        self._known[reddit_id] = document.state_at
        yield reddit_id, replace(document, matched_keywords=keywords if is_wanted else ())

    def _take_gone(self, thing: Mapping[str, object], is_known: bool) -> Iterator[tuple[str, None]]:
        reddit_id = fullname_of(thing)
        if reddit_id is None:
            return
        state_at = FOR_EVER if has_gone_since(thing) else state_time(thing)
        if is_known and not is_older(state_at, self._known[reddit_id]):
            yield reddit_id, None
        if state_at is not None:
            self._gone[reddit_id] = max(state_at, self._gone.get(reddit_id, state_at))
            if len(self._gone) > GONE_REMEMBERED:
                del self._gone[next(iter(self._gone))]

    def _is_outdated(self, reddit_id: str, state_at: datetime | None) -> bool:
        """Whether a newer state was met, a removal among them."""
        gone_at = self._gone.get(reddit_id)
        return gone_at == FOR_EVER or is_older(state_at, gone_at) or is_older(state_at, self._known.get(reddit_id))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _raw_text(thing: Mapping[str, object]) -> str:
    parts = [part for key in ("title", "selftext", "body") if isinstance(part := thing.get(key), str)]
    return "\n\n".join(parts)
