"""Stories while they are written: several at once, seeds, stopping, and what is known of each at the end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from backend.errors import UserError
from backend.languages import load_language
from backend.slm.engine import Engine, TooLong
from backend.slm.sampling import MAX_SEED, Sampling, candidate_seeds
from backend.slm.shelf import Models
from backend.slm.story import Story
from evaluation.best_of import Told, best_place, is_unsure

SHOW_EVERY = 0.05  # seconds between two looks at growing stories, while few are under way
_MANY = 6  # from so many stories on they are shown less often, or showing would take more than telling
MAX_STORIES = 8
MAX_WAITING = 400  # stories under way or waiting in one engine
CANDIDATES = 8  # stories that a quick model tells where the visitor asks for no seed; the best is shown; as many again where it is unsure; fewer while others are served


@dataclass
class Draft:
    """One story under way. `ending` is '' while it grows, then eos, sentence, length, stopped or a clear sentence."""

    model: str
    seed: int
    language: str = ""  # where given, the seed may be another, of the best of several stories in that language
    text: str = ""
    tokens: int = 0
    ending: str = ""
    seconds: float = 0.0  # from its first token on
    fetched: float | None = None  # the share of its model that has come, while that is fetched from the Hub
    revision: str = ""  # the commit of a model of the Hub
    story: Story | None = field(default=None, repr=False)

    @property
    def ahead(self) -> int:
        """How many stories begin before it; 0 once it has begun."""
        return self.story.ahead if self.story and not self.ending else 0

    @property
    def coming(self) -> float | None:
        """The share of its model that has come, as long as that is what it waits for."""
        return None if self.ending else self.fetched

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
    models: Models, drafts: list[Draft], opening: str, sampling: Sampling, stop: asyncio.Event, words: dict, owner: str = ""
) -> AsyncIterator[list[Draft]]:
    """The drafts whenever they have grown, the last time when all have ended.

    `owner` is whom they are for, an address: slots are shared out evenly. Setting `stop`, closing the iterator or
    cancelling its task frees the engine at once.
    """
    begun = asyncio.Event()
    tasks = [asyncio.create_task(_write(models, draft, opening, sampling, words, owner, begun)) for draft in drafts]
    stopped, first_words = asyncio.create_task(stop.wait()), asyncio.create_task(begun.wait())
    try:
        left, shown, events = set(tasks), None, {stopped, first_words}
        while left:
            pause = SHOW_EVERY * max(1, models.load / _MANY)
            done, _ = await asyncio.wait(left | events, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            left -= done
            events.discard(first_words if first_words in done else None)
            if stop.is_set():
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                left = set()
            if left:
                for draft in drafts:
                    draft.fetched = models.fetching.get(draft.model)
                state = [(len(draft.text), draft.ahead, draft.fetched, draft.ending) for draft in drafts]
                if state != shown:
                    shown = state
                    yield drafts
        for draft in drafts:
            draft.ending = draft.ending or "stopped"
        yield drafts
    finally:
        for task in (*tasks, stopped, first_words):
            task.cancel()


async def _write(
    models: Models, draft: Draft, opening: str, sampling: Sampling, words: dict, owner: str, begun: asyncio.Event
) -> None:
    try:
        async with models.lend_async(draft.model) as engine:
            draft.revision = models.revisions.get(draft.model, "")
            if engine.load >= MAX_WAITING:
                draft.ending = words["busy"].format(count=engine.load)
                return
            if draft.language and engine.is_quick:
                draft.seed = await _best_seed(engine, draft, opening, sampling, owner, CANDIDATES // models.borrowers)
            draft.story = engine.story(opening, replace(sampling, seed=draft.seed), owner)
            await _follow(engine, draft, begun)
    except TooLong as error:
        draft.ending = words["too_many_tokens"].format(tokens=error.tokens, limit=error.context, characters=error.characters)
    except UserError as error:
        draft.ending = str(error)
    except RuntimeError as error:
        draft.ending = words["model_failed"].format(error=str(error)[:120])


async def _best_seed(engine: Engine, draft: Draft, opening: str, sampling: Sampling, owner: str, count: int) -> int:
    """Of `count` seeds that whose story is best, or of twice as many where that is unsure."""
    if count < 2:
        return draft.seed
    language = load_language(draft.language)
    seeds, told = candidate_seeds(draft.seed, 2 * count), []
    while len(told) < len(seeds):
        some = seeds[len(told) : len(told) + count]
        told += await asyncio.gather(*(_told(engine, opening, replace(sampling, seed=seed), owner) for seed in some))
        best = await asyncio.to_thread(best_place, opening, told, language)
        if not is_unsure(told[best]):
            break
    return seeds[best]


async def _told(engine: Engine, opening: str, sampling: Sampling, owner: str) -> Told:
    story = engine.story(opening, sampling, owner)
    async with aclosing(engine.tell(story)) as deltas:
        async for _ in deltas:
            pass
    sure = await asyncio.to_thread(engine.mean_log_probability, opening, story.text)
    return Told(story.text, story.reason == "eos", sure)


async def _follow(engine: Engine, draft: Draft, begun: asyncio.Event) -> None:
    story, started = draft.story, 0.0
    try:
        async with aclosing(engine.tell(story)) as deltas:
            async for _ in deltas:
                started = started or time.perf_counter()
                draft.text, draft.tokens = story.text, story.tokens
                draft.seconds = time.perf_counter() - started
                begun.set()
        draft.text, draft.ending = story.text, story.reason
    finally:
        story.stop()
        draft.text = story.text
