"""What a provider of large models is: one method, one answer, a few typed errors."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an endpoint says of its own limits: requests and tokens a minute, and a pause in seconds when it is used up."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. Token counts are None where the provider tells none; `cost` is in dollars, None when not known.

    `calls` is how many requests it took: those are counted whose form was declined before.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    finish_reason: str = ""
    allowance: Allowance | None = None
    calls: int = 1


class ProviderError(Exception):
    """The root of what `complete` raises; its text never holds a key. `reason` is a short name that is counted.

    `calls` is how many requests were sent.
    """

    calls = 1

    def __init__(self, message: str, reason: str = "provider error", retry_after: float | None = None):
        super().__init__(message)
        self.reason, self.retry_after = reason, retry_after


class RateLimited(ProviderError):
    """The endpoint asks everybody to pause, for `retry_after` seconds where it says so."""

    def __init__(self, message: str, retry_after: float | None = None, allowance: Allowance | None = None):
        super().__init__(message, "rate limited", retry_after)
        self.allowance = allowance


class Transient(ProviderError):
    """It may work when tried again: a time-out, a broken connection, a fault of the server, an unreadable body."""

    def __init__(self, message: str, reason: str = "server error", retry_after: float | None = None):
        super().__init__(message, reason, retry_after)


class Refused(ProviderError):
    """This prompt is declined; another may be answered."""

    def __init__(self, message: str, reason: str = "refused"):
        super().__init__(message, reason)


class Fatal(ProviderError):
    """No prompt will be answered: a wrong key, an unknown model, an account without money. `advice` says what to do."""

    def __init__(self, message: str, reason: str = "fatal", advice: str = "mend that"):
        super().__init__(message, reason)
        self.advice = advice


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, between two bytes (so also to the first one), and for a whole request."""

    connect: float = 10.0
    first_byte: float = 120.0
    whole: float = 300.0


class Provider(Protocol):
    """An LLM behind one method. It knows nothing of journals, retries or limits."""

    name: str
    model: str
    endpoint: str  # where it is, for reports; never with a key

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

    async def close(self) -> None:
        """Let go of connections; `complete` may be called again afterwards, in another event loop too."""
        ...


class LocalProvider(Protocol):
    """A model in this very process: it answers lists of messages at once, and makes nobody wait for a network."""

    name: str
    model: str
    endpoint: str
    batch_size: int

    def complete_many(self, batch: list[list[dict]]) -> list[Completion | ProviderError]:
        """The answers in order, or in their place what `complete` would raise."""
        ...
