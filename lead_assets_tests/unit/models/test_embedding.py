from pathlib import Path

import numpy as np
import pytest

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.models.local_embedder import BATCH_TOKENS, LocalEmbedder, _batches_by_length
from lead_assets.models.protocols import Embedder


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def test_the_local_model_speaks_the_protocol(embedder: LocalEmbedder) -> None:
    spoken: Embedder = embedder
    assert (spoken.model, spoken.dimension, spoken.cosine_threshold) == ("all-MiniLM-L6-v2-int8-256", 384, 0.12)


def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder: LocalEmbedder) -> None:
    texts = ["a CRM " * 50, "I need invoicing software", "", "a cat", "x" * 5_000]
    vectors = embedder.embed(texts)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-4)


def test_texts_of_one_meaning_are_closer_than_others(embedder: LocalEmbedder) -> None:
    asked, same, other = embedder.embed(
        ["Which invoicing tool is good?", "billing software recommendations", "my cat sleeps"]
    )
    assert asked @ same > asked @ other + 0.2


def test_no_text_gives_no_vector(embedder: LocalEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


@pytest.mark.parametrize("text", ["", " \n", "\x00", "\ud800", "👩‍💻🔥", "\u202e\u200b", "a" * 40_000, "推荐" * 5_000])
def test_any_text_has_a_finite_unit_vector(embedder: LocalEmbedder, text: str) -> None:
    (vector,) = embedder.embed([text])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_what_follows_256_tokens_does_not_matter(embedder: LocalEmbedder) -> None:
    start = "word " * 300
    short, long = embedder.embed([start + "cat", start + "invoice " * 500])
    np.testing.assert_allclose(short, long, atol=1e-5)


def test_more_texts_than_a_batch_keep_their_order(embedder: LocalEmbedder) -> None:
    texts = [f"{'long ' * (number % 7)}text number {number}" for number in range(70)]
    vectors = embedder.embed(texts)
    np.testing.assert_allclose(vectors[41], embedder.embed([texts[41]])[0], atol=1e-4)


def test_a_missing_model_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFailed, match="no file"):
        LocalEmbedder(model_path=tmp_path / "model.onnx").embed(["text"])


def test_a_broken_model_file_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(EmbeddingFailed, match="cannot be loaded"):
        LocalEmbedder(model_path=broken).embed(["text"])


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([3] * 70, [32, 32, 6]), ([256] * 20, [8, 8, 4]), ([2, 256, 2, 256], [4]), ([10] * 30 + [200] * 10, [30, 10])],
)
def test_a_batch_has_at_most_so_many_texts_and_tokens(lengths: list[int], sizes: list[int]) -> None:
    found = list(_batches_by_length([[0] * length for length in lengths]))
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    assert [len(rows) for rows in found] == sizes
    assert all(len(rows) * max(lengths[row] for row in rows) <= BATCH_TOKENS for rows in found)
