"""Removing a campaign: everything that is stored of it, in every store."""

import shutil
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from lead_assets.domain.errors import RejectionLogFailed
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import forget_texts
from lead_assets.storage.schema import documents, metadata


def remove_campaign(
    database: Database,
    index: SearchIndex,
    rejection_logs: Path,
    campaign_id: str,
    on_progress: Callable[[str], object] = lambda _: None,
) -> dict[str, int]:
    """Remove a campaign's rows, its part of the index and its CSV files; returns counts of rows by table.

    What other campaigns have of the same texts stays. A removal that fails on the way is finished by the next.

    Raises:
        CampaignBusy: a run writes it.
        SearchUnavailable, RejectionLogFailed: a store could not be written.
    """
    with database.campaign(campaign_id, on_progress) as session:
        index.delete_campaign(campaign_id)
        try:
            shutil.rmtree(rejection_logs / campaign_id)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise RejectionLogFailed(
                f"{error.filename} cannot be removed ({error.strerror}). Repeat it then."
            ) from None
        with session.transaction() as connection:
            hashes = set(connection.scalars(sa.select(documents.c.text_hash).where(_of(documents, campaign_id))))
            removed = {
                table.name: connection.execute(sa.delete(table).where(_of(table, campaign_id))).rowcount
                for table in reversed(metadata.sorted_tables)
                if "campaign_id" in table.c
            }
            return {name: count for name, count in (removed | forget_texts(connection, hashes)).items() if count}


def _of(table: sa.Table, campaign_id: str) -> sa.ColumnElement[bool]:
    return table.c.campaign_id == campaign_id
