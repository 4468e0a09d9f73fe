"""The leads, and the view of them that people read."""

import dagster as dg

from lead_assets.defs.assets.embed import lead_stubs
from lead_assets.defs.assets.extract import extracted_leads
from lead_assets.defs.campaign_asset import GROUP, OWNERS, campaign_asset
from lead_assets.defs.metadata.charts import funnel_picture
from lead_assets.defs.partitions import campaigns
from lead_assets.pipeline import leads as persist
from lead_assets.storage.schema import leads as leads_table

leads = campaign_asset(
    persist.STEP,
    kinds={"postgres"},
    deps=[lead_stubs, extracted_leads],
    table=leads_table,
    pictures=lambda funnel: {"funnel_picture": funnel_picture(funnel)},
    description=(
        "The leads: documents whose candidate is kept and of which the current extraction says that somebody needs the "
        "product.\n\n"
        "Writes `extracted_data` and `relevance_score` of the table `leads`, and clears both where the candidate is no "
        "longer kept or its extraction no longer current. People read the view `qualified_leads`."
    ),
)

qualified_leads = dg.AssetSpec(
    "qualified_leads",
    deps=[leads],
    partitions_def=campaigns,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "view"},
    metadata={"dagster/table_name": "lead_assets.qualified_leads"},
    description=(
        "What people read: the rows of `leads` whose document is a kept candidate, was read as it is stored now, and "
        "is a lead.\n\nA view, so that it is current by itself: commands, the API, checks and counts all select from "
        "it. `stale` marks leads that were read for an earlier product or by an earlier model, and not again yet."
    ),
)
