"""Vectors of the campaign's texts, and the leads' rows as far as they are known then.

Two assets write the table ``leads``. ``lead_stubs`` inserts rows and owns their identity columns (embedding, link,
author, title, subreddit, date); ``leads`` owns ``extracted_data`` and ``relevance_score``.
"""

from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.campaign_asset import campaign_asset
from lead_assets.pipeline import embed
from lead_assets.storage.schema import leads, vectors

document_embeddings = campaign_asset(
    embed.STEP,
    kinds={"postgres", "openai", "onnx"},
    deps=[crawled_documents],
    table=vectors,
    description=(
        "A unit vector for each different text of the campaign.\n\n"
        "Vectors are kept by model and hash of the text and shared by all campaigns: no text is embedded twice. "
        "They are OpenAI's, or any compatible server's, where a key or base URL is set (EMBEDDER, EMBEDDING_MODEL), "
        "else those of the local model all-MiniLM-L6-v2 (int8, 384 dimensions, first 256 tokens). "
        "A text that the server refuses is recorded and counted and holds nobody up."
    ),
)

lead_stubs = campaign_asset(
    embed.STUBS,
    kinds={"postgres"},
    deps=[document_embeddings],
    table=leads,
    description=(
        "A row of the table `leads` for each embedded document, with nothing extracted yet.\n\n"
        "Writes the identity columns only (embedding, link, author, title, subreddit, date). What was extracted stays."
    ),
)
