"""Stories while they are written: several at once, seeds, stopping, and what is known of each at the end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from backend.errors import UserError
from backend.slm.engine import TooLong
from backend.slm.sampling import MAX_SEED, Sampling
from backend.slm.shelf import Models

SHOW_EVERY = 0.05  # seconds between two looks at growing stories
MAX_STORIES = 8
MAX_WAITING = 400  # stories under way or waiting in one engine


@dataclass
class Draft:
    """One story under way. `ending` is '' while it grows, then eos, sentence, length, stopped or a clear sentence."""

    model: str
    seed: int
    text: str = ""
    tokens: int = 0
    ending: str = ""
    seconds: float = 0.0  # from its first token on

    @property
    def failed(self) -> bool:
        """Whether `ending` is a sentence on what went wrong."""
        return " " in self.ending


def draw_seed(seed: float | int | str | None, words: dict) -> int:
    """The visitor's seed, or a new one for an empty field. Raises UserError for what is no whole number of 0 or more.

    `words` are the labels of the page's language, here and below.
    """
    if seed is None or str(seed).strip() == "":
        return random.SystemRandom().randrange(1_000_000)
    try:
        number = int(str(seed).strip())
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_SEED:
        raise UserError(words["bad_seed"].format(seed=str(seed)[:40], limit=MAX_SEED))
    return number


async def write_stories(
    models: Models, drafts: list[Draft], opening: str, sampling: Sampling, stop: asyncio.Event, words: dict
) -> AsyncIterator[list[Draft]]:
    """The drafts again and again while they grow, the last time when all have ended.

    Setting `stop`, closing the iterator or cancelling its task frees the engine at once.
    """
    tasks = [asyncio.create_task(_write(models, draft, opening, sampling, words)) for draft in drafts]
    stopped = asyncio.create_task(stop.wait())
    try:
        left = set(tasks)
        while left:
            done, _ = await asyncio.wait({*left, stopped}, timeout=SHOW_EVERY, return_when=asyncio.FIRST_COMPLETED)
            left -= done
            if stop.is_set():
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                left = set()
            if left:
                yield drafts
        for draft in drafts:
            draft.ending = draft.ending or "stopped"
        yield drafts
    finally:
        for task in (*tasks, stopped):
            task.cancel()


async def _write(models: Models, draft: Draft, opening: str, sampling: Sampling, words: dict) -> None:
    lending = models.lend(draft.model)
    loading = asyncio.ensure_future(asyncio.to_thread(lending.__enter__))
    try:
        engine = await asyncio.shield(loading)
    except UserError as error:
        draft.ending = str(error)
        return
    except asyncio.CancelledError:  # the visitor left while it loads: give it back when it has loaded
        loading.add_done_callback(lambda done: done.exception() or lending.__exit__(None, None, None))
        raise
    if engine.load >= MAX_WAITING:
        lending.__exit__(None, None, None)
        draft.ending = words["busy"].format(count=engine.load)
        return
    story = engine.story(opening, replace(sampling, seed=draft.seed))
    started = 0.0
    try:
        async with aclosing(engine.tell(story)) as deltas:
            async for _ in deltas:
                started = started or time.perf_counter()
                draft.text, draft.tokens = story.text, story.tokens
                draft.seconds = time.perf_counter() - started
        draft.text, draft.ending = story.text, story.reason
    except TooLong as error:
        draft.ending = words["too_many_tokens"].format(tokens=error.tokens, limit=error.context, characters=error.characters)
    except UserError as error:
        draft.ending = str(error)
    except RuntimeError as error:
        draft.ending = words["model_failed"].format(error=str(error)[:120])
    finally:
        story.stop()
        draft.text = story.text
        lending.__exit__(None, None, None)
