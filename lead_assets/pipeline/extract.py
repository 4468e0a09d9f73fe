"""Extract: the kept candidates, read best first."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lead_assets.domain.errors import ExtractionFailed, ReadingFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest, ground
from lead_assets.domain.frames import to_rows
from lead_assets.domain.settings import OWN_FILE, Settings
from lead_assets.models.protocols import Extractor, Outcome
from lead_assets.pipeline.connect import opened_extractor
from lead_assets.pipeline.step import Step, StepContext, StepReport
from lead_assets.storage.candidates import (
    ORDERED_BY,
    read_to_extract,
    read_without_keys,
    write_request_keys,
)
from lead_assets.storage.database import CampaignSession
from lead_assets.storage.extractions import (
    FAILED,
    OK,
    count_extractions,
    forget_contacts,
    read_by_keys_elsewhere,
    write_extractions,
)

MAX_ATTEMPTS = 3
"""A document that could not be read so often is left alone until its request changes."""
_UNSTORABLE = str.maketrans({"\x00": "\ufffd"})


def run(context: StepContext) -> StepReport:
    """Read the candidates of which no answer to what would be asked now is stored."""
    session, settings = context.session, context.run.settings
    forgotten = _forget_contacts(session, settings)
    with opened_extractor(session.connection, context.run, context.stores.open_extractor) as extractor:
        with context.phases.measured("extract"):
            reader = CandidateReader(session, extractor, context.run_id, settings)
            done = reader.read(context.run.campaign.product, context.progress.at)
        _require_one_answer(done, extractor)
        with session.transaction() as connection:
            stored = count_extractions(connection, context.campaign_id)
        return StepReport(
            row_count=stored.extracted,
            counts=dataclasses.asdict(done) | {"contacts_forgotten": forgotten},
            details={
                "extractor": extractor.name,
                "model": extractor.model,
                "failed_total": stored.failed,
                "stale_total": stored.stale,
                **extractor.metadata(),
            },
            warnings=_warnings(done),
        )


STEP = Step("extracted_leads", "llm", run)


def _forget_contacts(session: CampaignSession, settings: Settings) -> int:
    """Remove stored contacts that are not to be kept any more; returns in how many readings there were some."""
    if settings.store_contacts:
        return 0
    own = OWN_FILE if settings.keeps_contacts_of(OWN_FILE) else None
    with session.transaction() as connection:
        return forget_contacts(connection, session.campaign_id, but_of=own)


def _require_one_answer(done: "ExtractionStats", extractor: Extractor) -> None:
    """Not one usable answer is no result; documents that failed before and fail again are no fault of this run.

    Raises:
        ReadingFailed: every reading of the run failed, and not only repeated ones.
    """
    if done.failed > done.failed_again and not done.extracted:
        raise ReadingFailed(
            f"None of the {done.failed} candidates that {extractor.model} was given could be read. The column error of "
            "the table extractions says why. Run again when that is fixed."
        )


def _warnings(done: "ExtractionStats") -> list[str]:
    said = [_postponed(done)] if done.postponed else []
    if done.failed > done.extracted:
        said.append(
            f"{done.failed} of {done.failed + done.extracted} readings failed. The column error of the table "
            "extractions says why. The next run tries them again."
        )
    return said


def _postponed(done: "ExtractionStats") -> str:
    return (
        f"{done.postponed} candidates are left for the next run by LLM_MAX_CALLS_PER_RUN or LLM_MAX_COST_PER_RUN. "
        "Leads that were found among them before stay, marked as stale."
    )


@dataclass
class ExtractionStats:
    """What became of the candidates in this run."""

    candidates: int = 0
    current: int = 0
    reused: int = 0
    extracted: int = 0
    failed: int = 0
    failed_again: int = 0
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
    """Reads a campaign's candidates in one run, and writes what comes before more is asked."""

    def __init__(self, session: CampaignSession, extractor: Extractor, run_id: str, settings: Settings) -> None:
        """Nothing is read yet. ``settings`` say which candidates are best, and whose contacts are kept."""
        self.stats = ExtractionStats()
        self._session, self._extractor, self._run_id = session, extractor, run_id
        self._settings = settings

    def read(self, product: str, on_progress: Callable[[str], object]) -> ExtractionStats:
        """Read every readable candidate of the campaign that has no answer to what would be asked now, best first."""
        refresh_request_keys(self._session, product, self._extractor)
        todo = self._to_read(product)
        if not self._extractor.is_free:
            todo = self._without_cached_elsewhere(todo)
        # Two documents may have the same text: it is read once.
        is_again = todo.duplicated("request_key")
        first = to_rows(todo[~is_again])
        same_text: dict[str, list[dict[str, Any]]] = {}
        for candidate in to_rows(todo[is_again]):
            same_text.setdefault(candidate["request_key"], []).append(candidate)
        read = 0
        for ready in self._extractor.extract_all([candidate["request"] for candidate in first]):
            rows = []
            for position, outcome in ready:
                candidate = first[position]
                rows.append(self._read_now(candidate, outcome))
                others = same_text.pop(candidate["request_key"], [])
                rows += [self._read_already(other, outcome) for other in others]
            self._write(rows)
            read += len(ready)
            on_progress(f"{read:,} of {len(first):,} candidates read")
        self.stats.postponed = len(first) - read + sum(map(len, same_text.values()))
        return self.stats

    def _to_read(self, product: str) -> pd.DataFrame:
        """The candidates that are still to be read, with ``request``."""
        with self._session.transaction() as connection:
            todo = read_to_extract(connection, self._session.campaign_id, ORDERED_BY[self._settings.relevance])
            counts = count_extractions(connection, self._session.campaign_id)
        given_up = todo["attempts"] >= MAX_ATTEMPTS
        self.stats.candidates = counts.readable
        self.stats.current = counts.extracted - counts.stale
        self.stats.given_up = int(given_up.sum())
        requests = [_request(row, product) for row in to_rows(todo[["title", "body"]])]
        return todo.assign(request=pd.Series(requests, todo.index, dtype=object))[~given_up].reset_index(drop=True)

    def _without_cached_elsewhere(self, todo: pd.DataFrame) -> pd.DataFrame:
        """The candidates whose very request was not answered yet elsewhere; of the others the answer is copied."""
        with self._session.transaction() as connection:
            cached = read_by_keys_elsewhere(connection, self._session.campaign_id, todo["request_key"].tolist())
        rows = {row["request_key"]: row for row in to_rows(cached)}
        is_cached = todo["request_key"].isin(rows.keys())
        answers = [
            (candidate, Extraction.model_validate(rows[candidate["request_key"]]["extraction"]))
            for candidate in to_rows(todo[is_cached])
        ]
        self._write([self._row(candidate, Outcome(answer)) for candidate, answer in answers])
        self.stats.reused += len(answers)
        return todo[~is_cached].reset_index(drop=True)

    def _read_now(self, candidate: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        self.stats.failed += outcome.failure is not None
        self.stats.failed_again += outcome.failure is not None and candidate["attempts"] > 0
        self.stats.extracted += outcome.failure is None
        return self._row(candidate, outcome)

    def _read_already(self, candidate: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        """What came of another document's very same request, which cost nothing once more."""
        self.stats.failed += outcome.failure is not None
        self.stats.failed_again += outcome.failure is not None and candidate["attempts"] > 0
        self.stats.reused += outcome.failure is None
        return self._row(candidate, Outcome(outcome.result, outcome.raw_answer))

    def _write(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            with self._session.transaction() as connection:
                write_extractions(connection, rows)

    def _row(self, candidate: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        """A row of the table ``extractions``; only what the document says is kept of an answer."""
        keeps_contacts = self._settings.keeps_contacts_of(candidate["source"])
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
            "raw_answer": _storable(outcome.raw_answer) if outcome.raw_answer is not None and keeps_contacts else None,
            "input_tokens": outcome.input_tokens,
            "output_tokens": outcome.output_tokens,
            "cost_usd": outcome.cost_usd,
        }
        if isinstance(outcome.result, ExtractionFailed):
            return row
        grounded = ground(outcome.result, candidate["request"].text)
        self.stats.leads += grounded.extraction.is_lead
        self.stats.removed_quotes += grounded.removed_quotes
        self.stats.removed_contacts += grounded.removed_contacts
        self.stats.removed_words += grounded.removed_words
        return row | {
            "status": OK,
            "extraction": grounded.extraction.model_dump() | ({} if keeps_contacts else {"contact": []}),
            "removed_quotes": grounded.removed_quotes,
            "removed_contacts": grounded.removed_contacts,
        }


def _storable(text: str) -> str:
    """Text as PostgreSQL takes it: no NUL, no lone surrogates."""
    return text.translate(_UNSTORABLE).encode("utf-8", "replace").decode("utf-8")
