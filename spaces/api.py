"""The app's named endpoints for programs, through gradio_client, and tools for agents, through MCP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import gradio as gr

from backend.errors import UserError
from backend.languages import load_language
from backend.slm.sampling import Sampling
from backend.slm.shelf import Models
from spaces.choice import choose_model, languages_written, models_for
from spaces.completions_logprobs import token_name
from spaces.labels import labels
from spaces.opening import clean_opening, language_of
from spaces.quota import Quota
from spaces.visitor import visitor_address
from spaces.writing import Draft, draw_seed, write_stories

_MOST_ALTERNATIVES = 50


def add_endpoints(models: Models, quota: Quota) -> None:
    """Add `/complete`, `/models` and `/tokens` to the Blocks under construction."""
    written = languages_written(models)

    async def complete(
        opening: str,
        language: str = "hindi",
        model: str | None = None,
        temperature: float = 0.6,
        top_k: int = 15,
        max_tokens: int = 450,
        seed: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.1,
        repetition_penalty: float = 1.0,
        request: gr.Request | None = None,
    ) -> AsyncIterator[str]:
        """Complete a story. Streams the story so far, opening included, and ends with the whole story.

        Args:
            opening: how the story begins
            language: the story's language, a folder of languages/ that a model here writes, such as hindi
            model: a model of the app, or a Hub id of an allowed organisation; by default the largest for the language
            temperature: how daring the draw is, 0 to 5; 0 takes the likeliest
            top_k: how many likely tokens are in the draw; 0 for all
            max_tokens: after so many tokens the story stops at its next sentence end
            seed: the same seed gives the same story; by default a new one is drawn
            top_p: the likeliest tokens that together reach this share are in the draw
            min_p: a token must be at least this likely, measured by the likeliest
            repetition_penalty: above 1, what was said before becomes less likely
        """
        with _plainly():
            words = labels("english")
            load_language(language)
            text = clean_opening(opening)
            spoken = language_of(text, language, written=written)
            draft = Draft(choose_model(models, model, spoken), draw_seed(seed, words))
            sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty, max_tokens=max_tokens)
            shown = None
            owner = visitor_address(request)
            with quota.taking(owner, 1, words):
                async for _ in write_stories(models, [draft], text, sampling, asyncio.Event(), words, owner):
                    if draft.text and draft.text != shown:
                        shown = draft.text
                        yield text + shown
            if draft.failed:
                raise UserError(draft.ending)
            if not draft.text:
                yield text

    def list_models(language: str | None = None) -> list[dict]:
        """The models of the app, those that suit a language best first.

        Args:
            language: a folder of languages/, such as hindi; by default all models are listed
        """
        with _plainly():
            names = models_for(models, load_language(language).name) if language else list(models.folders)
            found = [models.folders[name] for name in names]
            return [{"name": model.name, "languages": list(model.languages), "bytes": model.bytes} for model in found]

    async def tokens(
        text: str, language: str = "hindi", model: str | None = None, alternatives: int = 5, request: gr.Request | None = None
    ) -> dict:
        """How a model sees a text: its tokens, how likely each was after those before it, and what else was likely.

        Args:
            text: up to 1,500 characters
            language: the text's language, a folder of languages/ that a model here writes, such as hindi
            model: a model of the app, or a Hub id of an allowed organisation; by default the largest for the language
            alternatives: how many of the likeliest tokens are given for each place, 0 to 50
        """
        with _plainly():
            load_language(language)
            if not 0 <= int(alternatives) <= _MOST_ALTERNATIVES:
                raise UserError(f"alternatives is {alternatives}, but must be a number from 0 to {_MOST_ALTERNATIVES}.")
            text = clean_opening(text)
            name = choose_model(models, model, language_of(text, language, written=written))
            with quota.taking(visitor_address(request), 1, labels("english")):
                async with models.lend_async(name) as engine:
                    readings = await asyncio.to_thread(engine.read, engine.prompt_ids(text), int(alternatives))
                    table, revision = engine.token_bytes, models.revisions.get(name, "")
            found = [
                {
                    "id": token.id, "text": token_name(token.id, table), "log_probability": token.log_probability, "rank": token.rank,
                    "likeliest": [{"id": i, "text": token_name(i, table), "log_probability": score} for i, score in token.likeliest],
                }
                for token in readings[1:]
            ]  # fmt: skip
            return {"model": name, "revision": revision, "tokens": found}

    gr.api(complete, api_name="complete", concurrency_limit=None)
    gr.api(list_models, api_name="models", concurrency_limit=None)
    gr.api(tokens, api_name="tokens", concurrency_limit=None)


@contextmanager
def _plainly() -> Iterator[None]:
    """A UserError's sentence is what the caller gets."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from None
