"""Index: what Typesense holds of a campaign, made equal to what is stored."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from lead_assets.domain.errors import SearchUnavailable
from lead_assets.pipeline.step import Step, StepContext, StepReport
from lead_assets.search.typesense import IMPORT_BATCH, SearchIndex
from lead_assets.storage.corpus import read_text_hashes
from lead_assets.storage.reading import read_frame
from lead_assets.storage.schema import documents


def run(context: StepContext) -> StepReport:
    """Repair what differs between the campaign's stored documents and the index, both ways."""
    index = context.stores.search_index
    collection = index.ensure()
    with context.session.transaction() as connection:
        with context.phases.measured("repair"):
            difference = repair(connection, index, collection, context.campaign_id, context.progress.at)
        stored = read_text_hashes(connection, context.campaign_id)
    counts = {
        "indexed": len(difference.missing),
        "reindexed": len(difference.stale),
        "removed": len(difference.surplus),
    }
    return StepReport(row_count=len(stored), counts=counts)


STEP = Step("typesense_index", "index", run, shares_lock=True)


@dataclass(frozen=True)
class Difference:
    """What has to be done so that the index holds just what is stored."""

    missing: list[str]
    stale: list[str]
    surplus: list[str]

    @property
    def total(self) -> int:
        """Documents that differ."""
        return len(self.missing) + len(self.stale) + len(self.surplus)


def compare(stored: dict[str, str], held: dict[str, str]) -> Difference:
    """Compare fullnames and text hashes of the store and of the index, both ways."""
    return Difference(
        missing=sorted(stored.keys() - held.keys()),
        stale=sorted(name for name in stored.keys() & held.keys() if stored[name] != held[name]),
        surplus=sorted(held.keys() - stored.keys()),
    )


def repair(
    connection: sa.Connection,
    index: SearchIndex,
    collection: str,
    campaign_id: str,
    on_progress: Callable[[str], object],
) -> Difference:
    """Make ``collection`` hold just the campaign's stored documents; returns what differed.

    Raises:
        SearchUnavailable: the server refused documents; the others are indexed, and a next call repairs the rest.
    """
    difference = compare(read_text_hashes(connection, campaign_id), index.held(campaign_id, collection))
    wanted = difference.missing + difference.stale
    refused: list[str] = []
    for start in range(0, len(wanted), IMPORT_BATCH):
        rows = _read_texts(connection, campaign_id, wanted[start : start + IMPORT_BATCH])
        refused += index.upsert(collection, campaign_id, rows)
        on_progress(f"{start + len(rows):,} of {len(wanted):,} documents indexed")
    index.delete(collection, campaign_id, difference.surplus)
    if refused:
        raise SearchUnavailable(
            f"Typesense at {index.url} refused {len(refused)} of {len(wanted)} documents (first: {refused[0][:200]}). "
            "The others are indexed. Look at its disk and memory, then materialize typesense_index again."
        )
    return difference


def _read_texts(connection: sa.Connection, campaign_id: str, reddit_ids: list[str]) -> list[dict[str, str]]:
    columns = (documents.c.reddit_id, documents.c.title, documents.c.body, documents.c.text_hash)
    query = sa.select(*columns).where(documents.c.campaign_id == campaign_id, documents.c.reddit_id.in_(reddit_ids))
    return [{str(key): value for key, value in row.items()} for row in read_frame(connection, query).to_dict("records")]
