"""Extractions: what was read out of candidates. They are never overwritten; a failed one may be tried again."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from lead_assets.domain.extraction import RULES
from lead_assets.storage.bulk import Row
from lead_assets.storage.reading import own_title, read_frame
from lead_assets.storage.schema import (
    candidates,
    current_candidates,
    current_extractions,
    documents,
    extractions,
    leads,
)

if TYPE_CHECKING:
    import pandas as pd

OK, FAILED = "ok", "failed"


def read_by_keys_elsewhere(connection: sa.Connection, campaign_id: str, request_keys: Sequence[str]) -> "pd.DataFrame":
    """A good extraction of another campaign, or of another document, for each of ``request_keys`` that has one."""
    of_keys = extractions.c.request_key == sa.func.any(sa.bindparam("keys", type_=sa.ARRAY(sa.Text)))
    query = (
        sa.select(extractions)
        .distinct(extractions.c.request_key)
        .where(of_keys, extractions.c.status == OK)
        .order_by(extractions.c.request_key, extractions.c.campaign_id != campaign_id, extractions.c.extracted_at)
    )
    return read_frame(connection, query, {"keys": list(request_keys)})


def read_outdated(connection: sa.Connection, campaign_id: str, basis: str) -> tuple[int, float | None]:
    """How many of a model's answers that count were asked for on another basis than ``basis``, and their mean cost.

    The cost is in US dollars, and None where no stored reading of the campaign has a known one.
    """
    ranked, answers = current_candidates.c, current_extractions.c
    of_model = (answers.campaign_id == campaign_id) & (answers.extractor != RULES)
    is_current = (ranked.request_basis == sa.literal(basis) + ":" + ranked.text_hash) & ~answers.stale
    query = (
        sa.select(sa.func.count())
        .select_from(current_extractions)
        .join(
            current_candidates,
            (ranked.campaign_id == answers.campaign_id) & (ranked.reddit_id == answers.reddit_id),
        )
        .where(of_model, is_current.is_not(True))
    )
    costs = sa.select(sa.func.avg(extractions.c.cost_usd)).where(
        extractions.c.campaign_id == campaign_id, extractions.c.extractor != RULES, extractions.c.status == OK
    )
    mean = connection.scalar(costs)
    return connection.scalar(query) or 0, None if mean is None else float(mean)


def has_read_by(connection: sa.Connection, campaign_id: str, extractor: str) -> bool:
    """Whether the campaign has a good extraction by ``extractor``."""
    query = sa.select(
        sa.exists().where(
            extractions.c.campaign_id == campaign_id, extractions.c.extractor == extractor, extractions.c.status == OK
        )
    )
    return bool(connection.scalar(query))


def write_extractions(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store extractions of different keys; only a failed one with the same key is replaced.

    ``rows`` have every column but ``extracted_at``.
    """
    if rows:
        # One statement and one value for all: beside threads that read, each answer to wait for costs milliseconds.
        connection.execute(_REPLACING_FAILED, {"rows": json.dumps(list(map(dict, rows)))})


def _replacing_failed() -> sa.TextClause:
    names = [column.name for column in extractions.c]
    given = ", ".join(name for name in names if name != "extracted_at")
    return sa.text(
        f"INSERT INTO {extractions.fullname} ({given}) "  # noqa: S608  names from schema.py only
        f"SELECT {given} FROM json_populate_recordset(NULL::{extractions.fullname}, CAST(:rows AS json)) "
        f"ON CONFLICT ({', '.join(column.name for column in extractions.primary_key)}) DO UPDATE "
        f"SET {', '.join(f'{name} = EXCLUDED.{name}' for name in names)} "
        f"WHERE extractions.status = '{FAILED}'"
    )


_REPLACING_FAILED = _replacing_failed()


def forget_contacts(connection: sa.Connection, campaign_id: str, but_of: str | None = None) -> int:
    """Remove the contacts in readings and leads of a campaign, but of documents of the source ``but_of``.

    Failed answers go with them: what a model said there may name anybody. Returns in how many readings there were some.
    """
    of_document = sa.and_(
        documents.c.campaign_id == campaign_id, documents.c.source.is_distinct_from(sa.literal(but_of, sa.Text))
    )
    nothing = sa.literal([], JSONB)
    found = 0
    for table, column in ((leads, leads.c.extracted_data), (extractions, extractions.c.extraction)):
        has_some = sa.func.jsonb_array_length(column["contact"]) > 0
        values: dict[str, object] = {column.name: sa.func.jsonb_set(column, ["contact"], nothing)}
        of_row = (table.c.campaign_id == documents.c.campaign_id) & (table.c.reddit_id == documents.c.reddit_id)
        found = connection.execute(sa.update(table).where(of_document, of_row, has_some).values(values)).rowcount
    said = sa.update(extractions).where(
        of_document,
        extractions.c.campaign_id == documents.c.campaign_id,
        extractions.c.reddit_id == documents.c.reddit_id,
        extractions.c.raw_answer.isnot(None),
    )
    connection.execute(said.values(raw_answer=None))
    return found


def read_current(connection: sa.Connection, campaign_id: str) -> "pd.DataFrame":
    """The answers that count: ``reddit_id, request_key, extractor, model, extraction, stale``, with ``fused_score``."""
    answers = current_extractions.c
    query = (
        sa.select(
            answers.reddit_id,
            answers.request_key,
            answers.extractor,
            answers.model,
            answers.extraction,
            answers.stale,
            candidates.c.fused_score,
            candidates.c.lead_probability,
        )
        .join(
            candidates,
            (candidates.c.campaign_id == answers.campaign_id) & (candidates.c.reddit_id == answers.reddit_id),
        )
        .where(answers.campaign_id == campaign_id)
        .order_by(candidates.c.fused_score.desc(), answers.reddit_id)
    )
    return read_frame(connection, query)


def read_current_with_texts(connection: sa.Connection, campaign_id: str) -> "pd.DataFrame":
    """The answers that count, with the texts they are about: what grounding can be checked on."""
    answers = current_extractions.c
    query = (
        sa.select(answers.reddit_id, answers.extraction, own_title, documents.c.body)
        .join(
            documents,
            (documents.c.campaign_id == answers.campaign_id) & (documents.c.reddit_id == answers.reddit_id),
        )
        .where(answers.campaign_id == campaign_id)
    )
    return read_frame(connection, query)


class ExtractionCounts(NamedTuple):
    """Readable candidates of a campaign: all, those with an answer, those of them whose answer is stale, and those
    without one that could not be read."""

    readable: int
    extracted: int
    stale: int
    failed: int


def count_extractions(connection: sa.Connection, campaign_id: str) -> ExtractionCounts:
    """Readable candidates by what became of their reading."""
    ranked, answers = current_candidates.c, current_extractions.c
    has_failed = sa.exists().where(
        extractions.c.campaign_id == ranked.campaign_id,
        extractions.c.reddit_id == ranked.reddit_id,
        extractions.c.request_key == ranked.request_key,
        extractions.c.status == FAILED,
    )
    query = (
        sa.select(
            sa.func.count(),
            sa.func.count(answers.reddit_id),
            sa.func.count().filter(answers.stale),
            sa.func.count().filter(answers.reddit_id.is_(None) & has_failed),
        )
        .select_from(current_candidates)
        .outerjoin(
            current_extractions,
            (answers.campaign_id == ranked.campaign_id) & (answers.reddit_id == ranked.reddit_id),
        )
        .where(ranked.campaign_id == campaign_id, ranked.is_readable)
    )
    return ExtractionCounts(*connection.execute(query).one())
