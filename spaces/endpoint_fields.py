"""The choice of who answers: an offline way, or an endpoint that the operator allowed, with the visitor's own key."""

from dataclasses import dataclass

import gradio as gr

from backend.errors import UserError
from backend.llm.prices import Price, load_prices, price_of
from backend.llm.provider import Fatal, ProviderError
from spaces.desk import PRIVATE, Desk, choices, note_html
from spaces.endpoints import Endpoint, allowed_endpoints, provider_at
from spaces.story import message_html

OFFLINE = "offline"


@dataclass(frozen=True)
class EndpointFields:
    """The parts, for wiring. The key's value goes with a request and is kept nowhere."""

    who: gr.Dropdown
    key: gr.Textbox
    endpoints: dict[str, Endpoint]

    def provider(self, who: str, key: str, words: dict):
        """A provider that asks `who` with this key. Raises UserError for one that the operator has not allowed."""
        if who not in self.endpoints:
            raise UserError(words["endpoint_unknown"])
        return provider_at(self.endpoints[who], key.strip())

    def price(self, who: str) -> Price | None:
        """Dollars per million tokens of the model that answers there, where the price list knows it."""
        return price_of(self.endpoints[who].model, load_prices()) if who in self.endpoints else None


def failure_html(error: UserError | ProviderError, who: str, key: str, words: dict) -> str:
    """What went wrong as one sentence; of a failure of the endpoint `who` also what a visitor can do."""
    if not isinstance(error, ProviderError):
        said = str(error)
    elif error.reason in ("connection broken", "timed out"):
        said = words["endpoint_unreachable"].format(endpoint=who)
    elif isinstance(error, Fatal) and error.reason == "not allowed" and not key.strip():
        said = words["key_missing"].format(endpoint=who)
    else:
        said = words["endpoint_failed"].format(reason=str(error).rstrip(". "))
    return message_html(said, "problem")


def endpoint_fields(desk: Desk, label_key: str, prefix: str) -> EndpointFields:
    """A dropdown that begins with the offline way, and a key field that shows when an endpoint is chosen.

    The dropdown's words are those of `label_key`; `LABEL_choices` names the offline way.
    """
    words, endpoints = desk.words, allowed_endpoints()
    with gr.Row(elem_classes="stack"):
        others = [(name, name) for name in endpoints]
        who = gr.Dropdown(
            choices(words, label_key) + others, value=OFFLINE, label=words[label_key],
            filterable=len(endpoints) > 8, elem_id=f"{prefix}-who", scale=2,
        )  # fmt: skip
        desk.label(label_key, who, others)
        key = gr.Textbox(
            label=words["key"], info=words["key_info"], type="password", max_lines=1, visible=False, elem_id=f"{prefix}-key",
            scale=2, html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False),
        )  # fmt: skip
        desk.label("key", key)
    if not endpoints:
        desk.label("endpoints_note", gr.HTML(note_html(words["endpoints_note"])))
    who.change(lambda name: gr.update(visible=name != OFFLINE), who, key, **PRIVATE)
    return EndpointFields(who, key, endpoints)
