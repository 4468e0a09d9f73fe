"""Crawl: documents from the source, through the metadata gates, into the store, a batch and a transaction at a time."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from lead_assets.domain.accounting import told
from lead_assets.domain.errors import SourceFailed
from lead_assets.domain.funnel import rejection_examples
from lead_assets.domain.gate_catalog import (
    DEDUPLICATION,
    METADATA_GATES,
)
from lead_assets.domain.judging import offenders
from lead_assets.pipeline.crawling import Crawl
from lead_assets.pipeline.step import GateReport, Step, StepContext, StepReport
from lead_assets.storage.corpus import (
    read_kept_by_run,
)
from lead_assets.storage.rejected import read_audits
from lead_assets.storage.rejection_csv import RejectionLog, remove_rejections
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
