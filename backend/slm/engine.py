"""Serves one small model: many readers at once, each story the same for the same seed whatever else runs."""

import asyncio
import os
import queue
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from backend.errors import UserError
from backend.slm.batcher import Batcher, Request
from backend.slm.config import cache_bytes, read_config
from backend.slm.conversion import converted
from backend.slm.reading import TokenReading
from backend.slm.sampling import Completion, Sampling, seeds_in_a_row
from backend.slm.spelling import read_lines
from backend.slm.story import Story
from backend.slm.text import token_bytes
from backend.tokenizer import load_tokenizer

_DEFAULT = Sampling()
_ROOM = 16  # tokens that an opening must leave for its story
_LONGEST_CONTEXT = 2048  # tokens; of a model that reads more, stories here stay as short
_QUICK = 4_000_000  # bytes of weights: a core tells a story of such a model in 0.03 s
_UNREADABLE = -99.0  # nats a token
_AT_ONCE = 32  # stories of one complete_many in the batch; the rest of its slots are for readers who wait


class TooLong(UserError):
    """An opening that leaves no room for a story; `characters` is about what would fit."""

    def __init__(self, tokens: int, context: int, characters: int):
        self.tokens, self.context, self.characters = tokens, context, characters
        super().__init__(
            f"The opening has {tokens:,} tokens, but this model reads {context}, its story included; "
            f"shorten it to about {characters:,} characters."
        )


class Engine:
    """`stream` for a reader who waits, `complete_many` for many stories; all share one batch."""

    def __init__(self, folder: Path | str, threads: int | None = None):
        """A model folder. Raises UserError for one that cannot be served."""
        folder = Path(folder)
        config = read_config(folder)
        if not (folder / "tokenizer.json").exists():
            raise UserError(f"{folder} has no tokenizer.json, so its text cannot be read; export the tokenizer with it.")
        read_lines(folder)  # here a faulty list of words can be told of
        path = converted(folder)
        self.name = folder.name
        self.tokenizer = load_tokenizer(folder)
        self.context = min(int(config["max_position_embeddings"]), _LONGEST_CONTEXT)
        self.vocab_size = int(config["vocab_size"])
        self.token_bytes = token_bytes(self.tokenizer.backend)
        self._weight_bytes = (path / "weights.bin").stat().st_size
        self._batcher = Batcher(
            folder=str(folder.resolve()), path=str(path), eos_id=self.tokenizer.eos_id, context=self.context,
            cache_bytes=cache_bytes(config), threads=threads or len(os.sched_getaffinity(0)),
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """The most memory that it holds, about: weights, and keys and values of as many stories as it tells at once."""
        return self._weight_bytes + self._batcher.max_cache_bytes

    @property
    def load(self) -> int:
        """Stories under way or waiting."""
        return self._batcher.load

    @property
    def is_quick(self) -> bool:
        """Whether several stories are told before a reader notices, so that the best of them can be shown."""
        return self._weight_bytes <= _QUICK

    def close(self) -> None:
        """End all stories and free the model's memory."""
        self._batcher.close()

    def story(self, opening: str, sampling: Sampling = _DEFAULT, owner: str = "") -> Story:
        """A story that has not begun, for `tell`. Slots are shared out evenly among owners."""
        return Story(opening, sampling, self.token_bytes, self.tokenizer.eos_id, owner)

    def stream(self, prompt_text: str, sampling: Sampling = _DEFAULT) -> Iterator[str]:
        """Text deltas of one story, without its opening. Closing the iterator frees the slot.

        Raises TooLong for an opening that leaves no room for a story.
        """
        story = self.story(prompt_text, sampling)
        received: queue.SimpleQueue = queue.SimpleQueue()
        with self._request(story, received.put, urgent=True) as request:
            while not story.ended:
                delta = story.push(_received(received.get(), request))
                if delta:
                    yield delta

    async def tell(self, story: Story) -> AsyncIterator[str]:
        """`stream` for asyncio, of a story that the caller keeps; leaving it early frees the slot."""
        loop = asyncio.get_running_loop()
        received: asyncio.Queue = asyncio.Queue()

        def deliver(ids: list[int] | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(received.put_nowait, ids)

        with self._request(story, deliver, urgent=True) as request:
            while not story.ended:
                delta = story.push(_received(await received.get(), request))
                while not (story.ended or received.empty()):
                    delta += story.push(_received(received.get_nowait(), request))
                if delta:
                    yield delta

    def complete_many(
        self, prompts: Sequence[str], sampling: Sampling = _DEFAULT, seeds: Sequence[int] | None = None
    ) -> list[Completion]:
        """Stories of many openings, in their order, batched. Without `seeds` the i-th has sampling.seed + i."""
        if seeds is None:
            seeds = seeds_in_a_row(sampling.seed, len(prompts))
        done = [None] * len(prompts)
        coming = deque(enumerate(zip(prompts, seeds, strict=True)))
        received: queue.SimpleQueue = queue.SimpleQueue()
        running: dict[int, tuple[Story, Request]] = {}
        try:
            while coming or running:
                fresh = []
                while coming and len(running) < _AT_ONCE:
                    index, (prompt, seed) = coming.popleft()
                    story = self.story(prompt, replace(sampling, seed=seed))
                    request = self._asked(story, lambda ids, i=index: received.put((i, ids)), urgent=False)
                    running[index] = story, request
                    fresh.append(request)
                self._batcher.submit(*fresh)
                index, ids = received.get()
                if index not in running:
                    continue
                story, request = running[index]
                story.push(_received(ids, request))
                if story.ended:
                    request.cancel()
                    done[index] = running.pop(index)[0].completion()
        finally:
            for _, request in running.values():
                request.cancel()
        return done

    def score(self, text: str, ended: bool = False, opening: str = "") -> list[tuple[int, float]]:
        """Each token of a text with its log probability (nats) after what stands before it; eos too when `ended`.

        The `opening` stands before it and is not scored. Raises UserError when both exceed the context.
        """
        given, said = self.tokenizer.encode_after(opening, text)
        ids = [*given, *said, *([self.tokenizer.eos_id] if ended else [])]
        if len(ids) >= self.context:
            raise UserError(f"The text has {len(ids):,} tokens, but this model reads {self.context}; shorten it.")
        return [(reading.id, reading.log_probability) for reading in self.read(ids, 0)[len(given) :]]

    def mean_log_probability(self, opening: str, text: str) -> float:
        """Of a text's tokens after an opening, in nats; less than any has where the model cannot read them as a whole."""
        try:
            scores = [score for _, score in self.score(text, opening=opening)]
        except UserError:
            return _UNREADABLE
        return sum(scores) / len(scores) if scores else _UNREADABLE

    def read(self, ids: Sequence[int], alternatives: int = 5) -> list[TokenReading]:
        """A reading for each of the ids, which begin with bos and are no more than the context."""
        received: queue.SimpleQueue = queue.SimpleQueue()
        request = Request(list(ids), _DEFAULT, received.put, urgent=True, reading=min(alternatives, self.vocab_size))
        self._batcher.submit(request)
        found = [TokenReading(ids[0], None, None, [])]
        while (more := _received(received.get(), request)) is not None:
            found += [
                TokenReading(token, score, rank, [tuple(each) for each in likeliest])
                for token, (score, rank, likeliest) in zip(ids[1:], more, strict=True)
            ]
        if len(found) < len(ids):
            raise RuntimeError("The engine was closed while it read.")
        return found

    def prompt_ids(self, text: str) -> list[int]:
        """bos and the opening's tokens. Raises TooLong for an opening that leaves no room for a story."""
        ids = self.tokenizer.encode_opening(text)
        if len(ids) + _ROOM > self.context:
            raise TooLong(len(ids), self.context, len(text) * self.context // (2 * len(ids)))
        return ids

    def checked_ids(self, ids: Sequence[int]) -> list[int]:
        """Token ids of a prompt as they are. Raises UserError for ids that the model has not, TooLong for too many."""
        if not ids or not all(0 <= token < self.vocab_size for token in ids):
            raise UserError(f"A prompt of token ids needs at least one, each from 0 to {self.vocab_size - 1}.")
        if len(ids) >= self.context:
            raise TooLong(len(ids), self.context, 4 * self.context)
        return list(ids)

    def _asked(self, story: Story, deliver, urgent: bool) -> Request:
        ids = self.prompt_ids(story.opening) if story.ids is None else story.ids
        story.room = self.context - len(ids)
        story.request = Request(ids, story.sampling, deliver, urgent, owner=story.owner)
        return story.request

    @contextmanager
    def _request(self, story: Story, deliver, urgent: bool) -> Iterator[Request]:
        request = self._asked(story, deliver, urgent)
        self._batcher.submit(request)
        try:
            yield request
        finally:
            request.cancel()


def _received(ids: list[int] | None, request: Request) -> list[int] | None:
    """What came for a request; when the engine failed, its error."""
    if ids is None and request.error is not None:
        raise request.error
    return ids


def load_engine(folder: Path | str) -> Engine:
    """An engine for a model folder, ready to tell. Raises UserError for a folder that cannot be served."""
    return Engine(folder)
