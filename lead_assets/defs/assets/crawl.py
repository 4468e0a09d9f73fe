"""Crawl: documents from the source, through the metadata gates, into the store."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from lead_assets.defs.campaign_asset import partitioned_spec, progress, report, stage, told_in_one_sentence
from lead_assets.defs.gate_checks import gate_results, gate_specs, offenders
from lead_assets.defs.metadata.tables import MAX_TABLE_ROWS, rejection_table, table
from lead_assets.defs.resources import Brief, RunSettings, SourceOpener
from lead_assets.domain.document import COLUMNS, Document, merge_repeats, to_frame, to_rows
from lead_assets.domain.errors import LookUpFailed, SourceFailed
from lead_assets.domain.gates import (
    AUTHOR_GATES,
    CHEAP_GATES,
    DEDUPLICATION,
    METADATA_GATES,
    SUBREDDIT_GATES,
    Sifted,
    Tally,
    join_sifted,
    oldest_kept,
    rejection_frame,
    sift,
)
from lead_assets.pipeline.timing import Phases
from lead_assets.sources.base import Batch, Source
from lead_assets.storage.corpus import read_kept_by_run, read_sightings, unite_keywords, write_judged
from lead_assets.storage.crawl_state import write_progress
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.deletions import purge_deleted, read_deleted, remember_deleted
from lead_assets.storage.rejection_csv import RejectionLog, remove_rejections
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.statistics import count_rows, write_tallies

ASSET = "crawled_documents"
COMPLETE = "source_complete"


@dataclass
class Crawl:
    """One crawl: what it works by, and what it has counted so far."""

    session: CampaignSession
    brief: Brief
    source: Source
    run_id: str
    phases: Phases = field(default_factory=Phases)
    judged_as_of: datetime = field(init=False)
    digest: str = field(init=False)
    tallies: dict[str, Tally] = field(default_factory=lambda: {gate.name: Tally() for gate in METADATA_GATES})
    repeated: int = 0
    postponed: int = 0
    withheld: int = 0
    purged: set[str] = field(default_factory=set)
    last_failure: LookUpFailed | None = None
    _unfinished: set[str] = field(default_factory=set)
    """Queries and trees of which a batch was postponed: what comes after it must not count as progress."""

    def __post_init__(self) -> None:
        self.judged_as_of = self.brief.judged_as_of
        self.digest = self.brief.gate_digest

    @property
    def since(self) -> datetime:
        """Older documents are too old for the campaign."""
        return oldest_kept(self.judged_as_of, self.brief.settings)

    def take(self, batch: Batch) -> list[dict[str, Any]]:
        """Judge one batch and write it in one transaction; returns its rejections, duplicates among them."""
        merged = merge_repeats(batch.documents)
        self.repeated += len(batch.documents) - len(merged)
        with self.phases.measured("ledger"), self.session.transaction() as connection:
            frame = self._beside_ledger(connection, to_frame(self._allowed(connection, merged)), batch.refreshed)
        try:
            with self.phases.measured("look_up_and_judge"):
                frame, sifted = self._judge(frame)
        except LookUpFailed as error:
            # Not judged, so no sighting and no progress: the next crawl meets these documents again.
            self.postponed += len(frame)
            self.last_failure = error
            self._unfinished |= {entry.key for entry in batch.progress}
            return []
        with self.phases.measured("store"), self.session.transaction() as connection:
            rejected = self._write(connection, frame, sifted, batch)
        for name, tally in sifted.tallies.items():
            self.tallies[name].add(tally)
        return rejected

    def purge(self) -> None:
        """Remove what the campaign holds of documents that were deleted on Reddit."""
        with self.phases.measured("purge"), self.session.transaction() as connection:
            self.purged |= purge_deleted(connection, self.session.campaign_id).reddit_ids

    def _allowed(self, connection: sa.Connection, documents: Sequence[Document]) -> list[Document]:
        """``documents`` without those that were deleted on Reddit, wherever they come from now."""
        deleted = read_deleted(connection, [document.reddit_id for document in documents])
        self.withheld += len(deleted)
        return [document for document in documents if document.reddit_id not in deleted]

    def _beside_ledger(self, connection: sa.Connection, frame: pd.DataFrame, refreshed: bool) -> pd.DataFrame:
        """``frame`` with the age of each document's sighting, without documents that this run has met before."""
        ledger = read_sightings(connection, self.session.campaign_id, frame["reddit_id"].tolist())
        again = set(ledger.loc[ledger["run_id"] == self.run_id, "reddit_id"])
        repeats = frame[frame["reddit_id"].isin(again)]
        unite_keywords(
            connection,
            self.session.campaign_id,
            dict(zip(repeats["reddit_id"], repeats["matched_keywords"], strict=True)),
        )
        self.repeated += len(repeats)
        known = ledger[ledger["gate_digest"] == ("" if refreshed else self.digest)]
        frame = frame[~frame["reddit_id"].isin(again)].reset_index(drop=True)
        ages = frame["reddit_id"].map(known.set_index("reddit_id")["age_seconds"]).astype("float64")
        return frame.assign(sighting_age_seconds=ages, judged_as_of=pd.Timestamp(self.judged_as_of))

    def _judge(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, Sifted]:
        """Cheap gates first; look-ups only for what they kept. Returns the frame with the facts that were found."""
        settings, unknown = self.brief.settings, self.brief.campaign.unknown
        sifted = sift(frame, CHEAP_GATES, settings, unknown)
        for look_up, gates in (
            (self.source.look_up_subreddits, SUBREDDIT_GATES),
            (self.source.look_up_authors, AUTHOR_GATES),
        ):
            reaching = look_up(frame[sifted.kept])
            frame = pd.concat([frame[~sifted.kept], reaching]).sort_index()
            sifted = join_sifted(sifted, sift(reaching, gates, settings, unknown))
        return frame, sifted

    def _write(
        self, connection: sa.Connection, frame: pd.DataFrame, sifted: Sifted, batch: Batch
    ) -> list[dict[str, Any]]:
        owned = frame.assign(campaign_id=self.session.campaign_id, run_id=self.run_id)
        rejected = rejection_frame(owned, sifted)
        judged_rejected = rejected[rejected["gate"] != DEDUPLICATION.name]
        columns = ("campaign_id", *COLUMNS, "judged_as_of", "run_id")
        write_judged(
            connection,
            self.session.campaign_id,
            kept=to_rows(owned.loc[sifted.kept, list(columns)]),
            rejected=to_rows(owned.loc[judged_rejected.index, list(columns)]),
            rejection_rows=to_rows(judged_rejected),
            gate_digest=self.digest,
            run_id=self.run_id,
            refreshed=batch.refreshed,
        )
        done = [entry for entry in batch.progress if entry.key not in self._unfinished]
        write_progress(connection, self.session.campaign_id, done)
        if batch.gone:
            remember_deleted(connection, batch.gone)
            self.purged |= purge_deleted(connection, self.session.campaign_id).reddit_ids
        return to_rows(rejected)

    def counts(self) -> dict[str, int]:
        """What this run did.

        matched = met + repeated + postponed + withheld, met = duplicates + judged = duplicates + kept + rejected.
        """
        met, duplicates = self.tallies[DEDUPLICATION.name].evaluated, self.tallies[DEDUPLICATION.name].rejected
        source = self.source.counts
        return {
            "records_read": source.read,
            "records_malformed": source.malformed,
            "records_deleted": source.deleted,
            "matched": source.matched,
            "repeated": self.repeated,
            "postponed": self.postponed,
            "withheld": self.withheld,
            "met": met,
            "duplicates": duplicates,
            "judged": met - duplicates,
            "kept": self.tallies[METADATA_GATES[-1].name].kept,
            "rejected": sum(tally.rejected for tally in self.tallies.values()) - duplicates,
            "unknown": sum(tally.unknown for tally in self.tallies.values()),
            **{f"rejected_{name}": tally.rejected for name, tally in self.tallies.items()},
            **{f"unknown_{name}": tally.unknown for name, tally in self.tallies.items()},
            "purged": len(self.purged),
            "requests": source.requests,
            "retries": source.retries,
        }


@dg.asset(
    **stage("crawl"),
    pool="reddit",
    kinds={"reddit", "postgres"},
    check_specs=[
        *gate_specs(ASSET, METADATA_GATES),
        partitioned_spec(
            COMPLETE,
            ASSET,
            "All that the source has for the campaign was read. Warns where a keyword, a subreddit or a record could "
            "not be, or the run's requests were spent: the rest is stored, and the next run goes on from there.",
        ),
    ],
    description=(
        "Reddit posts and comments that match the campaign's keywords and passed the metadata gates.\n\n"
        "Reads the campaign's source (Reddit's API, Arctic Shift, or an archive file), meets each document with the "
        "seven gates in order, and writes "
        "`documents`, `rejections` and the ledger of `sightings`, batch by batch. A document that was judged lately "
        "under the same gate settings is a duplicate and costs nothing. Rejections are in the table `rejections`, in a "
        "CSV file per run, and as examples in this asset's metadata."
    ),
)
def crawled_documents(
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    source_opener: dg.ResourceParam[SourceOpener],
    rejection_logs: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        log = RejectionLog(rejection_logs, brief.campaign.id, context.run.run_id)
        with (
            closing(source_opener(brief, database, context.log.info)) as source,
            database.campaign(brief.campaign.id, context.log.info) as session,
        ):
            crawl = Crawl(session, brief, source, context.run.run_id)
            crawl.purge()
            with log, crawl.phases.measured("total"):
                examples = _crawl_all(context, crawl, log)
            remove_rejections(rejection_logs, brief.campaign.id, crawl.purged)
            return _result(context, crawl, examples, log)


def _crawl_all(context: dg.AssetExecutionContext, crawl: Crawl, log: RejectionLog) -> list[dict[str, Any]]:
    """Take every batch of the source; returns examples of rejections.

    Raises:
        LookUpFailed: not one batch could be judged.
        SourceFailed: there was nothing but malformed records.
    """
    say, examples = progress(context), []
    for batch in crawl.source.search(crawl.brief.campaign, crawl.since):
        rejected = crawl.take(batch)
        log.add(rejected)
        room = MAX_TABLE_ROWS - len(examples)
        examples += [row for row in rejected if row["gate"] != DEDUPLICATION.name][:room]
        say.at(f"{crawl.source.counts.read:,} records read, {crawl.source.counts.matched:,} matched")
    if crawl.last_failure and not crawl.tallies[DEDUPLICATION.name].evaluated:
        raise crawl.last_failure
    source = crawl.source.counts
    if source.malformed and source.malformed == source.read:
        mend = "give an .ndjson or .zst file of Reddit posts or comments" if crawl.brief.archive else "run again later"
        raise SourceFailed(
            f"Not one of the {source.read} records of {crawl.brief.archive or crawl.brief.source} is a Reddit object "
            f"({source.malformed_examples[0]}); {mend}."
        )
    return examples


def _result(
    context: dg.AssetExecutionContext, crawl: Crawl, examples: Sequence[dict[str, Any]], log: RejectionLog
) -> dg.MaterializeResult:
    brief, campaign_id = crawl.brief, crawl.session.campaign_id
    source = crawl.source.counts
    warnings = [*source.warnings]
    if source.malformed:
        warnings.append(
            f"{source.malformed} of {source.read} records could not be read (first: {source.malformed_examples[0]})."
        )
    if crawl.last_failure:
        warnings.append(f"{crawl.postponed} documents were left for the next crawl: {crawl.last_failure}")
    unwritten = [f"The CSV file of rejections was {log.state}"] if log.failure else []
    for warning in unwritten:
        context.log.warning(warning)
    with crawl.session.transaction() as connection:
        earlier = write_tallies(connection, campaign_id, crawl.run_id, crawl.tallies)
        stored = read_kept_by_run(connection, campaign_id, crawl.run_id)
        metadata = report(
            connection,
            context,
            row_count=count_rows(connection, documents_table, campaign_id),
            counts=crawl.counts(),
            phases=crawl.phases,
            extra={
                "source": f"{brief.source} {brief.archive or ''}".strip(),
                "judged_as_of": crawl.judged_as_of.isoformat(),
                "seconds_waited_for_requests": round(source.waited_seconds, 1),
                "rejected_examples": rejection_table(examples),
                "malformed_examples": table([{"record": text} for text in crawl.source.counts.malformed_examples]),
                "rejection_log": dg.MetadataValue.path(log.state),
                "warnings": table([{"warning": warning} for warning in [*warnings, *unwritten]]),
            },
        )
    offending = offenders(METADATA_GATES, stored, brief.settings, brief.campaign.unknown)
    checks = gate_results(ASSET, METADATA_GATES, crawl.tallies, earlier, offending, brief, brief.settings)
    return dg.MaterializeResult(metadata=metadata, check_results=[*checks, _completeness(warnings)])


def _completeness(warnings: Sequence[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        asset_key=ASSET,
        passed=not warnings,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(warnings) or "All that the source has for the campaign was read.",
        metadata={"warnings": table([{"warning": warning} for warning in warnings])},
    )
