"""Embed: a vector for each text, and a lead's row for each embedded document."""

from collections.abc import Callable, Sequence

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from lead_assets.assets.crawl import crawled_documents
from lead_assets.assets.stages import checked_campaign, partitioned_check, progress, report, stage, told_in_one_sentence
from lead_assets.domain.ranking import document_text, text_hash
from lead_assets.reporting import Phases
from lead_assets.services.embedding import Embedder
from lead_assets.storage.corpus import read_documents
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.leads import write_stubs
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.schema import leads as leads_table
from lead_assets.storage.statistics import count_rows
from lead_assets.storage.vectors import faulty_vectors, missing_documents, read_vectors, write_vectors

BATCH = 128


def embed_missing_documents(session: CampaignSession, embedder: Embedder, say: Callable[[str], object]) -> int:
    """Embed the campaign's texts that have no vector of this model, a batch and a transaction at a time.

    Returns how many texts were embedded; a killed run costs at most one batch.
    """
    with session.transaction() as connection:
        missing = sorted(missing_documents(connection, session.campaign_id, embedder.model).items())
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        with session.transaction() as connection:
            frame = read_documents(connection, session.campaign_id, [reddit_id for _, reddit_id in batch])
        texts = [document_text(title, body) for title, body in zip(frame["title"], frame["body"], strict=True)]
        matrix = embedder.embed(texts)
        with session.transaction() as connection:
            write_vectors(connection, embedder.model, frame["text_hash"].tolist(), matrix, embedder.dimension)
        say(f"{start + len(batch):,} of {len(missing):,} texts embedded")
    return len(missing)


def vectors_of(session: CampaignSession, embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of a few texts, such as the campaign's phrases: shape (len(texts), dimension); cached too."""
    hashes = [text_hash(text) for text in texts]
    with session.transaction() as connection:
        known = read_vectors(connection, embedder.model, hashes)
        new = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in known}
        if new:
            matrix = embedder.embed(list(new.values()))
            write_vectors(connection, embedder.model, list(new), matrix, embedder.dimension)
            known.update(zip(new, matrix, strict=True))
    return np.stack([known[digest] for digest in hashes])


@dg.asset(
    **stage("embed"),
    kinds={"postgres", "onnx"},
    deps=[crawled_documents],
    description=(
        "A unit vector for each different text of the campaign.\n\n"
        "Vectors are kept by model and hash of the text and shared by all campaigns: no text is embedded twice. "
        "The local model is all-MiniLM-L6-v2 (int8, 384 dimensions, first 256 tokens)."
    ),
)
def document_embeddings(
    context: dg.AssetExecutionContext, database: dg.ResourceParam[Database], embedder: dg.ResourceParam[Embedder]
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence(), database.campaign(context.partition_key, context.log.info) as session:
        with phases.measured("embed"):
            embedded = embed_missing_documents(session, embedder, progress(context).at)
        with session.transaction() as connection:
            return dg.MaterializeResult(
                metadata=report(
                    connection,
                    context,
                    row_count=count_rows(connection, documents_table, session.campaign_id),
                    counts={"embedded": embedded},
                    phases=phases,
                    extra={"model": embedder.model, "dimension": embedder.dimension},
                )
            )


@dg.asset(
    **stage("embed"),
    kinds={"postgres"},
    deps=[document_embeddings],
    description=(
        "A row of the table `leads` for each embedded document, with nothing extracted yet.\n\n"
        "Writes the identity columns only (embedding, link, author, title, subreddit, date); what was extracted stays."
    ),
)
def lead_stubs(
    context: dg.AssetExecutionContext, database: dg.ResourceParam[Database], embedder: dg.ResourceParam[Embedder]
) -> dg.MaterializeResult:
    phases = Phases()
    with (
        told_in_one_sentence(),
        database.campaign(context.partition_key, context.log.info) as session,
        session.transaction() as connection,
    ):
        with phases.measured("write"):
            written = write_stubs(connection, session.campaign_id, embedder.model)
        row_count = count_rows(connection, leads_table, session.campaign_id)
        metadata = report(connection, context, row_count=row_count, counts={"written": written}, phases=phases)
    return dg.MaterializeResult(metadata=metadata)


@partitioned_check(
    document_embeddings, "Every document has a vector of the model, all of one dimension and of unit length."
)
def embeddings_complete(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database], embedder: dg.ResourceParam[Embedder]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
        found = faulty_vectors(connection, campaign_id, embedder.model)
    whole = not found["missing"] and not found["not_unit_length"] and found["dimensions"] <= 1
    return dg.AssetCheckResult(
        passed=whole,
        description=(
            f"All {found['documents']} documents have a vector."
            if whole
            else f"{found['missing']} of {found['documents']} documents have no vector, {found['not_unit_length']} "
            f"vectors are not of unit length, {found['dimensions']} dimensions; materialize document_embeddings."
        ),
        metadata={"model": embedder.model, **found},
    )
