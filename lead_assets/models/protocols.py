"""What embeds and what reads, as the pipeline sees them: one protocol each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lead_assets.domain.errors import ExtractionFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest


@dataclass(frozen=True)
class Embedded:
    """What became of a batch of texts.

    ``vectors`` has a unit row for each place in ``kept``, which is sorted; ``failed`` says of every other place why it
    has none; of the texts at ``truncated`` only a beginning was embedded.
    """

    vectors: NDArray[np.float32]
    kept: list[int]
    failed: dict[int, str] = field(default_factory=dict)
    truncated: frozenset[int] = frozenset()


class Embedder(Protocol):
    """Texts in, unit vectors out.

    ``name`` is the kind: ``local`` or ``openai``. ``model`` is the cache key of its vectors: it changes whenever the
    same text would get another vector. ``dimension`` is None while it is not known yet. ``cosine_threshold`` is
    the default of the cosine gate, because cosines of different models do not compare.
    """

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def dimension(self) -> int | None: ...

    @property
    def cosine_threshold(self) -> float: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape ``(len(texts), dimension)``, rows of unit length in the order of ``texts``.

        Raises:
            EmbeddingFailed: if any of the texts could not be embedded; none of the vectors is returned then.
        """
        ...

    def embed_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[tuple[int, Embedded]]:
        """What became of each batch with its number, as they come; a bad text does not spoil its batch.

        Raises:
            EmbeddingFailed, EndpointUnavailable: no further batch would be embedded; what came before is good.
        """
        ...

    def metadata(self) -> dict[str, Any]:
        """What was spent since it was made, for a materialization."""
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of one document: ``result``, what was said where that is no extraction, and what it took.

    ``cost_usd`` is None where it is unknown.
    """

    result: Extraction | ExtractionFailed
    raw_answer: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0

    @property
    def failure(self) -> str | None:
        """Why there is no extraction; None where there is one."""
        return str(self.result) if isinstance(self.result, ExtractionFailed) else None


class Extractor(Protocol):
    """Reads documents. ``name`` and ``model`` go into every row, so that a reader of the row knows who read it.

    ``is_free``: reading again costs nothing, so that no answer is looked for elsewhere.
    """

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def is_free(self) -> bool: ...

    def accepted_keys(self, request: ExtractionRequest) -> tuple[str, ...]:
        """SHA-256, in hexadecimal, of all that decides the answer: an extraction is current while it has this key.

        The last is the key of this reader's own answer; those before it are of better readers, whose answers it leaves.
        """
        ...

    def keys_basis(self, product: str) -> str:
        """Hash of all that ``accepted_keys`` depend on but the document: stored keys hold while it is the same."""
        ...

    def extract_all(self, requests: Sequence[ExtractionRequest]) -> Iterator[list[tuple[int, Outcome]]]:
        """The outcome of each request with its position in ``requests``, as they come; a failure is an outcome.

        What is ready at once comes as one list, to be stored as one. What a cap postpones has no outcome. The
        extractions are not grounded yet.

        Raises:
            EndpointUnavailable: no further document would be read; what came before is good.
        """
        ...

    def metadata(self) -> dict[str, Any]:
        """What was spent since it was made, for a materialization."""
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


class ModelKeys(Protocol):
    """The keys that a model's answers would have."""

    def of(self, request: ExtractionRequest) -> str: ...

    def basis(self, product: str) -> str: ...
