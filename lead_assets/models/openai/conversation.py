"""One document's conversation with a model: asking, asking again, and what a cap on calls or cost allows.

What belongs here: the requests about one document. What does not: which documents are read (``extractor``), the prompt
(``prompt``), formats (``formats``), what counts as an answer (``answers``), or trying again (``endpoint``).
"""

from dataclasses import dataclass

from lead_assets.domain.errors import EndpointUnavailable
from lead_assets.domain.extraction import ExtractionRequest
from lead_assets.models.openai import prompt as prompt
from lead_assets.models.openai.answers import Answer, answer_in
from lead_assets.models.openai.endpoint import Endpoint, InputRefused, NoAnswer, Received, Stopped
from lead_assets.models.openai.formats import Dialect, Known
from lead_assets.models.openai.tokens import count_tokens
from lead_assets.models.openai.usage import Budget, Tokens

OVERHEAD_TOKENS = 200
"""What an endpoint may add to a request of its own, for estimating the most that it can cost."""


@dataclass
class Spent:
    """What one document took, over all its requests."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0

    def add(self, tokens: Tokens, cost: float | None) -> None:
        self.input_tokens += tokens.input or 0
        self.output_tokens += tokens.output or 0
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost


class CapReached(Exception):
    """Asking on would exceed a cap of the run."""


class Conversation:
    """Asks an endpoint about one document after another, also from several threads."""

    def __init__(
        self, endpoint: Endpoint, budget: Budget, known: Known, max_document_tokens: int, max_output_tokens: int
    ) -> None:
        """Nothing is sent yet."""
        self._endpoint, self._budget, self._known = endpoint, budget, known
        self._max_document, self._max_output = max_document_tokens, max_output_tokens

    @property
    def dialect(self) -> Dialect:
        """The best format that the endpoint is known to take."""
        return self._known.of(self._endpoint.address.url, self._endpoint.model)

    def most_usd(self, asked: list[prompt.Message]) -> float:
        """The most US dollars that a request can cost; 0 where nothing caps the cost."""
        price = self._endpoint.usage.price
        if price is None or not self._budget.caps_cost:
            return 0.0
        texts = [prompt.schema_text(), prompt.schema_text(), *(message["content"] for message in asked)]
        tokens = sum(count_tokens(text, prompt.ENCODING) for text in texts) + OVERHEAD_TOKENS
        return price.of(tokens, self._max_output)

    def about(self, request: ExtractionRequest, most_usd: float, spent: Spent) -> Answer:
        """Ask; where the answer does not validate, ask once more with what is wrong with it. The first call is
        reserved.

        Raises:
            CapReached, Stopped, EndpointUnavailable, InputRefused, NoAnswer: there is no answer.
        """
        first = prompt.messages(request, self._max_document)
        dialect, answer = self.ask(first, self.dialect, most_usd, spent)
        if answer.extraction is not None or answer.is_final:
            return answer
        if not dialect.proven and not answer.has_object:
            # It took the format and did not heed it: show the schema instead.
            dialect = dialect.showing_schema()
        again = prompt.asked_again(first, answer.raw, answer.complaint)
        most = self.most_usd(again)
        if not self._budget.reserve(most):
            return answer
        try:
            return self.ask(again, dialect, most, spent)[1]
        except (CapReached, Stopped, EndpointUnavailable, InputRefused, NoAnswer):
            # The first answer is paid for: it is kept. Where the endpoint ends here, the next document says so.
            return answer

    def ask(
        self, asked: list[prompt.Message], dialect: Dialect, most_usd: float, spent: Spent
    ) -> tuple[Dialect, Answer]:
        """One answer to ``asked``, in the best format that the endpoint takes; its first call is reserved."""
        while True:
            try:
                received = self._send(asked, dialect, most_usd, spent)
            except InputRefused as refusal:
                simpler = None if refusal.too_long or refusal.by_filter else dialect.after_refusal(str(refusal))
                if simpler is None:
                    raise
                dialect = simpler
                if not self._budget.reserve(most_usd):
                    raise CapReached from None
                continue
            answer = answer_in(received.body, asked[1]["content"], self._endpoint.scrubbed)
            if answer.extraction is not None:
                self._known.works(self._endpoint.address.url, self._endpoint.model, dialect)
            return dialect, answer

    def _send(self, asked: list[prompt.Message], dialect: Dialect, most_usd: float, spent: Spent) -> Received:
        """Send a reserved call; each repetition reserves another. What surely cost nothing is given back."""

        def before_repeating(failed: NoAnswer) -> None:
            if failed.is_free:
                self._budget.settle(most_usd, 0.0)
            if not self._budget.reserve(most_usd):
                raise CapReached

        try:
            received = self._endpoint.send(
                lambda client: dialect.send(client, self._endpoint.model, asked, self._max_output), before_repeating
            )
        except Stopped:
            self._budget.give_back(most_usd)
            raise
        except (InputRefused, NoAnswer) as error:
            if isinstance(error, InputRefused) or error.is_free:
                self._budget.settle(most_usd, 0.0)
            raise
        tokens = Tokens.of(received.body)
        cost = self._endpoint.usage.used(tokens)
        spent.add(tokens, cost)
        self._budget.settle(most_usd, cost)
        return received
