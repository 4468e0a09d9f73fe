"""What requests to a model cost: counted, capped, and never more than was reserved."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lead_assets.domain.prices import Price

MOST_TOKENS = 10_000_000
"""Of one answer; no model reads as many, so that an endpoint which says more is not believed."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer, as the endpoint counted them; None where it did not say, or said nothing sensible."""

    input: int | None = None
    output: int | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Tokens":
        """Read from the ``usage`` of an answer. Embeddings have no tokens that come out."""
        usage = answer.get("usage")
        if not isinstance(usage, Mapping):
            return cls()
        return cls(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens") or 0))

    def cost(self, price: Price | None) -> float | None:
        """US dollars; None where the price or the tokens are unknown."""
        if price is None or self.input is None or self.output is None:
            return None
        return price.of(self.input, self.output)


def _count(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Not a number compares as false.
    return int(value) if 0 <= value <= MOST_TOKENS and value == int(value) else None


class Usage:
    """What a run asked of an endpoint so far; shared by threads."""

    def __init__(self, price: Price | None) -> None:
        """Nothing yet. Without a ``price`` the cost is unknown."""
        self.price = price
        self.requests = self.retries = self.input_tokens = self.output_tokens = 0
        self.cost_usd = 0.0
        self.cost_is_known = price is not None
        self.waited_seconds = 0.0
        self._lock = threading.Lock()

    def sent(self, *, again: bool, seconds: float) -> None:
        """A request was sent and answered, or failed, within ``seconds``."""
        with self._lock:
            self.requests += 1
            self.retries += again
            self.waited_seconds += seconds

    def used(self, tokens: Tokens) -> float | None:
        """Count an answer's tokens; returns its cost in US dollars, None where it is unknown."""
        cost = tokens.cost(self.price)
        with self._lock:
            self.input_tokens += tokens.input or 0
            self.output_tokens += tokens.output or 0
            self.cost_usd += cost or 0.0
            self.cost_is_known = self.cost_is_known and cost is not None
        return cost

    def metadata(self) -> dict[str, Any]:
        """For a materialization: counts, US dollars, and the seconds that all requests took together."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": round(self.cost_usd, 6) if self.cost_is_known else "unknown",
            "seconds_requests": round(self.waited_seconds, 3),
        }


class Budget:
    """The caps of one run: each call is reserved before it is made, so that threads together never exceed them.

    A cap of 0 is none. ``reserve`` takes the most that a call can cost; ``settle`` gives back what it did not.
    """

    def __init__(self, calls: int = 0, cost_usd: float = 0.0) -> None:
        """Nothing reserved yet."""
        self._calls, self._cost = calls, cost_usd
        self._calls_made, self._cost_reserved = 0, 0.0
        self._lock = threading.Lock()

    @property
    def caps_cost(self) -> bool:
        """Whether reserving needs to know what a call may cost."""
        return self._cost > 0

    def reserve(self, most_usd: float = 0.0) -> bool:
        """Reserve a call; False where a cap does not allow it."""
        with self._lock:
            if self._calls and self._calls_made >= self._calls:
                return False
            if self._cost and self._cost_reserved + most_usd > self._cost + 1e-12:
                return False
            self._calls_made += 1
            self._cost_reserved += most_usd
            return True

    def settle(self, most_usd: float, cost_usd: float | None) -> None:
        """A reserved call was answered; where its cost is unknown, all that was reserved stays spent."""
        if cost_usd is not None:
            with self._lock:
                self._cost_reserved += cost_usd - most_usd

    def give_back(self, most_usd: float) -> None:
        """A reserved call was never made."""
        with self._lock:
            self._calls_made -= 1
            self._cost_reserved -= most_usd
