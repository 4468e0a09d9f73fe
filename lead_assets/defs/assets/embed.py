"""Embed: a vector for each text, and a lead's row for each embedded document."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.campaign_asset import (
    checked_campaign,
    partitioned_check,
    progress,
    report,
    stage,
    told_in_one_sentence,
)
from lead_assets.defs.resources import EmbedderOpener, RunSettings
from lead_assets.domain.ranking import document_text, text_hash
from lead_assets.models.local_embedder import Embedded, Embedder
from lead_assets.pipeline.connect import opened_embedder
from lead_assets.pipeline.timing import Phases
from lead_assets.storage.corpus import read_documents
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.leads import write_stubs
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.schema import leads as leads_table
from lead_assets.storage.statistics import count_rows
from lead_assets.storage.vectors import (
    faulty_vectors,
    missing_documents,
    read_vectors,
    without_vector,
    write_failures,
    write_vectors,
)

BATCH = 128


@dataclass
class Embedding:
    """What became of the texts in this run."""

    inputs: int = 0
    embedded: int = 0
    failed: int = 0
    truncated: int = 0


def embed_missing_documents(session: CampaignSession, embedder: Embedder, say: Callable[[str], object]) -> Embedding:
    """Embed the campaign's texts that have no vector of this model, a batch and a transaction at a time.

    A killed run costs at most the batches that are under way.
    """
    with session.transaction() as connection:
        missing = missing_documents(connection, session.campaign_id, embedder.model)
    hashes: dict[int, list[str]] = {}
    numbers = itertools.count()
    done = Embedding()

    def batches() -> Iterator[Sequence[str]]:
        for start in range(0, len(missing), BATCH):
            documents_of = dict(missing[start : start + BATCH])
            with session.transaction() as connection:
                # Looked at again: another campaign may have embedded the same texts since this run began.
                chosen = [documents_of[each] for each in without_vector(connection, embedder.model, [*documents_of])]
                frame = read_documents(connection, session.campaign_id, chosen)
            if not chosen:
                continue
            hashes[next(numbers)] = frame["text_hash"].tolist()
            done.inputs += len(frame)
            yield [document_text(title, body) for title, body in zip(frame["title"], frame["body"], strict=True)]

    for number, embedded in embedder.embed_batches(batches()):
        _store(session, embedder, hashes.pop(number), embedded, done)
        say(f"{done.embedded:,} of {len(missing):,} texts embedded")
    return done


def _store(
    session: CampaignSession, embedder: Embedder, hashes: list[str], embedded: Embedded, done: Embedding
) -> None:
    """Write the vectors of a batch, and which of its texts could not have one."""
    kept = [hashes[place] for place in embedded.kept]
    truncated = {hashes[place] for place in embedded.truncated}
    with session.transaction() as connection:
        write_vectors(connection, embedder.model, kept, embedded.vectors, embedded.vectors.shape[1], truncated)
        errors = {hashes[place]: error for place, error in embedded.failed.items()}
        write_failures(connection, embedder.model, errors)
    done.embedded += len(kept)
    done.failed += len(embedded.failed)
    done.truncated += len(truncated)


def vectors_of(session: CampaignSession, embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of a few texts, such as the campaign's phrases: shape (len(texts), dimension); cached too."""
    hashes = [text_hash(text) for text in texts]
    with session.transaction() as connection:
        known = read_vectors(connection, embedder.model, hashes)
    new = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in known}
    if new:
        matrix = embedder.embed(list(new.values()))
        with session.transaction() as connection:
            write_vectors(connection, embedder.model, list(new), matrix, matrix.shape[1])
        known.update(zip(new, matrix, strict=True))
    return np.stack([known[digest] for digest in hashes])


@dg.asset(
    **stage("embed"),
    kinds={"postgres", "openai", "onnx"},
    deps=[crawled_documents],
    description=(
        "A unit vector for each different text of the campaign.\n\n"
        "Vectors are kept by model and hash of the text and shared by all campaigns: no text is embedded twice. "
        "They are OpenAI's, or any compatible server's, where a key or base URL is set (EMBEDDER, EMBEDDING_MODEL), "
        "else those of the local model all-MiniLM-L6-v2 (int8, 384 dimensions, first 256 tokens). "
        "A text that the server refuses is recorded and counted and holds nobody up."
    ),
)
def document_embeddings(
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    embedder_opener: dg.ResourceParam[EmbedderOpener],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with (
            database.campaign(brief.campaign.id, context.log.info) as session,
            opened_embedder(session.connection, brief, embedder_opener) as embedder,
        ):
            with phases.measured("embed"):
                done = embed_missing_documents(session, embedder, progress(context).at)
            if done.failed:
                context.log.warning(f"{done.failed} texts could not be embedded; the table failed_embeddings says why.")
            with session.transaction() as connection:
                return dg.MaterializeResult(
                    metadata=report(
                        connection,
                        context,
                        row_count=count_rows(connection, documents_table, session.campaign_id),
                        counts=asdict(done),
                        phases=phases,
                        extra={
                            "model": embedder.model,
                            "dimension": embedder.dimension or "unknown",
                            **embedder.metadata(),
                        },
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
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    embedder_opener: dg.ResourceParam[EmbedderOpener],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with (
            database.campaign(brief.campaign.id, context.log.info) as session,
            opened_embedder(session.connection, brief, embedder_opener) as embedder,
            session.transaction() as connection,
        ):
            with phases.measured("write"):
                written = write_stubs(connection, session.campaign_id, embedder.model)
            row_count = count_rows(connection, leads_table, session.campaign_id)
            metadata = report(connection, context, row_count=row_count, counts={"written": written}, phases=phases)
    return dg.MaterializeResult(metadata=metadata)


@partitioned_check(
    document_embeddings,
    "Every document has a vector of the model, or a recorded failure; all are of one dimension and of unit length.",
)
def embeddings_complete(
    context: dg.AssetCheckExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    embedder_opener: dg.ResourceParam[EmbedderOpener],
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
        brief = run_settings.brief(campaign_id)
        with opened_embedder(connection, brief, embedder_opener) as embedder:
            model = embedder.model
        found = faulty_vectors(connection, campaign_id, model)
    recorded = f"; {found['failed']} could not be embedded, which is recorded" if found["failed"] else ""
    whole = not found["missing"] and not found["not_unit_length"] and found["dimensions"] <= 1
    return dg.AssetCheckResult(
        passed=whole,
        description=(
            f"All {found['documents'] - found['failed']} documents have a vector{recorded}."
            if whole
            else f"{found['missing']} of {found['documents']} documents have no vector, {found['not_unit_length']} "
            f"vectors are not of unit length, {found['dimensions']} dimensions; materialize document_embeddings."
        ),
        metadata={"model": model, **found},
    )
