"""Extract: the kept candidates, read best first."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from lead_assets.assets.models import opened_extractor
from lead_assets.assets.rank import ranked_candidates
from lead_assets.assets.stages import checked_campaign, partitioned_check, progress, report, stage, told_in_one_sentence
from lead_assets.domain.document import to_rows
from lead_assets.domain.errors import ExtractionFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest, ground
from lead_assets.domain.ranking import document_text
from lead_assets.reporting.tables import table
from lead_assets.reporting.timing import Phases
from lead_assets.resources import Brief, ExtractorOpener, RunSettings
from lead_assets.services.extractor import Extractor, Outcome
from lead_assets.storage.candidates import read_kept
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.extractions import (
    FAILED,
    OK,
    count_by_status,
    read_by_keys,
    read_by_keys_elsewhere,
    read_texts_of_current,
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


def requests_of(kept: pd.DataFrame, product: str, extractor: Extractor) -> pd.DataFrame:
    """Kept candidates with ``request``, ``keys`` (of all readers whose answer counts) and ``request_key``, our own."""
    requests = [ExtractionRequest(product, *texts) for texts in zip(kept["title"], kept["body"], strict=True)]
    keys = [extractor.accepted_keys(request) for request in requests]
    return kept.assign(
        request=pd.Series(requests, kept.index, dtype=object),
        keys=pd.Series(keys, kept.index, dtype=object),
        request_key=pd.Series([each[-1] for each in keys], kept.index, dtype=object),
    )


def extractions_of(
    connection: sa.Connection, campaign_id: str, wanted: pd.DataFrame
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is stored for the requests of ``wanted``: rows by fullname and request key."""
    keys = sorted({key for each in wanted["keys"] for key in each})
    return {(row["reddit_id"], row["request_key"]): row for row in to_rows(read_by_keys(connection, campaign_id, keys))}


def current_of(candidate: Mapping[str, Any], stored: Mapping[tuple[str, str], dict[str, Any]]) -> dict[str, Any] | None:
    """The extraction that counts for a candidate: the good one of the best reader; None where there is none."""
    rows = (stored.get((candidate["reddit_id"], key)) for key in candidate["keys"])
    return next((row for row in rows if row is not None and row["status"] == OK), None)


class CandidateReader:
    """Reads a campaign's candidates in one run, and writes what comes."""

    def __init__(self, session: CampaignSession, extractor: Extractor, run_id: str) -> None:
        """Nothing is read yet."""
        self.reading = Reading()
        self._session, self._extractor, self._run_id = session, extractor, run_id
        self._rows: list[dict[str, Any]] = []

    def read(self, wanted: pd.DataFrame, say: Callable[[str], object]) -> Reading:
        """Read every candidate of ``wanted`` (see ``requests_of``) that has no current extraction."""
        todo = self._without_current(wanted)
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

    def _without_current(self, wanted: pd.DataFrame) -> pd.DataFrame:
        """The candidates that are still to be read, with ``attempts``."""
        with self._session.transaction() as connection:
            stored = extractions_of(connection, self._session.campaign_id, wanted)
        candidates = to_rows(wanted[["reddit_id", "keys"]])
        current = [current_of(candidate, stored) is not None for candidate in candidates]
        # Of the request, whoever it was made for: another document of the same text has no better chance.
        tried: dict[str, int] = {}
        for (_, key), row in stored.items():
            tried[key] = max(tried.get(key, 0), row["attempts"] if row["status"] == FAILED else 0)
        attempts = pd.Series([tried.get(key, 0) for key in wanted["request_key"]], wanted.index, dtype=int)
        is_current = pd.Series(current, wanted.index, dtype=bool)
        given_up = ~is_current & (attempts >= MAX_ATTEMPTS)
        self.reading.candidates = len(wanted)
        self.reading.current, self.reading.given_up = int(is_current.sum()), int(given_up.sum())
        return wanted.assign(attempts=attempts)[~is_current & ~given_up].reset_index(drop=True)

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


def wanted_requests(connection: sa.Connection, brief: Brief, extractor: Extractor) -> pd.DataFrame:
    """The campaign's kept candidates, best first, with what would be asked about each now."""
    return requests_of(read_kept(connection, brief.campaign.id), brief.campaign.product, extractor)


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
                with session.transaction() as connection:
                    wanted = wanted_requests(connection, brief, extractor)
                reading = CandidateReader(session, extractor, context.run.run_id).read(wanted, progress(context).at)
            if reading.postponed:
                context.log.warning(
                    f"{reading.postponed} candidates are left for the next run by LLM_MAX_CALLS_PER_RUN or "
                    "LLM_MAX_COST_PER_RUN."
                )
            with session.transaction() as connection:
                totals = count_by_status(connection, brief.campaign.id)
                metadata = report(
                    connection,
                    context,
                    row_count=totals[OK],
                    counts=dataclasses.asdict(reading),
                    phases=phases,
                    extra={
                        "extractor": extractor.name,
                        "model": extractor.model,
                        "failed_total": totals[FAILED],
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
        stored = read_texts_of_current(connection, campaign_id)
        failed = count_by_status(connection, campaign_id)[FAILED]
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
