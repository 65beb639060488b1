"""The app's named endpoint for programs, through gradio_client."""

import asyncio
from collections.abc import AsyncIterator

import gradio as gr

from backend.errors import UserError
from backend.languages import load_language
from backend.slm.sampling import Sampling
from backend.slm.shelf import Models
from spaces.choice import choose_model, languages_written
from spaces.labels import labels
from spaces.opening import clean_opening, language_of
from spaces.quota import Quota
from spaces.visitor import visitor_address
from spaces.writing import Draft, draw_seed, write_stories


def add_complete(models: Models, quota: Quota) -> None:
    """Add `/complete` to the Blocks under construction."""

    written = languages_written(models)

    async def complete(
        opening: str,
        language: str = "hindi",
        model: str | None = None,
        temperature: float = 0.6,
        top_k: int = 15,
        max_tokens: int = 450,
        seed: int | None = None,
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
        """
        try:
            words = labels("english")
            load_language(language)
            text = clean_opening(opening)
            spoken = language_of(text, language, written=written)
            draft = Draft(choose_model(models, model, spoken), draw_seed(seed, words))
            sampling = Sampling(temperature, top_k, max_tokens=max_tokens)
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
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    gr.api(complete, api_name="complete", concurrency_limit=None)
