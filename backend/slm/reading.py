"""How likely a model finds what stands in a text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenReading:
    """A token in its place: its log probability (nats) after what stands before it, its rank there (0 the likeliest),

    and the likeliest tokens with theirs. The first token of a text has no reading of its own: nothing stands before it.
    """

    id: int
    log_probability: float | None
    rank: int | None
    likeliest: list[tuple[int, float]]
