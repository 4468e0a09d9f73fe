"""What was announced of the leads: the outbox that a sensor delivers."""

from lead_assets.defs.assets.leads import leads
from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.pipeline import announce
from lead_assets.storage.schema import outbox

announced_leads = campaign_asset(
    announce.STEP,
    kinds={"postgres"},
    deps=[leads],
    table=outbox,
    description=(
        "Alerts of new leads: each is put into the outbox once for each receiver that the campaign's file names under "
        "`notify`, in the transaction that sees it.\n\n"
        "The sensor `deliver_alerts` sends what is due, repeats what failed for 40 hours, and leaves out what was "
        "dismissed or deleted meanwhile. Without `notify` this asset does nothing. Its metadata has the outbox's "
        "length and age."
    ),
)
