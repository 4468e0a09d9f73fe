"""Extract: the kept candidates, read best first."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from lead_assets.defs.assets.rank import ranked_candidates
from lead_assets.defs.campaign_asset import (
    checked_campaign,
    partitioned_check,
    progress,
    report,
    stage,
    told_in_one_sentence,
)
from lead_assets.defs.metadata.tables import table
from lead_assets.defs.resources import ExtractorOpener, RunSettings
from lead_assets.domain.document import to_rows
from lead_assets.domain.errors import ExtractionFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest, ground
from lead_assets.domain.ranking import document_text
from lead_assets.models.rules_extractor import Extractor, Outcome
from lead_assets.pipeline.connect import opened_extractor
from lead_assets.pipeline.timing import Phases
from lead_assets.storage.candidates import read_to_extract, read_without_keys, write_request_keys
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.extractions import (
    FAILED,
    OK,
    count_extractions,
    read_by_keys_elsewhere,
    read_current_with_texts,
    write_extractions,
)

MAX_ATTEMPTS = 3
"""A document that could not be read so often is left alone until its request changes."""
BATCH = 50
"""Results that cost nothing are written so many at a time; what was paid for is written as it comes."""
_UNSTORABLE = str.maketrans({"\x00": "\ufffd"})


@dataclass
class Reading:
    """What became of the candidates in this run."""

    candidates: int = 0
    current: int = 0
    reused: int = 0
    extracted: int = 0
    failed: int = 0
    given_up: int = 0
    postponed: int = 0
    leads: int = 0
    removed_quotes: int = 0
    removed_contacts: int = 0
    removed_words: int = 0


def refresh_request_keys(session: CampaignSession, product: str, extractor: Extractor) -> None:
    """Store beside each readable candidate what ``extractor`` would be asked about it now.

    Keys are made only where the reader, the product or the text has changed: a model's keys need its tokenizer.
    """
    basis = extractor.keys_basis(product)
    with session.transaction() as connection:
        unkeyed = to_rows(read_without_keys(connection, session.campaign_id, basis))
        keyed = [
            (row["reddit_id"], row["text_hash"], extractor.accepted_keys(_request(row, product))) for row in unkeyed
        ]
        write_request_keys(connection, session.campaign_id, basis, keyed)


def _request(row: Mapping[str, Any], product: str) -> ExtractionRequest:
    return ExtractionRequest(product, row["title"], row["body"])


class CandidateReader:
    """Reads a campaign's candidates in one run, and writes what comes."""

    def __init__(self, session: CampaignSession, extractor: Extractor, run_id: str) -> None:
        """Nothing is read yet."""
        self.reading = Reading()
        self._session, self._extractor, self._run_id = session, extractor, run_id
        self._rows: list[dict[str, Any]] = []

    def read(self, product: str, say: Callable[[str], object]) -> Reading:
        """Read every readable candidate of the campaign that has no answer to what would be asked now, best first."""
        refresh_request_keys(self._session, product, self._extractor)
        todo = self._to_read(product)
        if not self._extractor.is_free:
            todo = self._without_bought(todo)
        # Two documents may have the same text: it is read once.
        first = todo.drop_duplicates("request_key").reset_index(drop=True)
        again = todo[todo.duplicated("request_key")]
        twins = dict(list(again.groupby("request_key")))
        read = 0
        for position, outcome in self._extractor.extract_all(first["request"].tolist()):
            candidate = first.iloc[position]
            self._add(candidate, outcome)
            for _, twin in twins.pop(candidate["request_key"], again.head(0)).iterrows():
                self._add_twin(twin, outcome)
            self._write_if_due()
            read += 1
            say(f"{read:,} of {len(first):,} candidates read")
        self._write()
        self.reading.postponed = len(first) - read + sum(map(len, twins.values()))
        return self.reading

    def _to_read(self, product: str) -> pd.DataFrame:
        """The candidates that are still to be read, with ``request``."""
        with self._session.transaction() as connection:
            todo = read_to_extract(connection, self._session.campaign_id)
            counts = count_extractions(connection, self._session.campaign_id)
        given_up = todo["attempts"] >= MAX_ATTEMPTS
        self.reading.candidates = counts.readable
        self.reading.current = counts.extracted - counts.stale
        self.reading.given_up = int(given_up.sum())
        requests = [_request(row, product) for row in to_rows(todo[["title", "body"]])]
        return todo.assign(request=pd.Series(requests, todo.index, dtype=object))[~given_up].reset_index(drop=True)

    def _without_bought(self, todo: pd.DataFrame) -> pd.DataFrame:
        """The candidates whose very request was not answered yet elsewhere; of the others the answer is copied."""
        with self._session.transaction() as connection:
            bought = read_by_keys_elsewhere(connection, self._session.campaign_id, todo["request_key"].tolist())
        rows = {row["request_key"]: row for row in to_rows(bought)}
        is_bought = todo["request_key"].isin(rows.keys())
        for _, candidate in todo[is_bought].iterrows():
            answer = Extraction.model_validate(rows[candidate["request_key"]]["extraction"])
            self._rows.append(self._row(candidate, Outcome(answer)))
            self.reading.reused += 1
        self._write()
        return todo[~is_bought].reset_index(drop=True)

    def _add(self, candidate: "pd.Series[Any]", outcome: Outcome) -> None:
        self._rows.append(self._row(candidate, outcome))
        self.reading.failed += outcome.failure is not None
        self.reading.extracted += outcome.failure is None

    def _add_twin(self, candidate: "pd.Series[Any]", outcome: Outcome) -> None:
        """What came of another document's very same request, which cost nothing once more."""
        self._rows.append(self._row(candidate, Outcome(outcome.result, outcome.raw_answer)))
        self.reading.failed += outcome.failure is not None
        self.reading.reused += outcome.failure is None

    def _write_if_due(self) -> None:
        if not self._extractor.is_free or len(self._rows) >= BATCH:
            self._write()

    def _write(self) -> None:
        if self._rows:
            with self._session.transaction() as connection:
                write_extractions(connection, self._rows)
            self._rows.clear()

    def _row(self, candidate: "pd.Series[Any]", outcome: Outcome) -> dict[str, Any]:
        """A row of the table ``extractions``; only what the document says is kept of an answer."""
        row: dict[str, Any] = {
            "campaign_id": self._session.campaign_id,
            "reddit_id": candidate["reddit_id"],
            "request_key": candidate["request_key"],
            "text_hash": candidate["text_hash"],
            "extractor": self._extractor.name,
            "model": self._extractor.model,
            "attempts": int(candidate["attempts"]) + 1,
            "run_id": self._run_id,
            "status": FAILED,
            "extraction": None,
            "error": None if outcome.failure is None else _storable(outcome.failure),
            "removed_quotes": 0,
            "removed_contacts": 0,
            "raw_answer": None if outcome.raw_answer is None else _storable(outcome.raw_answer),
            "input_tokens": outcome.input_tokens,
            "output_tokens": outcome.output_tokens,
            "cost_usd": outcome.cost_usd,
        }
        if isinstance(outcome.result, ExtractionFailed):
            return row
        grounded = ground(outcome.result, candidate["request"].text)
        self.reading.leads += grounded.extraction.is_lead
        self.reading.removed_quotes += grounded.removed_quotes
        self.reading.removed_contacts += grounded.removed_contacts
        self.reading.removed_words += grounded.removed_words
        return row | {
            "status": OK,
            "extraction": grounded.extraction.model_dump(),
            "removed_quotes": grounded.removed_quotes,
            "removed_contacts": grounded.removed_contacts,
        }


def _storable(text: str) -> str:
    """Text as PostgreSQL takes it: no NUL, no lone surrogates."""
    return text.translate(_UNSTORABLE).encode("utf-8", "replace").decode("utf-8")


@dg.asset(
    **stage("llm"),
    pool="llm",
    kinds={"postgres", "openai"},
    deps=[ranked_candidates],
    description=(
        "What was read out of the kept candidates: whether somebody needs the product, with verbatim evidence.\n\n"
        "Candidates are read best first, by a language model where a key or base URL is set (EXTRACTOR, LLM_MODEL), "
        "else by rules; every row says by which. Quotes and contacts that do not occur in the document are removed and "
        "counted. What was read once for the same text, product and model is not read again; what the caps of the run "
        "cut off is postponed to the next."
    ),
)
def extracted_leads(
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    extractor_opener: dg.ResourceParam[ExtractorOpener],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with (
            database.campaign(brief.campaign.id, context.log.info) as session,
            opened_extractor(session.connection, brief, extractor_opener) as extractor,
        ):
            with phases.measured("extract"):
                reader = CandidateReader(session, extractor, context.run.run_id)
                reading = reader.read(brief.campaign.product, progress(context).at)
            if reading.postponed:
                context.log.warning(
                    f"{reading.postponed} candidates are left for the next run by LLM_MAX_CALLS_PER_RUN or "
                    "LLM_MAX_COST_PER_RUN. Leads that were found among them before stay, marked as stale."
                )
            with session.transaction() as connection:
                totals = count_extractions(connection, brief.campaign.id)
                metadata = report(
                    connection,
                    context,
                    row_count=totals.extracted,
                    counts=dataclasses.asdict(reading),
                    phases=phases,
                    extra={
                        "extractor": extractor.name,
                        "model": extractor.model,
                        "failed_total": totals.failed,
                        "stale_total": totals.stale,
                        **extractor.metadata(),
                    },
                )
    return dg.MaterializeResult(metadata=metadata)


def _is_grounded(row: dict[str, Any]) -> bool:
    found = ground(Extraction.model_validate(row["extraction"]), document_text(row["title"], row["body"]))
    return not (found.removed_quotes or found.removed_contacts or found.removed_words)


@partitioned_check(extracted_leads, "Every quote and contact of a current extraction is written in its document.")
def extractions_grounded(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
        stored = read_current_with_texts(connection, campaign_id)
        failed = count_extractions(connection, campaign_id).failed
    ungrounded = [row["reddit_id"] for row in to_rows(stored) if not _is_grounded(row)]
    return dg.AssetCheckResult(
        passed=not ungrounded,
        description=(
            f"{len(ungrounded)} extractions say what their document does not."
            if ungrounded
            else f"All {len(stored)} extractions are grounded; {failed} candidates could not be read."
        ),
        metadata={
            "extractions": len(stored),
            "failed": failed,
            "ungrounded": table([{"reddit_id": reddit_id} for reddit_id in ungrounded]),
        },
    )
