"""Who is told next: requests wait here, and their slots in the pipeline are shared out evenly."""

import threading
from collections import Counter
from collections.abc import Callable

from backend.slm.pipeline import Pipeline
from backend.slm.sampling import Sampling

MAX_ACTIVE = 64  # stories that are told at once; more wait
MAX_CACHE_BYTES = 1_500_000_000  # of keys and values: a large model tells fewer at once


class Request:
    """A story under way. `deliver` gets each list of new token ids and at last None, in a thread of the engine's.

    With `reading` nothing is told: the request's own tokens are read, each with so many alternatives.
    `owner` is whom it is for: slots are shared out evenly among owners. `ahead` requests go before it while it waits.
    """

    def __init__(
        self, ids: list[int], sampling: Sampling, deliver: Callable[[list | None], None], urgent: bool,
        reading: int | None = None, owner: str = "",
    ):  # fmt: skip
        self.ids, self.sampling, self.deliver, self.urgent, self.reading = ids, sampling, deliver, urgent, reading
        self.owner, self.ahead, self.cancelled = owner, 0, False
        self.batcher: Batcher | None = None
        self.number = 0  # in the pipeline; 0 before it begins
        self.error: Exception | None = None

    def cancel(self) -> None:
        """Free the slot at the next step, also while still waiting. Nothing more is delivered but the end."""
        if not self.cancelled:
            self.cancelled = True
            if self.batcher:
                self.batcher.withdraw(self)

    def end(self, error: Exception | None = None) -> None:
        """Tell that nothing more comes, and why when it failed."""
        self.error = error
        self.deliver(None)


class Batcher:
    """Runs many requests through the pipeline of one model."""

    def __init__(self, *, context: int, cache_bytes: int, **settings):
        """`cache_bytes` are those of one position's keys and values; `settings` are those of `Pipeline`."""
        story_bytes = context * cache_bytes
        self.max_active = max(2, min(MAX_ACTIVE, MAX_CACHE_BYTES // story_bytes))
        # Of one owner, so that a newcomer need not wait for somebody's whole pile.
        self.max_of_one = max(1, 3 * self.max_active // 4)
        self.max_cache_bytes = self.max_active * story_bytes
        self._waiting: list[Request] = []
        self._begun: set[Request] = set()
        self._guard, self._closed = threading.Lock(), False
        self._pipeline = Pipeline(self._leave, self._lost, slots=self.max_active, context=context, **settings)
        self._pipeline.start()
        self._pipeline.wait()

    def submit(self, *requests: Request) -> None:
        """Queue requests: urgent ones (a reader waits) go before the others."""
        with self._guard:
            if self._closed:
                raise RuntimeError("The engine is closed.")
            self._pipeline.start()  # again, should it have ended
            for request in requests:
                request.batcher = self
                self._waiting.append(request)
                request.ahead = len(self._waiting)
            self._share_out()

    @property
    def load(self) -> int:
        """Requests under way or waiting."""
        return len(self._begun) + len(self._waiting)

    def close(self) -> None:
        """End all requests and the process."""
        with self._guard:
            self._closed = True
            given_up, self._waiting = self._waiting, []
        for request in given_up:
            request.end()
        self._pipeline.close()

    def withdraw(self, request: Request) -> None:
        """Let a request go that has been cancelled."""
        with self._guard:
            waited, begun = request in self._waiting, request in self._begun
            if waited:
                self._waiting.remove(request)
                self._share_out()
        if begun:
            self._pipeline.cancel(request)
        elif waited:
            request.end()

    def _leave(self, request: Request | None) -> None:
        with self._guard:
            self._begun.discard(request)
            self._share_out()

    def _lost(self, error: Exception) -> None:
        with self._guard:
            stranded = []
            if not self._pipeline.alive:  # else somebody has asked since, and it starts again
                stranded, self._waiting = self._waiting, []
        for request in stranded:
            request.end(error)

    def _share_out(self) -> None:
        """Fill free slots: readers before bulk, then owners with the fewest stories under way, then who came first."""
        if not self._waiting or self._closed:
            return
        under_way = Counter(request.owner for request in self._begun)
        turns = []
        for number, request in enumerate(self._waiting):
            turn = under_way[request.owner]
            under_way[request.owner] += 1
            turns.append((not request.urgent, turn, number, request))
        turns.sort()
        self._waiting = []
        for _, turn, _, request in turns:
            allowed = len(self._begun) < self.max_active and (turn < self.max_of_one or not request.owner)
            if allowed and self._pipeline.take(request):
                request.ahead = 0
                self._begun.add(request)
            else:
                self._waiting.append(request)
                request.ahead = len(self._waiting)
