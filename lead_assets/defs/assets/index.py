"""The campaign's documents in Typesense."""

from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.pipeline import index

typesense_index = campaign_asset(
    index.STEP,
    kinds={"typesense"},
    deps=[crawled_documents],
    description=(
        "The campaign's documents in Typesense, where keywords are searched.\n\n"
        "Compares fullnames and text hashes of PostgreSQL and the index both ways and repairs the difference in bulk, "
        "so that a wiped or half-written Typesense is whole again after materializing this asset once."
    ),
)
