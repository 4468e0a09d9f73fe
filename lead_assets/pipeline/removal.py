"""Removing a campaign: everything that is stored of it, in every store."""

import shutil
from collections.abc import Callable
from pathlib import Path

from lead_assets.domain.errors import RejectionLogFailed
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import delete_campaign, forget_texts, texts_of


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
            texts = texts_of(connection, campaign_id)
            removed = delete_campaign(connection, campaign_id) | forget_texts(connection, texts)
        return {name: count for name, count in removed.items() if count}
