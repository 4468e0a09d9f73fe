"""What the source has for the campaign, through the metadata gates."""

from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.domain.gate_catalog import METADATA_GATES
from lead_assets.pipeline import crawl
from lead_assets.storage.schema import documents

crawled_documents = campaign_asset(
    crawl.STEP,
    kinds={"reddit", "postgres"},
    pool="reddit",
    table=documents,
    gates=METADATA_GATES,
    completeness=(
        "All that the source has for the campaign was read. Warns where a keyword, a subreddit or a record could not "
        "be, or the run's requests were spent: the rest is stored, and the next run continues there."
    ),
    description=(
        "Reddit posts and comments that match the campaign's keywords and passed the metadata gates.\n\n"
        "Reads the campaign's source (Reddit's API, Arctic Shift, or an archive file), meets each document with the "
        "seven gates in order, and writes "
        "`documents`, `rejections` and the ledger of `sightings`, batch by batch. A document that was judged lately "
        "under the same gate settings is a duplicate and costs nothing. Rejections are in the table `rejections`, in a "
        "CSV file per run, and as examples in this asset's metadata."
    ),
)
