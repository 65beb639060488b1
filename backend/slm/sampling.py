"""How a story is drawn from a model, and what comes of it."""

from dataclasses import dataclass

from backend.errors import UserError

MAX_SEED = 2**32 - 1


def seeds_in_a_row(first: int, count: int) -> list[int]:
    """So many seeds from the first on; after the highest comes 0."""
    return [(first + index) % (MAX_SEED + 1) for index in range(count)]


def candidate_seeds(first: int, count: int) -> list[int]:
    """Of stories of which one is chosen: so far apart that a visitor's next seeds, which are in a row, are others."""
    return [(first + 64 * index) % (MAX_SEED + 1) for index in range(count)]


@dataclass(frozen=True)
class Sampling:
    """Settings of one story. `top_k` 0, `top_p` 1 and `min_p` 0 leave every token in; `temperature` 0 takes the likeliest.

    `max_tokens` counts the completion alone; with `finish_sentence` up to EXTRA_TOKENS more may close its sentence.
    """

    temperature: float = 0.6
    top_k: int = 15
    top_p: float = 1.0
    min_p: float = 0.1
    repetition_penalty: float = 1.0
    max_tokens: int = 450
    seed: int = 0
    finish_sentence: bool = True

    def __post_init__(self):
        bounds = {
            "temperature": (0, 5), "top_k": (0, 100_000), "top_p": (0, 1), "min_p": (0, 1),
            "repetition_penalty": (0.1, 10), "max_tokens": (1, 100_000), "seed": (0, MAX_SEED),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise UserError(f"{name} is {value}, but must be a number from {low} to {high}.")
        for name in ("top_k", "max_tokens", "seed"):
            if getattr(self, name) != int(getattr(self, name)):
                raise UserError(f"{name} is {getattr(self, name)}, but must be a whole number.")
            object.__setattr__(self, name, int(getattr(self, name)))
        if not self.top_p:
            raise UserError("top_p is 0, which leaves no token; give more than 0, up to 1.")


EXTRA_TOKENS = 48  # that may follow max_tokens to close a sentence


@dataclass(frozen=True)
class Completion:
    """A told story, without its opening. `reason`: eos, sentence, length or stopped; `finished`: eos was reached."""

    text: str
    finished: bool
    tokens: int
    reason: str
