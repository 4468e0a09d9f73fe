"""Index: what Typesense holds of a campaign, made equal to what is stored."""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa

from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.campaign_asset import (
    checked_campaign,
    partitioned_check,
    progress,
    report,
    stage,
    told_in_one_sentence,
)
from lead_assets.defs.metadata.tables import MAX_TABLE_ROWS, table
from lead_assets.domain.errors import SearchUnavailable
from lead_assets.pipeline.timing import Phases
from lead_assets.search.typesense import IMPORT_BATCH, SearchIndex
from lead_assets.storage.bulk import read_frame
from lead_assets.storage.corpus import read_text_hashes
from lead_assets.storage.database import Database
from lead_assets.storage.schema import documents


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
    say: Callable[[str], object],
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
        say(f"{start + len(rows):,} of {len(wanted):,} documents indexed")
    index.delete(collection, campaign_id, difference.surplus)
    if refused:
        raise SearchUnavailable(
            f"Typesense at {index.url} refused {len(refused)} of {len(wanted)} documents (first: {refused[0][:200]}); "
            "the others are indexed; look at its disk and memory, then materialize typesense_index again."
        )
    return difference


def _read_texts(connection: sa.Connection, campaign_id: str, reddit_ids: list[str]) -> list[dict[str, str]]:
    columns = (documents.c.reddit_id, documents.c.title, documents.c.body, documents.c.text_hash)
    query = sa.select(*columns).where(documents.c.campaign_id == campaign_id, documents.c.reddit_id.in_(reddit_ids))
    return [{str(key): value for key, value in row.items()} for row in read_frame(connection, query).to_dict("records")]


@dg.asset(
    **stage("index"),
    kinds={"typesense"},
    deps=[crawled_documents],
    description=(
        "The campaign's documents in Typesense, where keywords are searched.\n\n"
        "Compares fullnames and text hashes of PostgreSQL and the index both ways and repairs the difference in bulk, "
        "so that a wiped or half-written Typesense is whole again after materializing this asset once."
    ),
)
def typesense_index(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
) -> dg.MaterializeResult:
    phases, say = Phases(), progress(context)
    with told_in_one_sentence(), database.campaign(context.partition_key, context.log.info) as session:
        collection = search_index.ensure()
        with session.transaction() as connection, phases.measured("repair"):
            difference = repair(connection, search_index, collection, session.campaign_id, say.at)
        with session.transaction() as connection:
            stored = read_text_hashes(connection, session.campaign_id)
            counts = {
                "indexed": len(difference.missing),
                "reindexed": len(difference.stale),
                "removed": len(difference.surplus),
            }
            return dg.MaterializeResult(
                metadata=report(connection, context, row_count=len(stored), counts=counts, phases=phases)
            )


@partitioned_check(
    typesense_index, "Typesense holds the stored documents of the campaign with their texts, and no others."
)
def index_matches_documents(
    context: dg.AssetCheckExecutionContext,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
        stored = read_text_hashes(connection, campaign_id)
        difference = compare(stored, search_index.held(campaign_id))
    examples = [
        {"reddit_id": reddit_id, "difference": kind}
        for kind in ("missing", "stale", "surplus")
        for reddit_id in getattr(difference, kind)
    ]
    return dg.AssetCheckResult(
        passed=not difference.total,
        description=(
            f"{difference.total} documents differ; materialize typesense_index to repair them."
            if difference.total
            else f"All {len(stored)} documents are indexed with their texts."
        ),
        metadata={
            "stored": len(stored),
            "missing": len(difference.missing),
            "stale": len(difference.stale),
            "surplus": len(difference.surplus),
            "examples": table(examples[:MAX_TABLE_ROWS]),
        },
    )
