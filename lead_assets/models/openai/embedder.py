"""Embedding texts by an OpenAI-compatible endpoint.

What belongs here: requests, what is wrong with an answer, and finding the one bad text among many. What does not:
trying again (``endpoint``), what a server takes (``embedding_limits``), and which texts (``domain.ranking``).
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.domain.thresholds import cosine_threshold_of
from lead_assets.models.openai.concurrency import results
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS, MOST_TOKENS, KnownLimits
from lead_assets.models.openai.endpoint import MOST_BYTES, Endpoint, InputRefused, NoAnswer, Received
from lead_assets.models.openai.tokens import at_most, count_tokens, encodable, grouped
from lead_assets.models.openai.transfer import post
from lead_assets.models.openai.usage import Tokens
from lead_assets.models.openai.vectors import vectors_in
from lead_assets.models.protocols import Embedded

ENCODING = "cl100k_base"
"""That of all of OpenAI's embedding models; a good guess for others, whose own limit makes the text shorter."""
MAX_INPUT_TOKENS = 8192
FEWEST_TOKENS = 16
"""A text that is too long even so is not shortened further."""
HARMLESS = "A short text."
DECODING = 2
"""Batches whose answer is there beside those that are asked for; a killed run pays for these again too."""
MOST_BYTES_PER_TEXT = 512 * 1024
"""Of an answer beside ``MOST_BYTES``: a vector of 16,384 numbers with 30 characters each."""
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
        max_request_tokens: int = MOST_TOKENS,
        known: KnownLimits = KNOWN_LIMITS,
    ) -> None:
        """Nothing is sent yet."""
        self._endpoint = endpoint
        self._max_input, self._max_request = max_input_tokens, max_request_tokens
        self._limits = known.of(endpoint.address.url, endpoint.model)
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
        for ready in results(
            lambda _: next(numbered, None),
            lambda job: (job[0], self._embed(job[1])),
            self._at_work,
            self._endpoint.stopping,
        ):
            yield from ready

    def _embed(self, texts: Sequence[str]) -> Embedded:
        # An empty text is refused by most servers, and still wants a vector.
        cut = [at_most(encodable(text) or " ", self._max_input, ENCODING) for text in texts]
        shown = [text for text, _ in cut]
        truncated = {place for place, (_, was_cut) in enumerate(cut) if was_cut}
        rows: dict[int, NDArray[np.float32]] = {}
        failed: dict[int, str] = {}
        most_tokens = min(self._max_request, self._limits.most_tokens)
        for group in grouped(shown, self._limits.most_texts, most_tokens, ENCODING):
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
        if len(group) > self._limits.most_texts:
            for half in _halves(group):
                self._embed_group(texts, half, rows, failed, truncated)
            return
        try:
            found = self._request([texts[place] for place in group])
        except (InputRefused, NoAnswer) as error:
            if isinstance(error, NoAnswer):
                # One text may be what the server breaks at; more likely it is down.
                self._make_sure_that_others_are_taken(error)
            if len(group) > 1:
                lost = len(failed) + len(truncated)
                for half in _halves(group):
                    self._embed_group(texts, half, rows, failed, truncated)
                if len(failed) + len(truncated) == lost:
                    self._remember_limit([[texts[place] for place in half] for half in _halves(group)], str(error))
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

    def _remember_limit(self, taken: list[list[str]], refusal: str) -> None:
        """No text was at fault: all of them together were too many, or too much."""
        if "token" in refusal:
            self._limits.lower(tokens=max(sum(count_tokens(text, ENCODING) for text in texts) for texts in taken))
        else:
            self._limits.lower(texts=max(map(len, taken)))

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
                f"{self._endpoint.address.url} did not embed a batch ({error}). What was stored stays. Run again."
            ) from None
        raise EmbeddingFailed(
            f"{self._endpoint.address.url} refuses to embed any text with {self._endpoint.model} ({error}). "
            f"Check EMBEDDING_MODEL and {self._endpoint.address.url_setting}."
        ) from None

    def _request(self, texts: list[str]) -> list[NDArray[np.float32] | None]:
        """A row for each text, None where it is no vector.

        Raises:
            InputRefused: the texts, or one of them, are refused, or the answer is not one row for each.
            NoAnswer: the endpoint does not answer.
            EmbeddingFailed: it answers another dimension than it should.
        """
        encoding = self._limits.encoding
        while True:
            try:
                received = self._send(texts, encoding)
                break
            except InputRefused as refusal:
                other = self._limits.after_refusal(encoding, refusal)
                if other is None:
                    raise
                encoding = other
        self._endpoint.usage.used(Tokens.of(received.body))
        answered = vectors_in(received, len(texts))
        self._check_dimension(answered)
        if any(row is not None for row in answered):
            self._some_text_was_taken = True
            self._limits.works(encoding)
        return answered

    def _send(self, texts: list[str], encoding: str) -> Received:
        body = {"model": self._endpoint.model, "input": texts} | ({"encoding_format": encoding} if encoding else {})
        most_bytes = MOST_BYTES + len(texts) * MOST_BYTES_PER_TEXT
        with self._requests:
            return self._endpoint.send(lambda client: post(client, "/embeddings", body), most_bytes=most_bytes)

    def _check_dimension(self, rows: list[NDArray[np.float32] | None]) -> None:
        found = {len(row) for row in rows if row is not None}
        with self._lock:
            if self._dimension is None and len(found) == 1:
                (self._dimension,) = found
            if found - {self._dimension}:
                raise EmbeddingFailed(
                    f"{self._endpoint.address.url} gave vectors of {sorted(found)} dimensions for model "
                    f"{self._endpoint.model}, which has {self._dimension}. Nothing of the batch was stored. Check "
                    f"EMBEDDING_MODEL and {self._endpoint.address.url_setting}."
                )


def _halves(group: list[int]) -> tuple[list[int], list[int]]:
    return group[: len(group) // 2], group[len(group) // 2 :]
