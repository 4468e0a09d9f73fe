"""What models cost, and the arithmetic of it. Prices change: ``MODEL_PRICES`` replaces and adds to this table."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

PER = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens that go in and that come out."""

    input: float
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int = 0) -> float:
        """US dollars for so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / PER


# Source: openai.com/api/pricing, standard tier, as published for these models.
DEFAULTS: Mapping[str, Price] = {
    "text-embedding-3-small": Price(0.02),
    "text-embedding-3-large": Price(0.13),
    "gpt-4o-mini": Price(0.15, 0.60),
    "gpt-4o": Price(2.50, 10.00),
    "gpt-4.1-mini": Price(0.40, 1.60),
    "gpt-4.1-nano": Price(0.10, 0.40),
}

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def parse_prices(text: str) -> dict[str, Price]:
    """Prices from JSON such as ``{"my-model": [0.15, 0.60]}``: dollars per million tokens in and out.

    Raises:
        ValueError: with what is expected.
    """
    if not text.strip():
        return {}
    wrong = 'it must be JSON such as {"my-model": [0.15, 0.60]}: dollars per million tokens in and out'
    try:
        given = json.loads(text)
        prices = {str(model): Price(*(float(part) for part in pair)) for model, pair in given.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ValueError(wrong) from None
    if not all(0 <= amount < float("inf") for price in prices.values() for amount in (price.input, price.output)):
        raise ValueError(wrong)
    return prices


def price_of(model: str, given: Mapping[str, Price]) -> Price | None:
    """The price of ``model`` (a dated version costs what its model costs); None where nobody said."""
    table = {**DEFAULTS, **given}
    return table.get(model) or table.get(_DATED.sub("", model))
