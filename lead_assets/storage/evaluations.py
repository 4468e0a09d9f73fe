"""Campaigns that exist for one evaluation: their ids, and their removal with everything that they have stored.

A marker row says that an evaluation has begun. It is the last row to go, so that what a killed process left behind is
found and removed by the next evaluation.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from lead_assets.storage import locks
from lead_assets.storage.bulk import upsert
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import delete_campaign, forget_texts, texts_of
from lead_assets.storage.schema import stage_runs

MARKER = "evaluation"
_PHRASES = "phrase_hashes"


def new_id() -> str:
    """A campaign id that is nobody else's: it ends in 128 random bits."""
    return f"evaluation_{uuid.uuid4().hex}"


def begin(connection: sa.Connection, campaign_id: str, phrase_hashes: Sequence[str]) -> None:
    """Write the marker. ``phrase_hashes`` are of the campaign's phrases, which belong to no document."""
    row = {"campaign_id": campaign_id, "asset": MARKER, "run_id": "", "counts": {_PHRASES: list(phrase_hashes)}}
    upsert(connection, stage_runs, [row])


@contextmanager
def held(database: Database, campaign_id: str) -> Iterator[bool]:
    """Whether we are the only ones who evaluate ``campaign_id``; if so, it stays so for the block."""
    key = sa.cast(locks.EVALUATION, sa.Integer), sa.func.hashtext(campaign_id)
    with database.connect() as connection:
        with connection.begin():
            mine = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(*key))))
        try:
            yield mine
        finally:
            # Closing the session in the server is what frees its lock, whatever state it is in.
            connection.invalidate()


def begun(connection: sa.Connection) -> list[str]:
    """Ids of all evaluations that have begun and not ended, living or dead."""
    return sorted(connection.scalars(sa.select(stage_runs.c.campaign_id).where(stage_runs.c.asset == MARKER)))


def remove(connection: sa.Connection, campaign_id: str, *, keep_vectors: bool = False) -> None:
    """Remove all rows of an evaluation but its marker, and what it was the first and only one to store by text."""
    of_marker = (stage_runs.c.campaign_id == campaign_id) & (stage_runs.c.asset == MARKER)
    marker = connection.execute(sa.select(stage_runs.c.counts, stage_runs.c.finished_at).where(of_marker)).one()
    hashes = {*texts_of(connection, campaign_id), *marker.counts[_PHRASES]}
    delete_campaign(connection, campaign_id, but=of_marker)
    if not keep_vectors:
        forget_texts(connection, hashes, since=marker.finished_at)


def end(connection: sa.Connection, campaign_id: str) -> None:
    """Remove the marker: nothing is left."""
    of_marker = (stage_runs.c.campaign_id == campaign_id) & (stage_runs.c.asset == MARKER)
    connection.execute(sa.delete(stage_runs).where(of_marker))
