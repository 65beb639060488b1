"""The LLM endpoints that whoever runs the app has allowed; nothing else is ever asked."""

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import UserError

VARIABLE = "TINYSTORIES_ENDPOINTS"
_EXAMPLE = "https://api.example.com/v1 model-a model-b; http://127.0.0.1:8000/v1 my-model"


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible address and one model there."""

    base_url: str
    model: str

    @property
    def name(self) -> str:
        """What visitors choose: the model, and the host that will see their text."""
        return f"{self.model} @ {urlsplit(self.base_url).netloc}"


def allowed_endpoints() -> dict[str, Endpoint]:
    """Endpoints by name, from TINYSTORIES_ENDPOINTS: `URL MODEL [MODEL ...]`, several of these separated by `;`.

    Raises UserError for what cannot be read.
    """
    found = {}
    for entry in re.split(r"[;\n]", os.environ.get(VARIABLE, "")):
        address, *models = entry.split()[:100] or [""]
        if not address:
            continue
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not models:
            raise UserError(f"{VARIABLE} has '{entry.strip()[:80]}', which is no `URL MODEL …`; write it like: {_EXAMPLE}")
        for model in models:
            endpoint = Endpoint(address.rstrip("/"), model)
            found[endpoint.name] = endpoint
    return found


def provider_at(endpoint: Endpoint, key: str):
    """The provider that asks an endpoint with a visitor's key, which lives as long as the provider. Close it when done."""
    from backend.llm.openai_provider import OpenAIProvider

    # Never empty: a key of the operator's own environment is not for visitors.
    return OpenAIProvider(endpoint.model, endpoint.base_url, api_key=key or "none")
