"""Who is told next: requests wait here, and their slots in the pipelines are shared out evenly."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from backend.slm.pipeline import Pipeline
from backend.slm.sampling import EXTRA_TOKENS, Sampling

MAX_ACTIVE = 64  # stories that are told at once; more wait
MAX_CACHE_BYTES = 1_500_000_000  # of keys and values: a large model tells fewer at once
# What a processor's last cache holds. While copies of the weights fit there, threads need not share one: each steps a part
# of the stories in a pipeline of its own, waiting for nobody.
CACHED_WEIGHTS = 32_000_000
_BLOCK = 32  # tokens of a KV block on a CPU


class Request:
    """A story under way. `deliver` gets each list of new token ids and at last None, in a thread of the engine's.

    With `scoring` nothing is told: the request's own tokens are delivered, as pairs of id and log probability.
    `owner` is whom it is for: slots are shared out evenly among owners. `ahead` requests go before it while it waits.
    """

    def __init__(
        self, ids: list[int], sampling: Sampling, deliver: Callable[[list | None], None], urgent: bool,
        scoring: bool = False, owner: str = "",
    ):  # fmt: skip
        self.ids, self.sampling, self.deliver, self.urgent, self.scoring = ids, sampling, deliver, urgent, scoring
        self.owner, self.ahead, self.cancelled = owner, 0, False
        self.batcher: Batcher | None = None
        self.number = 0  # in its pipeline; 0 before it begins
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
    """Runs many requests through the pipelines of one model."""

    def __init__(
        self, path: Path, *, context: int, cache_bytes: int, threads: int, exact: bool = False, **settings
    ):
        """`cache_bytes` are those of one position's keys and values; `settings` are those of `Worker`."""
        blocks = -(-(context + EXTRA_TOKENS) // _BLOCK)
        story_bytes = blocks * _BLOCK * cache_bytes
        self.max_active = max(2, min(MAX_ACTIVE, MAX_CACHE_BYTES // story_bytes - 1))
        # Of one owner, so that a newcomer need not wait for somebody's whole pile.
        self.max_of_one = max(1, 3 * self.max_active // 4)
        weights = (path / "openvino_model.bin").stat().st_size
        share = -(-threads // max(1, CACHED_WEIGHTS // weights))
        self.copies = threads // share  # of the weights
        slots, threads = -(-self.max_active // self.copies), share
        self.max_cache_bytes = self.copies * (slots + threads - 1) * story_bytes
        self._waiting: list[Request] = []
        self._places: dict[Request, Pipeline] = {}
        self._guard, self._closed = threading.Lock(), False
        settings |= {"slots": slots, "threads": threads, "context": context, "exact": exact}
        self._pipelines = [Pipeline(path, self._leave, self._lost, **settings) for _ in range(self.copies)]
        self._pipelines[0].start()
        self._pipelines[0].wait()

    def submit(self, *requests: Request) -> None:
        """Queue requests: urgent ones (a reader waits) go before the others."""
        with self._guard:
            if self._closed:
                raise RuntimeError("The engine is closed.")
            # The others only once they are of use: a model that one reader has tried takes up no more than it needs.
            for pipeline in self._pipelines[: self.load + len(requests)]:
                pipeline.start()
            for request in requests:
                request.batcher = self
                self._waiting.append(request)
                request.ahead = len(self._waiting)
            self._share_out()

    def warm(self) -> None:
        """Start every process, and wait until they have loaded."""
        for pipeline in self._pipelines:
            pipeline.start()
        for pipeline in self._pipelines:
            pipeline.wait()

    @property
    def load(self) -> int:
        """Requests under way or waiting."""
        return len(self._places) + len(self._waiting)

    def close(self) -> None:
        """End all requests and the processes."""
        with self._guard:
            self._closed = True
            given_up, self._waiting = self._waiting, []
        for request in given_up:
            request.end()
        for pipeline in self._pipelines:
            pipeline.close()

    def withdraw(self, request: Request) -> None:
        """Let a request go that has been cancelled."""
        with self._guard:
            waited, pipeline = request in self._waiting, self._places.get(request)
            if waited:
                self._waiting.remove(request)
                self._share_out()
        if pipeline:
            pipeline.cancel(request)
        elif waited:
            request.end()

    def _leave(self, request: Request | None) -> None:
        with self._guard:
            self._places.pop(request, None)
            self._share_out()

    def _lost(self, error: Exception) -> None:
        with self._guard:
            stranded = []
            if not any(pipeline.alive for pipeline in self._pipelines):
                stranded, self._waiting = self._waiting, []
        for request in stranded:
            request.end(error)

    def _share_out(self) -> None:
        """Fill free slots: readers before bulk, then owners with the fewest stories under way, then who came first."""
        if not self._waiting or self._closed:
            return
        under_way = Counter(request.owner for request in self._places)
        turns = []
        for number, request in enumerate(self._waiting):
            turn = under_way[request.owner]
            under_way[request.owner] += 1
            turns.append((not request.urgent, turn, number, request))
        turns.sort()
        busy, self._waiting = Counter(self._places.values()), []
        for _, turn, _, request in turns:
            pipeline = self._roomiest(busy) if turn < self.max_of_one or not request.owner else None
            if pipeline and pipeline.take(request):
                request.ahead = 0
                busy[pipeline] += 1
                self._places[request] = pipeline
            else:
                self._waiting.append(request)
                request.ahead = len(self._waiting)

    def _roomiest(self, busy: Counter) -> Pipeline | None:
        """Where a story goes: to the fewest others. None when all is full."""
        free = [each for each in self._pipelines if each.ready.is_set() and busy[each] < each.slots]
        if not free or busy.total() >= self.max_active:
            return None
        return min(free, key=lambda each: busy[each])
