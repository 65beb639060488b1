"""A judge's questions carried to a provider and back, several at once, until all are answered or the visitor stops."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from backend.llm.prices import Price
from backend.llm.provider import Completion as Answer
from backend.llm.provider import Fatal, ProviderError, RateLimited, Transient
from evaluation.judge import Question, ask
from evaluation.ratings import Rating
from evaluation.rubrics import NotAScore

AT_ONCE = 6
_TRIES = 5
_FIRST_TRIES = 3  # while the endpoint has answered nothing: it may be dead
_LONGEST_PAUSE = 60.0  # seconds
_SHOW_EVERY = 0.3


@dataclass
class Judging:
    """What has come so far. `failed` are questions without a score, each with why; `answers` are all that came, refused ones too."""

    asked: int
    ratings: list[Rating] = field(default_factory=list)
    failed: list[tuple[Question, NotAScore | ProviderError]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> int:
        """Questions that are settled."""
        return len(self.ratings) + len(self.failed)


async def judge_all(provider, asked: Sequence[Question], stop: asyncio.Event) -> AsyncIterator[Judging]:
    """The state again and again, one object, the first time at once and the last when all is settled or `stop` was set.

    Raises ProviderError when the endpoint answers nothing or no more; the provider is closed in every case.
    """
    state, coming, pause = Judging(len(asked)), iter(asked), _Pause()

    async def work() -> None:
        for question in coming:
            try:
                state.ratings.append(await _patiently(provider, question, pause, state))
            except (NotAScore, ProviderError) as error:
                # One that has answered nothing yet will answer no other question either.
                if isinstance(error, Fatal) or (isinstance(error, ProviderError) and not state.ratings):
                    raise
                state.failed.append((question, error))

    workers = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(asked)))]
    stopping = asyncio.create_task(stop.wait())
    try:
        yield state
        while not all(worker.done() for worker in workers):
            left = [worker for worker in workers if not worker.done()]
            done, _ = await asyncio.wait([*left, stopping], timeout=_SHOW_EVERY, return_when=asyncio.FIRST_COMPLETED)
            for worker in done - {stopping}:
                worker.result()
            if stop.is_set():
                state.stopped = True
                break
            yield state
        yield state
    finally:
        for task in (*workers, stopping):
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await provider.close()


def cost_of(said: Rating | Answer, price: Price | None) -> float:
    """Dollars as the endpoint said, else by its tokens where the price is known, else 0."""
    if said.cost or price is None:
        return said.cost or 0.0
    return price.of(said.input_tokens or 0, said.output_tokens or 0)


def priced(rating: Rating, price: Price | None) -> Rating:
    """The rating with what it cost."""
    return replace(rating, cost=cost_of(rating, price))


class _Pause:
    """An endpoint that is short of breath makes every question wait, not only the one that it told so."""

    def __init__(self):
        self._until = 0.0

    def rest(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self._until = max(self._until, now + min(seconds, _LONGEST_PAUSE))

    async def over(self) -> None:
        while (left := self._until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)


async def _patiently(provider, question: Question, pause: _Pause, state: Judging) -> Rating:
    for attempt in range(1, _TRIES + 1):
        await pause.over()
        try:
            return await ask(provider, question, heard=state.answers.append)
        except RateLimited as error:
            if attempt == _TRIES:
                raise
            pause.rest(error.retry_after or 2.0**attempt)
        except Transient as error:
            if attempt >= (_TRIES if state.ratings else _FIRST_TRIES):
                raise
            await asyncio.sleep(min(error.retry_after or 0.5 * 2**attempt, _LONGEST_PAUSE))
    raise AssertionError("there is at least one try")
