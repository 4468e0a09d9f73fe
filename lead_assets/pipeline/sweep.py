"""Sweep: what was deleted or removed on Reddit goes from every store.

It is found first, a hundred documents a request, and put on the list that every source honours; then it goes from
Typesense, from the CSV files and from PostgreSQL, in this order, so that a sweep which fails on the way finds the rest
again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lead_assets.domain.removal import author_left
from lead_assets.pipeline.index import repair
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import (
    campaigns_with_deleted,
    deleted_of_campaign,
    purge_deleted,
    read_deleted,
    remember_deleted,
    stored_documents,
)
from lead_assets.storage.rejection_csv import logged_ids, remove_rejections

if TYPE_CHECKING:
    from lead_assets.sources.reddit.client import RedditClient


@dataclass
class Swept:
    """What a sweep did."""

    checked: int = 0
    gone: int = 0
    requests: int = 0
    removed_csv_rows: int = 0
    removed_rows: dict[str, int] = field(default_factory=dict)

    def add_rows(self, rows: dict[str, int]) -> None:
        """Add the counts of one campaign."""
        for table, count in rows.items():
            self.removed_rows[table] = self.removed_rows.get(table, 0) + count


def sweep(
    database: Database,
    index: SearchIndex,
    client: "RedditClient",
    rejection_logs: Path,
    on_progress: Callable[[str], object] = lambda _: None,
) -> Swept:
    """Ask Reddit for all that is stored, and remove from every store what is deleted or removed there.

    Raises:
        SourceFailed: Reddit could not be asked; what was found gone before is removed by the next sweep.
        SearchUnavailable, RejectionLogFailed: a store could not be written; the next sweep removes the rest.
    """
    swept = Swept()
    database.check()
    _find_gone(database, client, swept, on_progress)
    swept.requests = client.counts.requests
    with database.connect() as connection:
        campaign_ids = campaigns_with_deleted(connection)
    for campaign_id in campaign_ids:
        _remove_from(database, index, campaign_id, swept, on_progress)
    _remove_from_files(database, rejection_logs, swept)
    return swept


def _find_gone(database: Database, client: "RedditClient", swept: Swept, on_progress: Callable[[str], object]) -> None:
    """Put what is gone on the list, a request at a time, so that nothing is asked twice for nothing."""
    from lead_assets.sources.reddit.things import IDS_PER_REQUEST, fetch  # and the client, which only this asks

    with database.connect() as connection:
        stored = list(stored_documents(connection))
        listed = read_deleted(connection, [reddit_id for reddit_id, _ in stored])
    unlisted = [(reddit_id, named) for reddit_id, named in stored if reddit_id not in listed]
    for start in range(0, len(unlisted), IDS_PER_REQUEST):
        named = dict(unlisted[start : start + IDS_PER_REQUEST])
        things, gone = fetch(client, list(named))
        gone += [reddit_id for reddit_id, thing in things.items() if named[reddit_id] and author_left(thing)]
        with database.engine.begin() as connection:
            remember_deleted(connection, gone)
        swept.checked += len(named)
        swept.gone += len(gone)
        on_progress(f"{swept.checked:,} of {len(unlisted):,} documents checked, {swept.gone:,} gone")


def _remove_from(
    database: Database, index: SearchIndex, campaign_id: str, swept: Swept, on_progress: Callable[[str], object]
) -> None:
    with database.campaign(campaign_id, on_progress) as session:
        with session.transaction() as connection:
            reddit_ids = deleted_of_campaign(connection, campaign_id)
        collection = index.ensure()
        index.delete(collection, campaign_id, reddit_ids)
        with session.transaction() as connection:
            swept.add_rows(purge_deleted(connection, campaign_id).rows)
        with session.transaction() as connection:
            # Comments whose post went have another text now.
            repair(connection, index, collection, campaign_id, on_progress)


def _remove_from_files(database: Database, rejection_logs: Path, swept: Swept) -> None:
    for campaign_id, reddit_ids in logged_ids(rejection_logs).items():
        with database.connect() as connection:
            gone = read_deleted(connection, sorted(reddit_ids))
        swept.removed_csv_rows += remove_rejections(rejection_logs, campaign_id, gone)
