"""The serving engine: continuous batching of OpenVINO GenAI on a GGUF made from a stock model folder.

One thread owns the pipeline and steps it while anyone waits; every user has a queue. The seed of a request is its
own, so the same seed gives the same story alone or in a full batch.
"""

import atexit
import itertools
import os
import queue
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backend.errors import UserError
from backend.slm.gguf import cached_gguf, read_config
from backend.slm.text import TextStream
from backend.tokenizer import load_tokenizer

# Tokens that may follow max_tokens so that the last sentence can end.
SENTENCE_ALLOWANCE = 60
_SENTENCE_ENDS = "।॥.?!؟…"
_CLOSING = "\"'”’»)"


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. temperature 0 is greedy; top_k 0, top_p 1 and min_p 0 switch a filter off."""

    temperature: float = 0.8
    top_k: int = 15
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 350
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """What a model wrote after an opening. `finished`: it ended the story itself, with eos."""

    text: str
    finished: bool
    tokens: int


class _Request:
    def __init__(self, ids: list[int], sampling: Sampling):
        self.ids, self.sampling = ids, sampling
        self.events: queue.SimpleQueue = queue.SimpleQueue()
        self.cancelled = False
        self.handle = None


class Engine:
    """Serves one model folder to any number of threads at once."""

    def __init__(self, folder: Path | str, max_batch: int = 32, threads: int | None = None, precision: str = "f32"):
        import openvino
        import openvino_genai

        self.folder = Path(folder)
        self._genai, self._tensor = openvino_genai, openvino.Tensor
        self.config = read_config(self.folder)
        self.context = int(self.config["max_position_embeddings"])
        self.tokenizer = load_tokenizer(self.folder)
        self.name = self.folder.name
        path = cached_gguf(self.folder)
        self.bytes = path.stat().st_size
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = max_batch
        scheduler.num_kv_blocks = max_batch * (-(-self.context // 32) + 1)
        scheduler.enable_prefix_caching = False
        # In bf16, OpenVINO's default on some CPUs, a story depends on what else is in the batch; in f32 it does not.
        properties = {"INFERENCE_NUM_THREADS": threads or len(os.sched_getaffinity(0)), "INFERENCE_PRECISION_HINT": precision}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)
        self._numbers = itertools.count()
        self._waiting: list[_Request] = []
        self._running: list[_Request] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"engine {self.name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @property
    def active(self) -> int:
        """Requests that wait or run now."""
        return len(self._waiting) + len(self._running)

    def stream(self, prompt: str, sampling: Sampling) -> Iterator[str]:
        """Text deltas after the prompt, until eos or the sentence that ends beyond max_tokens.

        Closing the iterator frees the engine's slot. Raises UserError for a prompt that fills the context.
        """
        for delta, _, _ in self.events(prompt, sampling):
            if delta:
                yield delta

    def events(self, prompt: str, sampling: Sampling) -> Iterator[tuple[str, bool | None, int]]:
        """As `stream`, but (delta, finished, tokens): `finished` is None until the last event."""
        request = self._submit(prompt, sampling)
        text = TextStream(self.tokenizer, request.ids)
        tokens, finished = 0, False
        try:
            while True:
                ids = request.events.get()
                if isinstance(ids, BaseException):
                    raise ids
                if ids is None:
                    break
                for token in ids:
                    if token == self.tokenizer.eos_id:
                        finished = True
                        break
                    tokens += 1
                    delta = text.push([token])
                    if tokens >= sampling.max_tokens and (end := _sentence_end(delta)):
                        yield delta[:end], False, tokens
                        return
                    if delta:
                        yield delta, None, tokens
                if finished:
                    break
            yield text.end(), finished, tokens
        finally:
            self._cancel(request)

    def complete_many(
        self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int] | None = None
    ) -> list[Completion]:
        """Completions in the order of the prompts, batched; `seeds` gives each its own seed."""
        seeds = seeds if seeds is not None else [sampling.seed + i for i in range(len(prompts))]
        streams = [self.events(p, replace(sampling, seed=s)) for p, s in zip(prompts, seeds, strict=True)]
        results: list[Completion | None] = [None] * len(streams)

        def collect(index: int) -> None:
            pieces, finished, tokens = [], False, 0
            for delta, ended, tokens in streams[index]:
                pieces.append(delta)
                finished = bool(ended)
            results[index] = Completion("".join(pieces), finished, tokens)

        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=min(64, len(streams) or 1)) as pool:
            list(pool.map(collect, range(len(streams))))
        return results  # type: ignore[return-value]

    def close(self) -> None:
        """Cancel what runs and stop the thread."""
        atexit.unregister(self.close)
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _submit(self, prompt: str, sampling: Sampling) -> _Request:
        ids = [self.tokenizer.bos_id, *self.tokenizer.encode(unicodedata.normalize("NFC", prompt))]
        if len(ids) > self.context - 16:
            raise UserError(
                f"The opening has {len(ids)} tokens, but {self.name} reads {self.context} in all; shorten the opening."
            )
        request = _Request(ids, sampling)
        with self._wake:
            if self._closed:
                raise UserError(f"The model {self.name} was closed; ask again.")
            self._waiting.append(request)
            self._wake.notify()
        return request

    def _cancel(self, request: _Request) -> None:
        with self._wake:
            request.cancelled = True
            self._wake.notify()

    def _generation_config(self, request: _Request):
        sampling = request.sampling
        room = self.context - len(request.ids) - 1
        values = {
            "max_new_tokens": max(1, min(sampling.max_tokens + SENTENCE_ALLOWANCE, room)),
            "eos_token_id": self.tokenizer.eos_id,
            "repetition_penalty": sampling.repetition_penalty,
        }
        if sampling.temperature > 0:
            values |= {"do_sample": True, "temperature": sampling.temperature, "rng_seed": sampling.seed % 2**32}
            values |= {"top_p": sampling.top_p, "min_p": sampling.min_p}
            values["top_k"] = sampling.top_k or self.config["vocab_size"]
        else:
            values["do_sample"] = False
        return self._genai.GenerationConfig(**values)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._waiting or self._running or self._closed):
                    self._wake.wait()
                if self._closed and not self._running:
                    return
                arrived, self._waiting = self._waiting, []
                self._running += arrived
                closing = self._closed
            for request in arrived:
                if not request.cancelled:
                    tensor = self._tensor(np.array([request.ids], dtype=np.int64))
                    config = self._generation_config(request)
                    request.handle = self._pipeline.add_request(next(self._numbers), tensor, config)
            self._step(closing)

    def _step(self, closing: bool) -> None:
        # Read once: a request that is cancelled while the step runs is dropped in the next.
        cancelled = {request for request in self._running if request.cancelled or closing}
        for request in cancelled:
            if request.handle is not None:
                request.handle.cancel()
        try:
            # A cancelled request gives its blocks back in the step after.
            if cancelled or self._pipeline.has_non_finished_requests():
                self._pipeline.step()
        except RuntimeError as error:
            for request in self._running:
                request.events.put(UserError(f"The model {self.name} failed while writing ({str(error)[:200]}); try again."))
            self._running = []
            return
        still = []
        for request in self._running:
            if request.handle is None or request in cancelled:
                request.events.put(None)
                continue
            while request.handle.can_read():
                for output in request.handle.read().values():
                    request.events.put(list(output.generated_ids))
            if request.handle.get_status() == self._genai.GenerationStatus.RUNNING:
                still.append(request)
            else:
                request.events.put(None)
        with self._wake:
            self._running = still


def _sentence_end(delta: str) -> int:
    """The position after the first sentence end in a delta, its closing quotes included; 0 when there is none."""
    for position, character in enumerate(delta):
        if character in _SENTENCE_ENDS:
            end = position + 1
            while end < len(delta) and delta[end] in _CLOSING:
                end += 1
            return end
    return 0


def load_engine(folder: Path | str, **options) -> Engine:
    """An engine for a stock model folder; converts it on first use. Raises UserError for a folder that does not fit."""
    return Engine(folder, **options)
