"""Embed: a vector for each text, and a lead's row for each embedded document."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lead_assets.domain.document_text import document_text, text_hash
from lead_assets.models.protocols import Embedded, Embedder
from lead_assets.pipeline.connect import opened_embedder
from lead_assets.pipeline.step import Step, StepContext, StepReport
from lead_assets.storage.corpus import read_texts
from lead_assets.storage.database import CampaignSession
from lead_assets.storage.leads import write_stubs
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.schema import leads as leads_table
from lead_assets.storage.statistics import count_rows
from lead_assets.storage.vectors import (
    missing_documents,
    read_vectors,
    without_vector,
    write_failures,
    write_vectors,
)

BATCH = 128


def run(context: StepContext) -> StepReport:
    """Embed the campaign's texts that have no vector of the run's model."""
    session = context.session
    with opened_embedder(session.connection, context.run, context.stores.open_embedder) as embedder:
        with context.phases.measured("embed"):
            done = embed_missing_documents(session, embedder, context.progress.at)
        with session.transaction() as connection:
            row_count = count_rows(connection, documents_table, context.campaign_id)
        details = {"model": embedder.model, "dimension": embedder.dimension or "unknown", **embedder.metadata()}
    warnings = [f"{done.failed} texts could not be embedded. The table failed_embeddings says why."]
    return StepReport(row_count, asdict(done), details, warnings if done.failed else ())


def run_stubs(context: StepContext) -> StepReport:
    """Write a row of ``leads`` for each embedded document, with nothing extracted yet."""
    session = context.session
    with (
        opened_embedder(session.connection, context.run, context.stores.open_embedder) as embedder,
        session.transaction() as connection,
    ):
        written = write_stubs(connection, context.campaign_id, embedder.model)
        row_count = count_rows(connection, leads_table, context.campaign_id)
    return StepReport(row_count, {"written": written})


STEP = Step("document_embeddings", "embed", run, shares_lock=True)
STUBS = Step("lead_stubs", "embed", run_stubs, shares_lock=True)


@dataclass
class Embedding:
    """What became of the texts in this run."""

    inputs: int = 0
    embedded: int = 0
    failed: int = 0
    truncated: int = 0


def embed_missing_documents(
    session: CampaignSession, embedder: Embedder, on_progress: Callable[[str], object]
) -> Embedding:
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
                frame = read_texts(connection, session.campaign_id, chosen)
            if not chosen:
                continue
            hashes[next(numbers)] = frame["text_hash"].tolist()
            done.inputs += len(frame)
            yield [document_text(title, body) for title, body in zip(frame["title"], frame["body"], strict=True)]

    for number, embedded in embedder.embed_batches(batches()):
        _store(session, embedder, hashes.pop(number), embedded, done)
        on_progress(f"{done.embedded:,} of {len(missing):,} texts embedded")
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
