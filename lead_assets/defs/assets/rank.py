"""Every stored document with its score, and whether the gates keep it."""

import dagster as dg

from lead_assets.defs.assets.embed import document_embeddings
from lead_assets.defs.assets.index import typesense_index
from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.defs.metadata.charts import funnel_picture, score_picture
from lead_assets.domain.gate_catalog import RANK_GATES
from lead_assets.pipeline import rank
from lead_assets.storage.schema import candidates


def _pictures(drawn: rank.Drawn) -> dict[str, dg.MetadataValue]:
    return {
        "funnel_picture": funnel_picture(drawn.funnel),
        "score_distributions": score_picture(drawn.frame, drawn.settings),
    }


ranked_candidates = campaign_asset(
    rank.STEP,
    kinds={"postgres", "typesense"},
    deps=[typesense_index, document_embeddings],
    table=candidates,
    gates=RANK_GATES,
    pictures=_pictures,
    description=(
        "Every stored document with the components of its score, the fused score, and whether the gates keep it.\n\n"
        "Fuses closeness in meaning, the keyword match of Typesense, and whether somebody asks or sells. Stored "
        "documents are judged again by the metadata gates as they are set now, then by the four ranking gates; those "
        "that the campaign's lists now leave out are excluded. "
        "Documents that are not indexed or not embedded are left as they were and counted."
    ),
)
