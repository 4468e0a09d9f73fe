"""Reading candidates with a model behind an OpenAI-compatible endpoint.

What belongs here: which documents are asked about, several at once, within the caps, and whose fault a failure is. What
does not: the requests about one document (``conversation``) or grounding (``domain.extraction``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lead_assets.domain.errors import EndpointUnavailable, ExtractionFailed, SettingInvalid
from lead_assets.domain.extraction import Extraction, ExtractionRequest
from lead_assets.models.openai import prompt as prompt
from lead_assets.models.openai.concurrency import results
from lead_assets.models.openai.conversation import CapReached, Conversation, Spent
from lead_assets.models.openai.endpoint import Endpoint, InputRefused, NoAnswer, Stopped
from lead_assets.models.openai.formats import KNOWN, Known
from lead_assets.models.openai.usage import Budget
from lead_assets.models.protocols import Outcome

MOST_FAILURES_IN_A_ROW = 5
"""After so many documents in a row that were not read, it is found out whether that is their fault."""
HARMLESS = ExtractionRequest("A product.", "A short text.", "")
"""What an endpoint that does not read this reads nothing."""
RAW_KEPT_CHARACTERS = 4_000


@dataclass(frozen=True)
class _Job:
    position: int
    request: ExtractionRequest
    most_usd: float


@dataclass(frozen=True)
class _Done:
    """``outcome`` is None where a cap did not let the document be read; ``unanswered``: not the model's doing."""

    position: int
    outcome: Outcome | None
    unanswered: bool = False


class OpenAIExtractor:
    """Reads documents, several at once, each in its own request. The caps hold for one instance: make one for a run."""

    name = "openai"
    is_free = False

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int = 8,
        max_calls: int = 0,
        max_cost_usd: float = 0.0,
        max_document_tokens: int = prompt.MAX_DOCUMENT_TOKENS,
        max_output_tokens: int = 1500,
        known: Known = KNOWN,
    ) -> None:
        """Nothing is sent yet; a cap of 0 is none.

        Raises:
            SettingInvalid: there is a cap on cost, and nobody knows what the model costs.
        """
        self._endpoint = endpoint
        self._concurrency = concurrency
        self._budget = Budget(max_calls, max_cost_usd)
        self._max_document = max_document_tokens
        self._keys = prompt.RequestKeys(endpoint.model, max_document_tokens)
        self._conversation = Conversation(endpoint, self._budget, known, max_document_tokens, max_output_tokens)
        if self._budget.caps_cost and endpoint.usage.price is None:
            raise SettingInvalid(
                f"LLM_MAX_COST_PER_RUN is set, but the price of {endpoint.model} is unknown. Set MODEL_PRICES to "
                f'{{"{endpoint.model}": [dollars per million tokens in, and out]}}, or use LLM_MAX_CALLS_PER_RUN.'
            )

    @property
    def model(self) -> str:
        """The model's name."""
        return self._endpoint.model

    def metadata(self) -> dict[str, Any]:
        """What was asked of the endpoint so far."""
        return self._endpoint.usage.metadata()

    def close(self) -> None:
        """Close connections."""
        self._endpoint.close()

    def accepted_keys(self, request: ExtractionRequest) -> tuple[str, ...]:
        """The key of the request: nothing stands in for a model's own answer."""
        return (self._keys.of(request),)

    def keys_basis(self, product: str) -> str:
        """Hash of all that the keys depend on but the document."""
        return self._keys.basis(product)

    def extract_all(self, requests: Sequence[ExtractionRequest]) -> Iterator[list[tuple[int, Outcome]]]:
        """The outcome of each request with its position, as they come; those that a cap postpones have none.

        Nothing more is asked until the next list is: what is stored at once is never paid for twice.

        The first are asked first. Where nothing is known of the endpoint, one document is read alone, so that a wrong
        key or an unknown format costs one request and not as many as run at once.

        Raises:
            EndpointUnavailable: no further document would be read; the outcomes that came before are good.
        """
        waiting = _Waiting(self, requests)
        held: list[_Done] = []
        broken: EndpointUnavailable | None = None
        for ready in results(waiting.take, self._read, self._concurrency, self._endpoint.stopping):
            outcomes: list[tuple[int, Outcome]] = []
            for done in ready:
                waiting.one_done()
                if done.outcome is None:
                    continue
                if not done.unanswered:
                    # The endpoint works: what failed before was the documents' fault.
                    outcomes += _positioned(held)
                    held.clear()
                    outcomes.append((done.position, done.outcome))
                    continue
                if broken is None:
                    held.append(done)
                if len(held) >= MOST_FAILURES_IN_A_ROW:
                    blamed, broken = self._judged(held)
                    held.clear()
                    outcomes += _positioned(blamed)
                    if broken is not None:
                        # What is under way may still be answered, and is paid for.
                        waiting.end()
                        self._endpoint.stopping.set()
            if outcomes:
                yield outcomes
        if held and broken is None:
            self._endpoint.stopping.clear()
            blamed, broken = self._judged(held)
            yield _positioned(blamed)
        if broken is not None:
            raise broken

    def _judged(self, held: list[_Done]) -> tuple[list[_Done], EndpointUnavailable | None]:
        """Those of ``held`` whose own fault it is that they were not read; the error where it is the endpoint's.

        Nobody is blamed where a cap does not let us find out.
        """
        asked = prompt.messages(HARMLESS)
        most = self._conversation.most_usd(asked)
        if not self._budget.reserve(most):
            return [], None
        try:
            self._conversation.ask(asked, self._conversation.dialect, most, Spent())
        except (CapReached, Stopped):
            return [], None
        except EndpointUnavailable as error:
            return [], error
        except (InputRefused, NoAnswer) as error:
            many = f"{len(held)} documents in a row" if len(held) > 1 else "a document"
            return [], EndpointUnavailable(
                f"{self._endpoint.address.url} did not read {many}, nor a harmless text ({error}). Look at the "
                f"server, LLM_MODEL and {self._endpoint.address.url_setting}, and run again."
            )
        return list(held), None

    def is_known(self) -> bool:
        """Whether an answer of this endpoint has validated in this process."""
        return self._conversation.dialect.proven

    def reserve(self, request: ExtractionRequest) -> float | None:
        """Reserve the first call for a document: the most US dollars that it can cost; None where a cap forbids it."""
        most = (
            self._conversation.most_usd(prompt.messages(request, self._max_document)) if self._budget.caps_cost else 0.0
        )
        return most if self._budget.reserve(most) else None

    def _read(self, job: _Job) -> _Done:
        """Read one document; its first call is reserved."""
        spent = Spent()
        try:
            answer = self._conversation.about(job.request, job.most_usd, spent)
        except (Stopped, CapReached):
            return _Done(job.position, None)
        except (InputRefused, NoAnswer) as error:
            failure = ExtractionFailed(f"The endpoint did not read it ({error}).")
            by_filter = isinstance(error, InputRefused) and error.by_filter
            return _Done(job.position, _outcome(failure, None, spent), unanswered=not by_filter)
        if answer.extraction is not None:
            return _Done(job.position, _outcome(answer.extraction, None, spent))
        failure = ExtractionFailed(answer.complaint)
        return _Done(job.position, _outcome(failure, answer.raw[:RAW_KEPT_CHARACTERS], spent))


class _Waiting:
    """The documents that are still to be read, in order, and whether one may start now."""

    def __init__(self, extractor: OpenAIExtractor, requests: Sequence[ExtractionRequest]) -> None:
        self._extractor = extractor
        self._todo = list(enumerate(requests))[::-1]
        self._done = 0

    def one_done(self) -> None:
        self._done += 1

    def end(self) -> None:
        """None of the others is to start."""
        self._todo.clear()

    def take(self, under_way: int) -> _Job | None:
        """The next document, if there is one and a cap and the endpoint allow it."""
        if not self._todo or (under_way and not self._done and not self._extractor.is_known()):
            return None
        position, request = self._todo[-1]
        most = self._extractor.reserve(request)
        if most is None:
            if not under_way:
                # Nothing can be given back any more: this one and all after it are left for the next run.
                self.end()
            return None
        self._todo.pop()
        return _Job(position, request, most)


def _positioned(held: list[_Done]) -> list[tuple[int, Outcome]]:
    return [(done.position, done.outcome) for done in held if done.outcome is not None]


def _outcome(result: Extraction | ExtractionFailed, raw: str | None, spent: Spent) -> Outcome:
    return Outcome(result, raw, spent.input_tokens, spent.output_tokens, spent.cost_usd)
