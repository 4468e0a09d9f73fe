"""Crawl: documents from the source, through the metadata gates, into the store, a batch and a transaction at a time."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.accounting import told
from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.document import Document, merge_repeats
from lead_assets.domain.document_text import EXCERPT_CHARACTERS, document_text, text_hash
from lead_assets.domain.errors import LookUpFailed, SourceFailed
from lead_assets.domain.frames import to_frame, to_rows
from lead_assets.domain.funnel import rejection_examples
from lead_assets.domain.gate_catalog import (
    AUTHOR_GATES,
    CHEAP_GATES,
    DEDUPLICATION,
    METADATA_GATES,
    SUBREDDIT_GATES,
    oldest_kept,
)
from lead_assets.domain.gates import GateStats
from lead_assets.domain.judging import GateOutcomes, apply_gates, join_outcomes, offenders
from lead_assets.domain.rejections import rejection_frame
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import GateReport, Step, StepContext, StepReport
from lead_assets.pipeline.timing import Phases
from lead_assets.sources.base import Batch, Source
from lead_assets.storage.corpus import (
    read_kept_by_run,
    read_sightings,
    read_texts_of,
    unite_keywords,
    write_judged,
)
from lead_assets.storage.crawl_state import write_progress
from lead_assets.storage.database import CampaignSession
from lead_assets.storage.deletions import purge_deleted, purge_expired, read_deleted, read_won, remember_deleted
from lead_assets.storage.rejected import read_audits
from lead_assets.storage.rejection_csv import RejectionLog, remove_old_rejections, remove_rejections
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.statistics import count_rows, write_gate_stats

MAX_EXAMPLES = 50


def run(context: StepContext) -> StepReport:
    """Crawl the campaign's source, judge what it gives, and store what passes the metadata gates."""
    stores, campaign_id = context.stores, context.campaign_id
    log = RejectionLog(stores.rejection_logs, campaign_id, context.run_id)
    with closing(stores.open_source(context.run, stores.database, context.progress.say)) as source:
        crawl = Crawl(context.session, context.run, source, context.run_id, context.phases)
        crawl.purge()
        crawl.purge_files(stores.rejection_logs)
        with log:
            examples = _take_all(context, crawl, log)
        remove_rejections(stores.rejection_logs, campaign_id, crawl.purged)
        return _report(crawl, examples, log)


STEP = Step("crawled_documents", "crawl", run)


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


def _take_all(context: StepContext, crawl: Crawl, log: RejectionLog) -> list[dict[str, Any]]:
    """Take every batch of the source; returns examples of rejections.

    Raises:
        LookUpFailed: not one batch could be judged.
        SourceFailed: there was nothing but malformed records.
    """
    examples: list[dict[str, Any]] = []
    for batch in crawl.source.search(crawl.run.campaign, crawl.since):
        rejected = crawl.take(batch)
        log.add(rejected)
        room = MAX_EXAMPLES - len(examples)
        examples += [row for row in rejected if row["gate"] != DEDUPLICATION.name][:room]
        context.progress.at(f"{crawl.source.counts.read:,} records read, {crawl.source.counts.matched:,} matched")
    if crawl.last_failure and not crawl.stats[DEDUPLICATION.name].evaluated:
        raise crawl.last_failure
    source = crawl.source.counts
    if crawl.run.archive and not source.read:
        raise SourceFailed(f"{crawl.run.archive} is empty. Give a file of Reddit posts or comments.")
    if source.malformed and source.malformed == source.read:
        fix = (
            "Give a file of Reddit posts or comments in JSON, plain or compressed with zstd"
            if crawl.run.archive
            else "Run again later"
        )
        raise SourceFailed(
            f"Not one of the {source.read} records of {crawl.run.archive or crawl.run.source} is a Reddit object "
            f"({source.malformed_examples[0]}). {fix}."
        )
    return examples


def _report(crawl: Crawl, examples: Sequence[dict[str, Any]], log: RejectionLog) -> StepReport:
    run, campaign_id, source = crawl.run, crawl.session.campaign_id, crawl.source.counts
    incomplete = [*source.warnings]
    if source.malformed:
        incomplete.append(
            f"{source.malformed} of {source.read} records could not be read (first: {source.malformed_examples[0]})."
        )
    if crawl.last_failure:
        incomplete.append(f"{crawl.postponed} documents were left for the next crawl: {crawl.last_failure}")
    unwritten = [f"The CSV file of rejections was {log.state}"] if log.failure else []
    with crawl.session.transaction() as connection:
        earlier = write_gate_stats(connection, campaign_id, crawl.run_id, crawl.stats)
        stored = read_kept_by_run(connection, campaign_id, crawl.run_id)
        row_count = count_rows(connection, documents_table, campaign_id)
        audits = read_audits(connection, campaign_id)
    counts = crawl.counts()
    return StepReport(
        row_count=row_count,
        counts=counts,
        details={
            "accounted": told(counts),
            "source": f"{run.source} {run.archive or ''}".strip(),
            "rejected_examples": rejection_examples(examples),
            "rejection_log": log.path if not log.failure else log.state,
            "warnings": [{"warning": warning} for warning in [*incomplete, *unwritten]],
            "malformed_examples": [{"record": text} for text in source.malformed_examples],
            "judged_as_of": crawl.judged_as_of.isoformat(),
            "seconds_waited_for_requests": round(source.waited_seconds, 1),
        },
        warnings=unwritten,
        gates=GateReport(
            METADATA_GATES,
            crawl.stats,
            earlier,
            offenders(METADATA_GATES, stored, run.settings, run.campaign.unknown),
            audits,
            run.settings,
        ),
        incomplete=incomplete,
    )
