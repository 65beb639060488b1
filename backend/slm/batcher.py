"""One thread that steps OpenVINO GenAI's continuous batching; everybody else only hands requests in."""

import itertools
import queue
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backend.slm.sampling import EXTRA_TOKENS, Sampling

MAX_ACTIVE = 64  # stories that are told at once; more wait
MAX_CACHE_BYTES = 1_500_000_000  # of keys and values: a large model tells fewer at once
_BLOCK = 32  # tokens of a KV block on a CPU


class Request:
    """A story under way. `deliver` gets each list of new token ids and at last None, in the batcher's thread.

    With `scoring` nothing is told: the request's own tokens are delivered, as pairs of id and log probability.
    `owner` is whom it is for: slots are shared out evenly among owners. `ahead` requests go before it while it waits.
    """

    def __init__(
        self, ids: list[int], sampling: Sampling, deliver: Callable[[list | None], None], urgent: bool,
        scoring: bool = False, owner: str = "",
    ):  # fmt: skip
        self.ids, self.sampling, self.deliver, self.urgent, self.scoring = ids, sampling, deliver, urgent, scoring
        self.owner, self.ahead, self.cancelled = owner, 0, False
        self.error: Exception | None = None
        self.handle = None

    def cancel(self) -> None:
        """Free the slot at the next step, also while still waiting. Nothing more is delivered but the end."""
        self.cancelled = True


class Batcher:
    """Runs many requests through one pipeline, a step at a time."""

    def __init__(
        self, path: Path, *, bos_id: int, eos_id: int, context: int, cache_bytes: int, threads: int, exact: bool = False
    ):
        """`cache_bytes` are those of one position's keys and values."""
        import openvino_genai

        blocks = -(-(context + EXTRA_TOKENS) // _BLOCK)
        story_bytes = blocks * _BLOCK * cache_bytes
        self.max_active = max(2, min(MAX_ACTIVE, MAX_CACHE_BYTES // story_bytes - 1))
        # Of one owner, so that a newcomer need not wait for somebody's whole pile.
        self.max_of_one = max(1, 3 * self.max_active // 4)
        self.max_cache_bytes = (self.max_active + 1) * story_bytes
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = self.max_active + 1
        scheduler.max_num_batched_tokens = 2048
        scheduler.num_kv_blocks = (self.max_active + 1) * blocks
        scheduler.enable_prefix_caching = False
        properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        if exact:  # else keys and values are kept in eight bits
            properties["KV_CACHE_PRECISION"] = "f32"
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)
        self._bos_id, self._eos_id, self._context = bos_id, eos_id, context
        self._numbers = itertools.count(1)
        self._incoming: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._waiting: list[Request] = []
        self._active: list[Request] = []
        self._companion = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a request: urgent ones (a reader waits) go before the others."""
        if self._closed:
            raise RuntimeError("The engine is closed.")
        self._incoming.put(request)

    @property
    def load(self) -> int:
        """Requests under way or waiting."""
        return len(self._active) + len(self._waiting) + self._incoming.qsize()

    def close(self) -> None:
        """End all requests and the thread. Afterwards the pipeline's memory is free."""
        self._closed = True
        self._incoming.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._admit():
            try:
                self._step()
            except Exception as error:  # the pipeline failed: tell every reader rather than hang
                for request in self._active:
                    self._end(request, error)
                self._active.clear()
                self._companion = None
        for request in [*self._active, *self._waiting]:
            request.cancelled = True
        self._step()
        while not self._incoming.empty():
            if request := self._incoming.get():
                self._end(request)
        self._drop_companion()
        del self._pipeline

    def _admit(self) -> bool:
        """Take in what has come; sleep while there is nothing to do. False when the engine is to close."""
        idle = not self._active and not self._waiting
        if idle:
            self._drop_companion()
        while idle or not self._incoming.empty():
            request = self._incoming.get()
            if request is None:
                return False
            idle = False
            self._waiting.append(request)
            request.ahead = len(self._waiting)
        return True

    def _step(self) -> None:
        for request in [r for r in self._waiting if r.cancelled]:
            self._waiting.remove(request)
            self._end(request)
        self._begin_waiting()
        if not self._active:
            return
        self._accompany()
        self._pipeline.step()
        if self._companion is not None and self._companion.can_read():
            self._companion.read()
        for request in list(self._active):
            self._read(request)

    def _begin_waiting(self) -> None:
        """Fill free slots: readers before bulk, then owners with the fewest stories under way, then who came first."""
        if not self._waiting:
            return
        under_way = Counter(request.owner for request in self._active)
        turns = []
        for number, request in enumerate(self._waiting):
            turn = under_way[request.owner]
            under_way[request.owner] += 1
            turns.append((not request.urgent, turn, number, request))
        turns.sort()
        free, ahead = self.max_active - len(self._active), 0
        for _, turn, _, request in turns:
            if free and (turn < self.max_of_one or not request.owner):
                free -= 1
                self._waiting.remove(request)
                request.ahead = 0
                try:
                    request.handle = self._add(request.ids, request.sampling, scoring=request.scoring)
                except Exception as error:  # it stands in no list any more, so it is told here
                    self._end(request, error)
                else:
                    self._active.append(request)
            else:
                ahead += 1
                request.ahead = ahead

    def _read(self, request: Request) -> None:
        handle = request.handle
        # The state is asked before reading: what the last step gave is then read before the end is told.
        running = handle.get_status().name == "RUNNING"
        while handle.can_read():
            for output in handle.read().values():
                ids = output.generated_ids
                if ids and not request.cancelled:
                    request.deliver(list(zip(ids, output.generated_log_probs, strict=True)) if request.scoring else ids)
        if running and request.cancelled:
            handle.cancel()
        if not running or request.cancelled:
            self._active.remove(request)
            self._end(request)

    def _end(self, request: Request, error: Exception | None = None) -> None:
        request.error, request.handle = error, None
        request.deliver(None)

    def _accompany(self) -> None:
        """Keep at least two sequences in a step.

        With one row OpenVINO takes other matrix kernels than with two or more, whose sums differ in the last
        bits: a lone story would then part from the same seed's story in a batch. It costs next to nothing.
        """
        if len(self._active) > 1:
            return
        if self._companion is None or self._companion.get_status().name != "RUNNING":
            length = self._context - 2
            self._companion = self._add([self._bos_id] * 2, Sampling(temperature=0, max_tokens=length), ignore_eos=True)

    def _drop_companion(self) -> None:
        if self._companion is not None:
            self._companion.cancel()
            while self._companion.can_read():
                self._companion.read()
            self._companion = None
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()

    def _add(self, ids: list[int], sampling: Sampling, ignore_eos: bool = False, scoring: bool = False):
        import openvino
        import openvino_genai

        extra = EXTRA_TOKENS if sampling.finish_sentence else 0
        config = openvino_genai.GenerationConfig()
        config.apply_chat_template = False
        config.ignore_eos = ignore_eos
        config.set_eos_token_id(self._eos_id)
        config.max_new_tokens = max(1, min(sampling.max_tokens + extra, self._context - len(ids)))
        config.repetition_penalty = sampling.repetition_penalty
        if scoring:
            config.echo, config.logprobs, config.max_new_tokens = True, 1, 1
        elif sampling.temperature > 0:
            config.do_sample = True
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            config.min_p = sampling.min_p
            config.rng_seed = sampling.seed
            if sampling.top_k:
                config.top_k = sampling.top_k
        return self._pipeline.add_request(next(self._numbers), openvino.Tensor(np.array([ids], np.int64)), config)
