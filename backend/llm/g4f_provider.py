"""Large models through g4f (GPL-3.0, an extra): the free providers that it finds, or endpoints of one's own.

g4f's providers are websites that were not made to be called by programs. Read their terms of use before you ask them
anything, and take a paid endpoint for a data set of any size.
"""

import asyncio
import os
import re

from backend.errors import UserError
from backend.llm.openai_provider import shown_url
from backend.llm.provider import Completion, Fatal, ProviderError, RateLimited, Refused, Timeouts, Transient

_STATUS = re.compile(r"\b(?:Response|Error) (\d{3})\b")


def make(choice) -> list["G4FProvider"]:
    """One for each base URL of the choice, or one for g4f's own providers."""
    if choice.model is None:
        raise UserError("--provider g4f needs a --model, such as gpt-4o-mini.")
    return [G4FProvider(choice.model, url, timeouts=choice.timeouts) for url in choice.base_urls or (None,)]


class G4FProvider:
    """A model through g4f. The key, where one is needed, comes from `G4F_API_KEY`. Structured output is not asked for."""

    name = "g4f"

    def __init__(self, model: str, base_url: str | None = None, *, timeouts: Timeouts | None = None):
        """Raises UserError when g4f is not installed or the URL is none."""
        try:
            import g4f
            from g4f.client import AsyncClient
        except ImportError:
            raise UserError("g4f is an extra with a licence of its own (GPL-3.0); `pip install -r requirements-extra.txt` installs it.") from None
        g4f.debug.version_check = g4f.debug.logging = False  # no calls beside those that are asked for
        self.model, self.endpoint = model, shown_url(base_url) if base_url else "g4f"
        self._timeouts = timeouts or Timeouts()
        self._key = os.environ.get("G4F_API_KEY", "")
        options = {}
        if base_url:
            # With a model named, g4f does not ask for the list of models, which would hold up all other calls.
            endpoint = type("Endpoint", (g4f.Provider.Custom,), {"models": [model]})
            options = {"provider": endpoint, "base_url": base_url}
        self._client = AsyncClient(api_key=self._key or None, **options)

    async def complete(self, messages, *, max_tokens=None, temperature=None, response_format=None) -> Completion:
        """One answer. Raises RateLimited, Transient, Refused or Fatal."""
        more = {name: value for name, value in (("max_tokens", max_tokens), ("temperature", temperature)) if value is not None}
        try:
            async with asyncio.timeout(self._timeouts.whole):  # g4f's own is not kept
                done = await self._client.chat.completions.create(messages, self.model, stream=False, **more)
            choice = done.choices[0]
            text, finish = choice.message.content, choice.finish_reason
        except TimeoutError:
            raise Transient(f"{self.endpoint} took longer than {self._timeouts.whole:g} s", "timed out") from None
        except StopAsyncIteration:
            raise Transient(f"{self.endpoint} gave no answer", "unreadable answer") from None
        except Exception as error:
            raise self._typed(error) from None
        usage = getattr(done, "usage", None)
        return Completion(
            text or "", getattr(usage, "prompt_tokens", None) or None, getattr(usage, "completion_tokens", None) or None,
            None, finish or "",
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections that g4f keeps for this event loop; a later `complete` opens new ones."""
        from g4f.requests.aiohttp import get_shared_connector

        if connector := get_shared_connector():
            await connector.close()

    def _typed(self, error: Exception) -> ProviderError:
        import aiohttp
        from g4f import errors

        message = f"{self.endpoint}: {type(error).__name__}: {error}"[:1000]
        if len(self._key) > 3:
            message = message.replace(self._key, "***")
        found = _STATUS.search(str(error))
        status = int(found.group(1)) if found else 0
        if isinstance(error, errors.PaymentRequiredError) or status == 402:
            return Fatal(message, "no money")
        if isinstance(error, errors.MissingAuthError) or status in (401, 403):
            return Fatal(message, "not allowed")
        if isinstance(error, errors.ModelNotFoundError | errors.ProviderNotFoundError | errors.MissingRequirementsError) or status == 404:
            return Fatal(message, "not found")
        if isinstance(error, errors.RateLimitError) and status != 504:
            return RateLimited(message)
        if 400 <= status < 500 and status not in (408, 409, 425):
            return Refused(message, f"status {status}")
        if status:
            return Transient(message, f"status {status}")
        if isinstance(error, aiohttp.ClientError | OSError):
            return Transient(message, "connection broken")
        return Transient(message, "unreadable answer")
