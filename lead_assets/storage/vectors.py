"""Vectors, cached by model and text hash and shared by all campaigns."""

from collections.abc import Iterable, Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.storage.bulk import upsert
from lead_assets.storage.schema import documents, vectors

_READ_CHUNK = 5_000


def missing_documents(connection: sa.Connection, campaign_id: str, model: str) -> dict[str, str]:
    """Text hash to the fullname of a document with that text, for texts of the campaign without a vector."""
    has_vector = sa.exists().where(vectors.c.model == model, vectors.c.text_hash == documents.c.text_hash)
    query = sa.select(documents.c.text_hash, sa.func.min(documents.c.reddit_id)).where(
        documents.c.campaign_id == campaign_id, ~has_vector
    )
    return dict(connection.execute(query.group_by(documents.c.text_hash)).tuples().all())


def read_vectors(connection: sa.Connection, model: str, hashes: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """The stored vectors of ``hashes``, each of shape (dimension,); those without one are left out."""
    # pgvector's binary form is parsed a hundred times faster than its text: two int16, then big-endian float32.
    binary = sa.func.vector_send(vectors.c.vector).label("binary")
    wanted = sorted(set(hashes))
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(wanted), _READ_CHUNK):
        chunk = wanted[start : start + _READ_CHUNK]
        of_chunk = vectors.c.text_hash == sa.func.any(sa.bindparam("hashes", type_=sa.ARRAY(sa.Text)))
        query = sa.select(vectors.c.text_hash, binary).where(vectors.c.model == model, of_chunk)
        for digest, data in connection.execute(query, {"hashes": chunk}):
            found[digest] = np.frombuffer(bytes(data), dtype=">f4", offset=4).astype(np.float32)
    return found


def write_vectors(
    connection: sa.Connection, model: str, hashes: Sequence[str], matrix: NDArray[np.float32], dimension: int
) -> None:
    """Store a vector for each of ``hashes``; ``matrix`` has shape (len(hashes), dimension).

    Raises:
        EmbeddingFailed: a wrong shape, a value that is not finite, or another dimension than the model's stored ones.
    """
    if matrix.shape != (len(hashes), dimension):
        raise EmbeddingFailed(f"Model {model} gave vectors of shape {matrix.shape}, not {(len(hashes), dimension)}.")
    if not np.isfinite(matrix).all():
        raise EmbeddingFailed(f"Model {model} gave vectors with values that are not numbers; nothing was stored.")
    stored = stored_dimension(connection, model)
    if stored not in (None, dimension):
        raise EmbeddingFailed(f"Model {model} gave {dimension} dimensions, but its stored vectors have {stored}.")
    # In one order for all: two campaigns that store the same texts at once must not wait for each other in a circle.
    ordered = sorted(zip(hashes, matrix, strict=True), key=lambda pair: pair[0])
    upsert(
        connection,
        vectors,
        [{"model": model, "text_hash": digest, "vector": row} for digest, row in ordered],
        update=(),
    )


def stored_dimension(connection: sa.Connection, model: str) -> int | None:
    """The dimension of the model's stored vectors; None where there are none."""
    query = sa.select(sa.func.vector_dims(vectors.c.vector)).where(vectors.c.model == model).limit(1)
    return connection.scalar(query)


def faulty_vectors(connection: sa.Connection, campaign_id: str, model: str, tolerance: float = 1e-3) -> dict[str, int]:
    """Counts of the campaign's documents by what is wrong with their vectors, and of the vectors' dimensions.

    A vector that is not finite cannot be stored by pgvector, so unit length is what remains to be checked.
    """
    joined = sa.outerjoin(
        documents, vectors, (vectors.c.text_hash == documents.c.text_hash) & (vectors.c.model == model)
    )
    norm = sa.func.vector_norm(vectors.c.vector)
    query = (
        sa.select(
            sa.func.count().label("documents"),
            sa.func.count().filter(vectors.c.text_hash.is_(None)).label("missing"),
            sa.func.count().filter(sa.func.abs(norm - 1) > tolerance).label("not_unit_length"),
            sa.func.count(sa.distinct(sa.func.vector_dims(vectors.c.vector))).label("dimensions"),
        )
        .select_from(joined)
        .where(documents.c.campaign_id == campaign_id)
    )
    return dict(connection.execute(query).one()._mapping)
