"""Vectors, cached by model and text hash and shared by all campaigns, and the texts that could not have one."""

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.storage.schema import documents, failed_embeddings, vectors

_READ_CHUNK = 5_000
_COPY_BEGIN, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
MAX_ATTEMPTS = 3
"""A text that could not be embedded so often is left alone, for this model."""


def missing_documents(connection: sa.Connection, campaign_id: str, model: str) -> list[tuple[str, str]]:
    """Text hash and the fullname of a document with that text, for texts of the campaign that want a vector.

    Those that failed before come last, so that they share no batch with others more than they must; those that failed
    ``MAX_ATTEMPTS`` times are left out.
    """
    has_vector = sa.exists().where(vectors.c.model == model, vectors.c.text_hash == documents.c.text_hash)
    attempts = sa.func.coalesce(sa.func.max(failed_embeddings.c.attempts), 0)
    query = (
        sa.select(documents.c.text_hash, sa.func.min(documents.c.reddit_id))
        .outerjoin(
            failed_embeddings,
            (failed_embeddings.c.model == model) & (failed_embeddings.c.text_hash == documents.c.text_hash),
        )
        .where(documents.c.campaign_id == campaign_id, ~has_vector)
        .group_by(documents.c.text_hash)
        .having(attempts < MAX_ATTEMPTS)
        .order_by(attempts > 0, documents.c.text_hash)
    )
    return [(digest, reddit_id) for digest, reddit_id in connection.execute(query)]


def without_vector(connection: sa.Connection, model: str, hashes: Sequence[str]) -> list[str]:
    """Those of ``hashes`` that have no vector of ``model`` now, in their order."""
    of_hashes = vectors.c.text_hash == sa.func.any(sa.bindparam("hashes", type_=sa.ARRAY(sa.Text)))
    query = sa.select(vectors.c.text_hash).where(vectors.c.model == model, of_hashes)
    held = set(connection.scalars(query, {"hashes": list(hashes)}))
    return [digest for digest in hashes if digest not in held]


def write_failures(connection: sa.Connection, model: str, errors: Mapping[str, str]) -> None:
    """Record texts (by hash) that could not be embedded, and why; each time is an attempt."""
    statement = sa.text("""
        INSERT INTO lead_assets.failed_embeddings (model, text_hash, error, attempts)
        VALUES (:model, :text_hash, :error, 1)
        ON CONFLICT (model, text_hash) DO UPDATE
        SET error = EXCLUDED.error, attempts = failed_embeddings.attempts + 1, failed_at = now()
    """)
    rows: list[dict[str, Any]] = [
        {"model": model, "text_hash": digest, "error": error} for digest, error in sorted(errors.items())
    ]
    if rows:
        connection.execute(statement, rows)


def foreign_model(connection: sa.Connection, campaign_id: str, own: str) -> str | None:
    """A model that the campaign's texts have vectors of and whose name does not begin with ``own``; None: no such."""
    query = (
        sa.select(vectors.c.model)
        .join(documents, documents.c.text_hash == vectors.c.text_hash)
        .where(documents.c.campaign_id == campaign_id, ~vectors.c.model.startswith(own, autoescape=True))
        .limit(1)
    )
    return connection.scalar(query)


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


def read_campaign_vectors(
    connection: sa.Connection, campaign_id: str, model: str
) -> tuple[list[str], NDArray[np.float32]]:
    """The text hashes of a campaign that have a vector of ``model``, and the vectors: shape (hashes, dimension)."""
    # COPY's binary rows are of one size: an array without a loop, ten times as fast as a row at a time.
    cursor: Any = connection.connection.cursor()  # psycopg2's, which alone can COPY
    with cursor, io.BytesIO() as data:
        query = cursor.mogrify(
            "COPY (SELECT text_hash, vector FROM lead_assets.vectors WHERE model = %s AND text_hash IN "
            "(SELECT text_hash FROM lead_assets.documents WHERE campaign_id = %s)) TO STDOUT (FORMAT binary)",
            (model, campaign_id),
        )
        cursor.copy_expert(query, data)
        return _rows_of_copy(data.getvalue())


def _rows_of_copy(data: bytes) -> tuple[list[str], NDArray[np.float32]]:
    """Text hashes and vectors of COPY's binary format; see ``_binary`` for its source."""
    end = len(data) - len(_COPY_END)
    if end <= len(_COPY_BEGIN):
        return [], np.zeros((0, 0), dtype=np.float32)
    name = len(_COPY_BEGIN) + 2  # behind the number of fields
    hash_bytes = int.from_bytes(data[name : name + 4], "big")
    vector = name + 4 + hash_bytes
    dimension = int.from_bytes(data[vector + 4 : vector + 6], "big")
    row = np.dtype(
        [("fields", ">i2"), ("size", ">i4"), ("hash", f"S{hash_bytes}"), ("head", "V8"), ("vector", ">f4", dimension)]
    )
    rows = np.frombuffer(data[len(_COPY_BEGIN) : end], dtype=row)
    return rows["hash"].astype(str).tolist(), rows["vector"].astype(np.float32)


def write_vectors(
    connection: sa.Connection,
    model: str,
    hashes: Sequence[str],
    matrix: NDArray[np.float32],
    dimension: int,
    truncated: Collection[str] = (),
) -> None:
    """Store a vector for each of ``hashes``; ``matrix`` has shape (len(hashes), dimension).

    ``truncated`` are those of the hashes of whose texts only a beginning was embedded.

    Raises:
        EmbeddingFailed: a wrong shape, a value that is not finite, or another dimension than the model's stored ones.
    """
    if not hashes:
        return
    if matrix.shape != (len(hashes), dimension):
        raise EmbeddingFailed(f"Model {model} gave vectors of shape {matrix.shape}, not {(len(hashes), dimension)}.")
    if not np.isfinite(matrix).all():
        raise EmbeddingFailed(f"Model {model} gave vectors with values that are not numbers. Nothing was stored.")
    stored = stored_dimension(connection, model)
    if stored not in (None, dimension):
        raise EmbeddingFailed(
            f"Model {model} gave {dimension} dimensions, but its stored vectors have {stored}. Nothing was "
            "stored. Check EMBEDDING_MODEL and where it is asked."
        )
    # In one order for all: two campaigns that store the same texts at once must not wait for each other in a circle.
    order = sorted(range(len(hashes)), key=lambda place: hashes[place])
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE stage_vectors (place integer, text_hash text, truncated boolean, vector vector) "
        "ON COMMIT DROP"
    )
    cursor: Any = connection.connection.cursor()  # psycopg2's, which alone can COPY
    with cursor:
        cut = set(truncated)
        data = _binary([hashes[place] for place in order], matrix[order], cut)
        cursor.copy_expert("COPY stage_vectors FROM STDIN (FORMAT binary)", io.BytesIO(data))
    connection.execute(
        sa.text("""
            INSERT INTO lead_assets.vectors (model, text_hash, vector, truncated)
            SELECT :model, text_hash, vector, truncated FROM stage_vectors ORDER BY place ON CONFLICT DO NOTHING
        """),
        {"model": model},
    )
    connection.exec_driver_sql("DROP TABLE stage_vectors")
    connection.execute(
        sa.delete(failed_embeddings).where(
            failed_embeddings.c.model == model,
            failed_embeddings.c.text_hash == sa.func.any(sa.bindparam("hashes", type_=sa.ARRAY(sa.Text))),
        ),
        {"hashes": list(hashes)},
    )


def _binary(hashes: Sequence[str], matrix: NDArray[np.float32], truncated: Collection[str]) -> bytes:
    """Rows of ``stage_vectors`` in COPY's binary format, a twentieth of the time of text.

    Source: PostgreSQL, COPY, Binary Format; a vector is two int16 (dimension, 0) and big-endian float32 (vector_send).
    """
    dimension = matrix.shape[1]
    header = dimension.to_bytes(2, "big") + b"\0\0"
    size = (4 * dimension + len(header)).to_bytes(4, "big")
    parts = [_COPY_BEGIN]
    for place, (digest, row) in enumerate(zip(hashes, matrix.astype(">f4"), strict=True)):
        name = digest.encode()
        parts += [
            (4).to_bytes(2, "big"),
            (4).to_bytes(4, "big") + place.to_bytes(4, "big"),
            len(name).to_bytes(4, "big") + name,
            (1).to_bytes(4, "big") + (b"\1" if digest in truncated else b"\0"),
            size + header,
            row.tobytes(),
        ]
    return b"".join([*parts, _COPY_END])


def stored_dimension(connection: sa.Connection, model: str) -> int | None:
    """The dimension of the model's stored vectors; None where there are none."""
    query = sa.select(sa.func.vector_dims(vectors.c.vector)).where(vectors.c.model == model).limit(1)
    return connection.scalar(query)


def faulty_vectors(connection: sa.Connection, campaign_id: str, model: str, tolerance: float = 1e-3) -> dict[str, int]:
    """Counts of the campaign's documents by what is wrong with their vectors, and of the vectors' dimensions.

    ``failed`` are documents whose text could not be embedded, which is recorded; they are not among ``missing``.
    ``truncated`` are those of whose text only a beginning was. A vector that is not finite cannot be stored by
    pgvector, so unit length is what remains to be checked.
    """
    joined = sa.outerjoin(
        documents, vectors, (vectors.c.text_hash == documents.c.text_hash) & (vectors.c.model == model)
    )
    norm = sa.func.vector_norm(vectors.c.vector)
    has_failed = (
        sa.exists()
        .where(failed_embeddings.c.model == model, failed_embeddings.c.text_hash == documents.c.text_hash)
        .correlate(documents)
    )
    without = vectors.c.text_hash.is_(None)
    query = (
        sa.select(
            sa.func.count().label("documents"),
            sa.func.count().filter(without & ~has_failed).label("missing"),
            sa.func.count().filter(without & has_failed).label("failed"),
            sa.func.count().filter(vectors.c.truncated).label("truncated"),
            sa.func.count().filter(sa.func.abs(norm - 1) > tolerance).label("not_unit_length"),
            sa.func.count(sa.distinct(sa.func.vector_dims(vectors.c.vector))).label("dimensions"),
        )
        .select_from(joined)
        .where(documents.c.campaign_id == campaign_id)
    )
    return dict(connection.execute(query).one()._mapping)
