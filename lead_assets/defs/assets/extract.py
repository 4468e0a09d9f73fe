"""What was read out of the kept candidates."""

from lead_assets.defs.assets.rank import ranked_candidates
from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.pipeline import extract
from lead_assets.storage.schema import extractions

extracted_leads = campaign_asset(
    extract.STEP,
    kinds={"postgres", "openai"},
    pool="llm",
    deps=[ranked_candidates],
    table=extractions,
    description=(
        "What was read out of the kept candidates: whether somebody needs the product, with verbatim evidence.\n\n"
        "Candidates are read best first, by a language model where a key or base URL is set (EXTRACTOR, LLM_MODEL), "
        "else by rules; every row says by which. Quotes and contacts that do not occur in the document are removed and "
        "counted. What was read once for the same text, product and model is not read again; what the caps of the run "
        "cut off is postponed to the next."
    ),
)
