"""A run's budget of dollars and tokens, over the whole life of its journal."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What a journal may cost in all; None is no bound. Calls under way are counted at the most that they can cost."""

    dollars: float | None = None
    tokens: int | None = None


class Purse:
    """What of a budget is spent, and what calls under way may still take."""

    def __init__(self, budget: Budget, dollars: float, tokens: float):
        self._budget, self.dollars, self.tokens = budget, dollars, tokens
        self._held_dollars = self._held_tokens = 0.0

    def can_take(self, dollars: float, tokens: float) -> bool:
        """Whether one more call fits, even if all calls take the most they can."""
        limit = self._budget
        return (limit.dollars is None or self.dollars + self._held_dollars + dollars <= limit.dollars) and (
            limit.tokens is None or self.tokens + self._held_tokens + tokens <= limit.tokens
        )

    def hold(self, dollars: float, tokens: float) -> None:
        """A call goes."""
        self._held_dollars += dollars
        self._held_tokens += tokens

    def settle(self, dollars: float, tokens: float, cost: float, used: float) -> None:
        """A call that was held at `dollars` and `tokens` is back, and took `cost` and `used`."""
        self._held_dollars -= dollars
        self._held_tokens -= tokens
        self.dollars += cost
        self.tokens += used

    def told(self, dollars: float, tokens: float) -> str:
        """What is spent of each bound, and what one more call may take, in words."""
        limit, parts = self._budget, []
        if limit.dollars is not None:
            parts.append(f"${self.dollars:.4f} of ${limit.dollars:.4f}, and one more call may take ${dollars:.4f}")
        if limit.tokens is not None:
            parts.append(f"{int(self.tokens):,} of {limit.tokens:,} tokens, and one more call may take {int(tokens):,}")
        return "; ".join(parts)
