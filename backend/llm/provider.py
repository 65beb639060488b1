"""What a provider of large models is: one method, one answer, a few typed errors."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Completion:
    """An answer. Token counts are None where the provider tells none; `cost` is in dollars, None when not known."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    finish_reason: str = ""


class ProviderError(Exception):
    """The root of what `complete` raises; its text never holds a key."""


class RateLimited(ProviderError):
    """The endpoint asks for a pause, of `retry_after` seconds where it says so."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class Transient(ProviderError):
    """It may work when tried again: a time-out, a broken connection, a fault of the server."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ProviderError):
    """This prompt is declined; another may be answered."""


class Fatal(ProviderError):
    """No prompt will be answered: a wrong key, an unknown model."""


class Provider(Protocol):
    """An LLM behind one method. It knows nothing of journals, retries or limits."""

    name: str
    model: str

    async def complete(
        self,
        messages: list[dict],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        response_format: dict | None = None,
    ) -> Completion:
        """One answer. Raises RateLimited, Transient, Refused or Fatal."""
        ...
