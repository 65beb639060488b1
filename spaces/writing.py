"""Stories while they are written: several at once, seeds, stopping, and what is known of each at the end."""

import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from backend.errors import UserError
from backend.slm.catalog import Models
from backend.slm.engine import Sampling

SHOW_EVERY = 0.04  # seconds between two looks at a growing story
MAX_STORIES = 8


@dataclass
class Draft:
    """One story under way. `ending` is '' while it grows, then eos, length, stopped or a clear sentence."""

    model: str
    seed: int
    text: str = ""
    tokens: int = 0
    ending: str = ""
    seconds: float = 0.0


def draw_seed(seed: float | int | str | None) -> int:
    """The visitor's seed, or a new one for an empty field. Raises UserError for what is no whole number of 0 or more."""
    if seed is None or seed == "":
        return random.SystemRandom().randrange(1_000_000)
    try:
        number = int(float(seed))
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not 0 <= number < 2**32:
        raise UserError(f"The seed '{seed}' is not a whole number from 0 to {2**32 - 1}; leave it empty for a new one.")
    return number


def write_stories(
    models: Models, names_and_seeds: list[tuple[str, int]], opening: str, sampling: Sampling, stop: threading.Event
) -> Iterator[list[Draft]]:
    """The drafts again and again while they grow, the last time when all have ended. Closing it frees the engine."""
    drafts = [Draft(name, seed) for name, seed in names_and_seeds]
    arrived: queue.SimpleQueue = queue.SimpleQueue()
    done = threading.Event()

    def work(draft: Draft) -> None:
        started = time.perf_counter()
        try:
            events = models.engine(draft.model).events(opening, replace(sampling, seed=draft.seed))
            for delta, finished, tokens in events:
                draft.text += delta
                draft.tokens = tokens
                draft.seconds = time.perf_counter() - started
                if finished is not None:
                    draft.ending = "eos" if finished else "length"
                elif stop.is_set() or done.is_set():
                    draft.ending = "stopped"
                    break
                arrived.put(None)
            events.close()
        except UserError as error:
            draft.ending = str(error)
        arrived.put(draft)

    for draft in drafts:
        threading.Thread(target=work, args=(draft,), daemon=True).start()
    left, shown = len(drafts), 0.0
    try:
        while left:
            first = arrived.get()
            left -= first is not None
            if time.monotonic() - shown >= SHOW_EVERY or not left:
                shown = time.monotonic()
                yield drafts
    finally:
        done.set()
