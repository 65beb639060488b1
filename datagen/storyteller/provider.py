"""The storyteller as a provider: it answers the project's own prompts, offline and for nothing."""

import json
import re

from backend.errors import UserError
from backend.languages import language_names, load_language
from backend.llm.provider import Completion, ProviderError, Refused
from datagen.storyteller.teller import load_storyteller

_WORDS = {
    "verb": re.compile(r'the verb "([^"]+)"'),
    "noun": re.compile(r'the noun "([^"]+)"'),
    "adjective": re.compile(r'the adjective "([^"]+)"'),
    "feature": re.compile(r'the (?:conclusion/tone|feature) "([^"]+)"'),
}
_LANGUAGE = re.compile(r"short story in (\w+)")


def answer(prompt_text: str) -> str:
    """The story for one prompt, as the JSON that the prompt asks for; its seed is the prompt's own text.

    Raises UserError for a text that is not one of the project's prompts.
    """
    found = {name: pattern.search(prompt_text) for name, pattern in _WORDS.items()}
    language = _LANGUAGE.search(prompt_text)
    if language is None or None in found.values():
        raise UserError(
            "The storyteller is a story grammar and answers only this project's prompts, with a language, a noun, "
            "a verb, an adjective and a feature; choose an LLM provider for other texts."
        )
    by_english_name = {load_language(name).english_name: name for name in language_names()}
    teller = load_storyteller(by_english_name.get(language.group(1), language.group(1).lower()))
    words = {name: match.group(1) for name, match in found.items()}
    return json.dumps({"story": teller.tell(**words, seed=prompt_text)}, ensure_ascii=False)


def make(choice) -> "StorytellerProvider":
    """The storyteller; it has nothing to choose."""
    return StorytellerProvider()


class StorytellerProvider:
    """`async complete(messages)` over the story grammar. Not an LLM; costs nothing."""

    name = "storyteller"
    model = "story-grammar"
    endpoint = "here"
    batch_size = 256

    def complete_many(self, batch: list[list[dict]]) -> list[Completion | ProviderError]:
        """The answers to a list of messages, or what `complete` would raise in their place."""
        return [self._answer(messages) for messages in batch]

    async def complete(self, messages, *, max_tokens=None, temperature=None, response_format=None) -> Completion:
        """Answers the last message. Raises Refused for a text that is not one of the project's prompts."""
        told = self._answer(messages)
        if isinstance(told, ProviderError):
            raise told
        return told

    def _answer(self, messages: list[dict]) -> Completion | ProviderError:
        try:
            return Completion(answer(messages[-1]["content"]), finish_reason="stop", cost=0.0)
        except UserError as error:
            return Refused(str(error))
