"""What a run will take, before any call is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from backend.llm.engine import Item
from backend.llm.prices import Price
from backend.llm.tokens import message_tokens

_SAMPLE = 200


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and dollars, the latter None when no price is known."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "at an unknown price" if self.cost is None else f"about ${self.cost:,.2f}"
        return f"{self.calls:,} calls, about {self.input_tokens:,} tokens in and {self.output_tokens:,} out, {cost}"


def estimate(items: Iterable[Item], calls: int, tokens_out: float, price: Price | None) -> Estimate:
    """For so many calls with items like the first of these and answers of so many tokens."""
    sample = [message_tokens(item.messages) for item in islice(items, _SAMPLE)]
    tokens_in = sum(sample) / max(1, len(sample)) * calls
    cost = price.of(tokens_in, tokens_out * calls) if price else None
    return Estimate(calls, round(tokens_in), round(tokens_out * calls), cost)
