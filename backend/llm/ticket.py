"""What a call is thought to take when it goes, and what it took when it is back, in tokens and dollars."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.llm.backlog import Work
from backend.llm.lane import Lane
from backend.llm.provider import Completion
from backend.llm.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a call was thought to take when it went."""

    tokens: float
    most_tokens: float
    most_dollars: float


class Tickets:
    """Expects of the next answer what the answers so far took on average."""

    def __init__(self, max_tokens: int | None):
        self._max_tokens = max_tokens
        self._sum, self._count = float(max_tokens or 600), 1  # of output tokens

    def ticket(self, work: Work, lanes: Sequence[Lane]) -> Ticket:
        """For a call to any of these lanes."""
        mean = self._sum / self._count
        most = work.tokens_in * 2 + (self._max_tokens or 2 * mean)
        dearest = max((lane.price.of(work.tokens_in * 2, most - work.tokens_in * 2) for lane in lanes if lane.price), default=0.0)
        return Ticket(work.tokens_in + mean, most, dearest)

    def used(self, lane: Lane, work: Work, completion: Completion | None) -> tuple[float, float | None]:
        """Tokens and dollars of a completion, estimated where the provider is silent; dollars None without a price."""
        if completion is None:
            return 0.0, 0.0
        tokens_in = work.tokens_in if completion.input_tokens is None else completion.input_tokens
        tokens_out = estimate_tokens(completion.text) if completion.output_tokens is None else completion.output_tokens
        cost = completion.cost
        if cost is None and lane.price:
            cost = lane.price.of(tokens_in, tokens_out)
        self._sum, self._count = self._sum + tokens_out, self._count + 1
        return tokens_in + tokens_out, cost
