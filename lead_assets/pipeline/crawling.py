"""A crawl under way: what it makes of each batch, in one transaction, and what it has counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.document import Document, merge_repeats
from lead_assets.domain.document_text import EXCERPT_CHARACTERS, document_text, text_hash
from lead_assets.domain.errors import LookUpFailed
from lead_assets.domain.frames import to_frame, to_rows
from lead_assets.domain.gate_catalog import (
    AUTHOR_GATES,
    CHEAP_GATES,
    DEDUPLICATION,
    METADATA_GATES,
    SUBREDDIT_GATES,
    oldest_kept,
)
from lead_assets.domain.gates import GateStats
from lead_assets.domain.judging import GateOutcomes, apply_gates, join_outcomes
from lead_assets.domain.rejections import rejection_frame
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.timing import Phases
from lead_assets.sources.base import Batch, Source
from lead_assets.storage.corpus import (
    read_sightings,
    read_texts_of,
    unite_keywords,
    write_judged,
)
from lead_assets.storage.crawl_state import write_progress
from lead_assets.storage.database import CampaignSession
from lead_assets.storage.deletions import purge_deleted, purge_expired, read_deleted, read_won, remember_deleted
from lead_assets.storage.rejection_csv import remove_old_rejections, remove_rejections


def _beside_stored(
    frame: pd.DataFrame, stored: pd.DataFrame
) -> tuple[pd.DataFrame, "pd.Series[bool]", "pd.Series[bool]"]:
    """``frame`` with the titles that are stored of comments that come without one; and which of its texts differ from
    what is stored, and which are older."""
    beside = frame[["reddit_id"]].merge(stored, on="reddit_id", how="left").set_axis(frame.index)
    is_untitled = (frame["kind"] == "comment") & (frame["title"] == "") & (beside["stored_title"].fillna("") != "")
    if is_untitled.any():
        titles = frame["title"].mask(is_untitled, beside["stored_title"])
        hashes = [text_hash(document_text(title, body)) for title, body in zip(titles, frame["body"], strict=True)]
        frame = frame.assign(
            title=titles, text_hash=frame["text_hash"].mask(is_untitled, pd.Series(hashes, frame.index))
        )
    stored_at = pd.to_datetime(beside["stored_state_at"], utc=True)
    is_older = (frame["state_at"] < stored_at).fillna(False).astype(bool)
    is_changed = beside["stored_hash"].notna() & (beside["stored_hash"] != frame["text_hash"]) & ~is_older
    return frame, is_changed, is_older


@dataclass
class Crawl:
    """One crawl: what it works by, and what it has counted so far."""

    session: CampaignSession
    run: RunContext
    source: Source
    run_id: str
    phases: Phases = field(default_factory=Phases)
    judged_as_of: datetime = field(init=False)
    digest: str = field(init=False)
    retained_since: datetime | None = field(init=False)
    """What was posted before is not stored, by the clock and not by the day as of which a crawl judges."""
    stats: dict[str, GateStats] = field(default_factory=lambda: {gate.name: GateStats() for gate in METADATA_GATES})
    stored: int = 0
    rejected: int = 0
    repeated: int = 0
    postponed: int = 0
    withheld: int = 0
    expired: int = 0
    outdated: int = 0
    purged: set[str] = field(default_factory=set)
    last_failure: LookUpFailed | None = None
    _unfinished: set[str] = field(default_factory=set)
    """Queries and trees of which a batch was postponed: what comes after it must not count as progress."""

    def __post_init__(self) -> None:
        self.judged_as_of = self.run.judged_as_of
        self.digest = self.run.gate_digest
        self.retained_since = self.run.settings.retained_since(datetime.now(UTC))

    @property
    def since(self) -> datetime:
        """Older documents are too old for the campaign, or to be stored."""
        oldest = oldest_kept(self.judged_as_of, self.run.settings)
        return oldest if self.retained_since is None else max(oldest, self.retained_since)

    def take(self, batch: Batch) -> list[dict[str, Any]]:
        """Judge one batch and write it in one transaction; returns its rejections, duplicates among them."""
        merged = merge_repeats(batch.documents)
        self.repeated += len(batch.documents) - len(merged)
        with self.phases.measured("ledger"), self.session.transaction() as connection:
            frame = self._beside_ledger(
                connection, to_frame(self._allowed(connection, merged, batch.gone)), batch.refreshed
            )
        try:
            with self.phases.measured("look_up_and_judge"):
                frame, outcomes = self._judge(frame)
        except LookUpFailed as error:
            # Not judged, so no sighting and no progress: the next crawl meets these documents again.
            self.postponed += len(frame)
            self.last_failure = error
            self._unfinished |= {entry.key for entry in batch.progress}
            return []
        with self.phases.measured("store"), self.session.transaction() as connection:
            rejected, written = self._write(connection, frame, outcomes, batch)
        self.stored += written[0]
        self.rejected += written[1]
        for name, stats in outcomes.stats.items():
            self.stats[name].add(stats)
        return rejected

    def purge(self) -> None:
        """Remove what the campaign holds of documents that were deleted on Reddit, or are older than it keeps any."""
        with self.phases.measured("purge"), self.session.transaction() as connection:
            self.purged |= purge_deleted(connection, self.session.campaign_id).reddit_ids
            if self.retained_since is not None:
                self.purged |= purge_expired(connection, self.session.campaign_id, self.retained_since).reddit_ids

    def purge_files(self, rejection_logs: Path) -> None:
        """Remove the same from the CSV files of rejections, and what a run that died has left there."""
        campaign_id = self.session.campaign_id
        remove_rejections(rejection_logs, campaign_id, self.purged)
        if self.retained_since is not None:
            with self.session.transaction() as connection:
                won = read_won(connection, campaign_id)
            remove_old_rejections(rejection_logs, campaign_id, self.retained_since, won)

    def _allowed(self, connection: sa.Connection, documents: Sequence[Document], gone: Sequence[str]) -> list[Document]:
        """``documents`` without those that were deleted on Reddit or are too old to be stored, wherever they come from.

        A comment comes without the title of its post where that was deleted.
        """
        named = {name for document in documents for name in (document.reddit_id, document.post_id) if name}
        deleted = read_deleted(connection, sorted(named)) | set(gone)
        allowed = [
            replace(document, title="") if document.kind == "comment" and document.post_id in deleted else document
            for document in documents
            if document.reddit_id not in deleted
        ]
        kept = [document for document in allowed if not self._is_expired(document)]
        self.withheld += len(documents) - len(allowed)
        self.expired += len(allowed) - len(kept)
        return kept

    def _is_expired(self, document: Document) -> bool:
        """Whether it is too old to be stored; what nobody knows the age of may be."""
        if self.retained_since is None:
            return False
        return document.created_at is None or document.created_at < self.retained_since

    def _beside_ledger(self, connection: sa.Connection, frame: pd.DataFrame, refreshed: bool) -> pd.DataFrame:
        """``frame`` with the age of each document's sighting, without what this run or a newer state has settled.

        A text that differs from the stored one is judged anew, whatever the ledger knows.
        """
        campaign_id = self.session.campaign_id
        frame, is_changed, is_older = _beside_stored(
            frame, read_texts_of(connection, campaign_id, list(frame["reddit_id"]))
        )
        self.outdated += int(is_older.sum())
        ledger = read_sightings(connection, campaign_id, frame["reddit_id"].tolist())
        again = set(ledger.loc[ledger["run_id"] == self.run_id, "reddit_id"])
        is_repeat = frame["reddit_id"].isin(again) & ~is_changed & ~is_older
        repeats = frame[is_repeat]
        unite_keywords(
            connection, campaign_id, dict(zip(repeats["reddit_id"], repeats["matched_keywords"], strict=True))
        )
        self.repeated += len(repeats)
        known = ledger[ledger["gate_digest"] == ("" if refreshed else self.digest)]
        ages = frame["reddit_id"].map(known.set_index("reddit_id")["age_seconds"]).astype("float64").mask(is_changed)
        frame = frame.assign(sighting_age_seconds=ages, judged_as_of=pd.Timestamp(self.judged_as_of))
        return frame[~is_repeat & ~is_older].reset_index(drop=True)

    def _judge(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, GateOutcomes]:
        """Cheap gates first; look-ups only for what they kept. Returns the frame with the facts that were found."""
        settings, unknown = self.run.settings, self.run.campaign.unknown
        outcomes = apply_gates(frame, CHEAP_GATES, settings, unknown)
        for look_up, gates in (
            (self.source.look_up_subreddits, SUBREDDIT_GATES),
            (self.source.look_up_authors, AUTHOR_GATES),
        ):
            reaching = look_up(frame[outcomes.kept])
            frame = pd.concat([frame[~outcomes.kept], reaching]).sort_index()
            outcomes = join_outcomes(outcomes, apply_gates(reaching, gates, settings, unknown))
        return frame, outcomes

    def _write(
        self, connection: sa.Connection, frame: pd.DataFrame, outcomes: GateOutcomes, batch: Batch
    ) -> tuple[list[dict[str, Any]], tuple[int, int]]:
        owned = frame.assign(campaign_id=self.session.campaign_id, run_id=self.run_id)
        rejected = rejection_frame(owned, outcomes)
        rejected = rejected.assign(excerpt=owned.loc[rejected.index, "body"].str[:EXCERPT_CHARACTERS])
        judged_rejected = rejected[rejected["gate"] != DEDUPLICATION.name]
        columns = ("campaign_id", *DOCUMENT_COLUMNS, "judged_as_of", "run_id")
        written = write_judged(
            connection,
            self.session.campaign_id,
            kept=to_rows(owned.loc[outcomes.kept, list(columns)]),
            rejected=to_rows(owned.loc[judged_rejected.index, list(columns)]),
            rejection_rows=to_rows(judged_rejected),
            gate_digest=self.digest,
            run_id=self.run_id,
            anew=set(frame.loc[frame["sighting_age_seconds"].isna(), "reddit_id"]),
        )
        done = [entry for entry in batch.progress if entry.key not in self._unfinished]
        write_progress(connection, self.session.campaign_id, done)
        if batch.gone:
            remember_deleted(connection, batch.gone)
            self.purged |= purge_deleted(connection, self.session.campaign_id).reddit_ids
        return to_rows(rejected), written

    def counts(self) -> dict[str, int]:
        """What this run did; ``domain/accounting.py`` has the equality that holds of it."""
        met, duplicates = self.stats[DEDUPLICATION.name].evaluated, self.stats[DEDUPLICATION.name].rejected
        source = self.source.counts
        return {
            "records_read": source.read,
            "records_unmatched": source.unmatched,
            "records_malformed": source.malformed,
            "records_deleted": source.deleted,
            **{f"records_{kind}": count for kind, count in source.automated.items()},
            "records_excluded": source.excluded,
            "matched": source.matched,
            "given": source.given,
            "repeated": self.repeated,
            "outdated": self.outdated + source.outdated,
            "postponed": self.postponed,
            "withheld": self.withheld,
            "expired": self.expired,
            "met": met,
            "duplicates": duplicates,
            "judged": met - duplicates,
            "kept": self.stats[METADATA_GATES[-1].name].kept,
            "stored": self.stored,
            "rejected": self.rejected,
            "unknown": sum(stats.unknown for stats in self.stats.values()),
            **{f"rejected_{name}": stats.rejected for name, stats in self.stats.items()},
            **{f"unknown_{name}": stats.unknown for name, stats in self.stats.items()},
            "purged": len(self.purged),
            "requests": source.requests,
            "retries": source.retries,
        }
