"""Embedding texts by an OpenAI-compatible endpoint.

What belongs here: requests, what is wrong with an answer, and finding the one bad text among many. What does not:
trying again (``openai_endpoint``) and which texts (``domain.ranking``).
"""

import base64
import binascii
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import openai
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.domain.thresholds import cosine_threshold_of
from lead_assets.models.openai.concurrency import results
from lead_assets.models.openai.endpoint import Endpoint, InputRefused, NoAnswer, Received
from lead_assets.models.openai.tokens import at_most, count_tokens, encodable, grouped
from lead_assets.models.openai.usage import Tokens
from lead_assets.models.protocols import Embedded

ENCODING = "cl100k_base"
"""That of all of OpenAI's embedding models; a good guess for others, whose own limit makes the text shorter."""
MOST_TEXTS = 128
MAX_INPUT_TOKENS, MAX_REQUEST_TOKENS = 8192, 300_000
FEWEST_TOKENS = 16
"""A text that is too long even so is not shortened further."""
HARMLESS = "A short text."
DECODING = 2
"""Batches whose answer is there beside those that are asked for; a killed run pays for these again too."""
UNIT_TOLERANCE = 1e-5
"""A length that differs from 1 by less is single precision's doing."""
SHORTEST = 1e-9
NO_VECTOR = "a vector that is not finite, or has no length"
DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}


class OpenAIEmbedder:
    """Texts in, unit vectors out, several requests at once. One instance may be shared by threads."""

    name = "openai"

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int = 4,
        max_input_tokens: int = MAX_INPUT_TOKENS,
        max_request_tokens: int = MAX_REQUEST_TOKENS,
    ) -> None:
        """Nothing is sent yet."""
        self._endpoint = endpoint
        self._max_input, self._max_request = max_input_tokens, max_request_tokens
        self._requests = threading.Semaphore(concurrency)
        # Others decode a megabyte of answer while so many requests wait for theirs; one at a time stays one.
        self._at_work = concurrency + DECODING if concurrency > 1 else 1
        self._lock = threading.Lock()
        self._probing = threading.Lock()
        self._dimension = DIMENSIONS.get(endpoint.model)
        self._some_text_was_taken = False

    @property
    def model(self) -> str:
        """The key of its vectors: the model's name, and where long texts are cut if not where the model's limit is."""
        usual = self._max_input == MAX_INPUT_TOKENS
        return self._endpoint.model if usual else f"{self._endpoint.model}-{self._max_input}"

    @property
    def dimension(self) -> int | None:
        """Of its vectors; None until the first answer of a model that we do not know."""
        return self._dimension

    @property
    def cosine_threshold(self) -> float:
        """The model's own default of the cosine gate."""
        return cosine_threshold_of(self._endpoint.model)

    def metadata(self) -> dict[str, Any]:
        """What was asked of the endpoint so far."""
        return self._endpoint.usage.metadata()

    def close(self) -> None:
        """Close connections."""
        self._endpoint.close()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape ``(len(texts), dimension)``, rows of unit length in the order of ``texts``.

        Raises:
            EmbeddingFailed, EndpointUnavailable: if any of the texts could not be embedded.
        """
        self._endpoint.stopping.clear()
        embedded = self._embed(texts)
        for place, error in embedded.failed.items():
            raise EmbeddingFailed(
                f"{self._endpoint.address.url} will not embed one of the texts ({error}): {texts[place][:60]!r}."
            )
        return embedded.vectors

    def embed_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[tuple[int, Embedded]]:
        """What became of each batch, with its number, as they come.

        Raises:
            EmbeddingFailed, EndpointUnavailable: no batch would be embedded; what came before is good.
        """
        numbered = enumerate(batches)
        return results(
            lambda _: next(numbered, None),
            lambda job: (job[0], self._embed(job[1])),
            self._at_work,
            self._endpoint.stopping,
        )

    def _embed(self, texts: Sequence[str]) -> Embedded:
        # An empty text is refused by most servers, and still wants a vector.
        cut = [at_most(encodable(text) or " ", self._max_input, ENCODING) for text in texts]
        shown = [text for text, _ in cut]
        truncated = {place for place, (_, was_cut) in enumerate(cut) if was_cut}
        rows: dict[int, NDArray[np.float32]] = {}
        failed: dict[int, str] = {}
        for group in grouped(shown, MOST_TEXTS, self._max_request, ENCODING):
            self._embed_group(shown, group, rows, failed, truncated)
        kept = sorted(rows)
        dimension = self._dimension or 0
        vectors = np.stack([rows[place] for place in kept]) if kept else np.zeros((0, dimension), dtype=np.float32)
        return Embedded(vectors, kept, failed, frozenset(truncated & rows.keys()))

    def _embed_group(
        self,
        texts: list[str],
        group: list[int],
        rows: dict[int, NDArray[np.float32]],
        failed: dict[int, str],
        truncated: set[int],
    ) -> None:
        """Embed the texts at the places of ``group``; where they are refused, half of them at a time."""
        try:
            found = self._request([texts[place] for place in group])
        except (InputRefused, NoAnswer) as error:
            if isinstance(error, NoAnswer):
                # One text may be what the server breaks at; more likely it is down.
                self._make_sure_that_others_are_taken(error)
            if len(group) > 1:
                middle = len(group) // 2
                self._embed_group(texts, group[:middle], rows, failed, truncated)
                self._embed_group(texts, group[middle:], rows, failed, truncated)
                return
            (place,) = group
            too_long = isinstance(error, InputRefused) and error.too_long
            if too_long and (shorter := self._shorter(texts[place])) is not None:
                texts[place] = shorter
                truncated.add(place)
                self._embed_group(texts, group, rows, failed, truncated)
                return
            if not self._some_text_was_taken:
                self._make_sure_that_others_are_taken(error)
            failed[place] = str(error)
            return
        for place, row in zip(group, found, strict=True):
            if row is not None:
                rows[place] = row
                continue
            if not self._some_text_was_taken:
                self._make_sure_that_others_are_taken(InputRefused(NO_VECTOR))
            failed[place] = f"The endpoint gave {NO_VECTOR}."

    def _shorter(self, text: str) -> str | None:
        """Half of a text that the model finds too long: its tokens are other than ours."""
        half = min(count_tokens(text, ENCODING), self._max_input) // 2
        return at_most(text, half, ENCODING)[0] if half >= FEWEST_TOKENS else None

    def _make_sure_that_others_are_taken(self, error: InputRefused | NoAnswer) -> None:
        """Raises EmbeddingFailed: it is not this text that is not embedded, but all."""
        with self._probing:
            try:
                (row,) = self._request([HARMLESS])
            except (InputRefused, NoAnswer):
                row = None
        if row is not None:
            return
        if isinstance(error, NoAnswer):
            raise EmbeddingFailed(
                f"{self._endpoint.address.url} did not embed a batch ({error}); what was stored stays; run again."
            ) from None
        raise EmbeddingFailed(
            f"{self._endpoint.address.url} will not embed any text with {self._endpoint.model} ({error}); "
            f"check EMBEDDING_MODEL and {self._endpoint.address.url_setting}."
        ) from None

    def _request(self, texts: list[str]) -> list[NDArray[np.float32] | None]:
        """A row for each text, None where it is no vector.

        Raises:
            InputRefused: the texts, or one of them, are refused, or the answer is not one row for each.
            NoAnswer: the endpoint does not answer.
            EmbeddingFailed: it answers another dimension than it should.
        """

        # base64 is what the client itself asks for: a quarter of the bytes.
        body = {"model": self._endpoint.model, "input": texts, "encoding_format": "base64"}

        def call(client: openai.OpenAI) -> httpx.Response:
            # Not by `embeddings.create`, which looks at the type of each text, and takes longer than all of our work.
            return client.post("/embeddings", cast_to=httpx.Response, body=body)

        with self._requests:
            received = self._endpoint.send(call)
        self._endpoint.usage.used(Tokens.of(received.body))
        answered = _rows(received, len(texts))
        self._check_dimension(answered)
        self._some_text_was_taken = self._some_text_was_taken or any(row is not None for row in answered)
        return answered

    def _check_dimension(self, rows: list[NDArray[np.float32] | None]) -> None:
        found = {len(row) for row in rows if row is not None}
        with self._lock:
            if self._dimension is None and len(found) == 1:
                (self._dimension,) = found
            if found - {self._dimension}:
                raise EmbeddingFailed(
                    f"{self._endpoint.address.url} gave vectors of {sorted(found)} dimensions for model "
                    f"{self._endpoint.model}, which has {self._dimension}; nothing of the batch was stored; check "
                    f"EMBEDDING_MODEL and {self._endpoint.address.url_setting}."
                )


class _Entry(TypedDict):
    __pydantic_config__ = ConfigDict(val_json_bytes="base64")  # type: ignore[misc]
    index: int
    embedding: bytes


class _Entries(TypedDict):
    data: list[_Entry]


_URL_SAFE = str.maketrans("-_", "+/")
_ENTRIES = TypeAdapter(_Entries)
"""An answer as it should be: base64, decoded while it is parsed, in a fifth of the time of Python's own decoder."""


def _rows(received: Received, wanted: int) -> list[NDArray[np.float32] | None]:
    entries = received.body.get("data")
    if not isinstance(entries, list) or len(entries) != wanted or not all(isinstance(row, Mapping) for row in entries):
        found = len(entries) if isinstance(entries, list) else 0
        raise InputRefused(f"{found} vectors came for {wanted} texts")
    embeddings = _embeddings(received)
    in_order = [embeddings[place] for place in sorted(range(wanted), key=lambda place: _index(entries[place], place))]
    with np.errstate(all="ignore"):
        return [_unit(_decoded(embedding)) for embedding in in_order]


def _embeddings(received: Received) -> list[object]:
    """What stands for each vector: its bytes, or in an answer of another form what is in the JSON."""
    try:
        return [entry["embedding"] for entry in _ENTRIES.validate_json(received.content)["data"]]
    except ValidationError:
        return [entry.get("embedding") for entry in received.body["data"]]


def _index(entry: Mapping[str, Any], place: int) -> int:
    index = entry.get("index")
    if isinstance(index, str) and index.isdecimal() and len(index) < len("1000000"):
        return int(index)
    return int(index) if isinstance(index, int | float) and math.isfinite(index) else place


def _decoded(embedding: object) -> NDArray[np.float32]:
    """The vector as it came; empty where it is none."""
    try:
        if isinstance(embedding, str):
            embedding = base64.b64decode(embedding.translate(_URL_SAFE), validate=True)
        if isinstance(embedding, bytes):
            return np.frombuffer(embedding, dtype="<f4")
        row = np.asarray(embedding, dtype=np.float32)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        return np.zeros(0, dtype=np.float32)
    return row if row.ndim == 1 else np.zeros(0, dtype=np.float32)


def _unit(row: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The row scaled to unit length (not all models do that); None where that cannot be."""
    length = float(np.sqrt(np.dot(row, row)))
    if abs(length - 1.0) < UNIT_TOLERANCE:
        return row
    return row / np.float32(length) if np.isfinite(length) and length > SHORTEST else None
