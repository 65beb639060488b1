"""`python -m backend.slm.worker`: steps one of OpenVINO GenAI's continuous batching pipelines for `Pipeline`.

OpenVINO GenAI holds Python's lock throughout a step. Here that stops nobody; in the app's process it would stop every page.

Lines of JSON come by stdin: the settings, then `{"begin": number, "ids": [...], "config": {...}, "cores": [...]}` and
`{"cancel": number}`. Lines go out by stdout: `{"ready": true}`, then `{"told": [[number, ids], ...], "ended": [number, ...]}`.
It ends with its stdin.
"""

import contextlib
import itertools
import json
import os
import select
import signal
import time

import numpy as np
import openvino
import openvino_genai

from backend.slm.cores import stay_on

_TELL_EVERY = 0.02  # seconds; oftener no eye can tell, and each message costs time that steps could use
_FIRST_WORD = 4  # tokens that are told at once: the first may be half a letter, and the second may still change it
_COMPANION_TOKENS = 128
# Steps take what the app's own process leaves. Else, with many at work, it waits for a core while stories are there to be
# begun and shown, and each worker steps the few that it has been given.
_NICENESS = 10
_RUNNING = openvino_genai.GenerationStatus.RUNNING


class Worker:
    """A pipeline and what it tells, by the numbers that the requests came with."""

    def __init__(
        self, path: str, *, bos_id: int, eos_id: int, context: int, slots: int, threads: int, exact: bool, group: int
    ):
        """`slots` stories at once; `group` as `activation_group` gives it."""
        # With one row OpenVINO multiplies floats by another kernel than with more, and with fewer rows than threads its paged
        # attention cuts each sequence into parts. Their sums differ in the last bits: a lone story would part from the same
        # seed's story in a batch. Eight bits and one thread need no company.
        self._company = max(threads, 2) if exact or threads > 1 else 1
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = slots + self._company - 1
        scheduler.max_num_batched_tokens = 2048
        # No number of blocks: keys and values then take as much memory as the stories at once have needed so far, of which
        # there are never more than slots. Blocks of a fixed number are handed out in turn, until all are in memory.
        scheduler.num_kv_blocks = scheduler.cache_size = 0
        scheduler.enable_prefix_caching = False
        # Waking a second thread for the sampler takes longer than drawing a few tokens does.
        properties = {"INFERENCE_NUM_THREADS": threads, "sampler_num_threads": 1}
        if threads < len(os.sched_getaffinity(0)):
            properties["ENABLE_CPU_PINNING"] = False  # else all workers are pinned to the same cores
        properties |= _precision(exact, group)
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(path, scheduler, "CPU", properties)
        self._bos_id, self._eos_id = bos_id, eos_id
        self._companion_tokens = min(_COMPANION_TOKENS, context - 2)
        self._numbers = itertools.count()
        self._active: dict[int, openvino_genai.GenerationHandle] = {}
        self._young: dict[int, int] = {}  # those of whom less than a first word is told, with the tokens that are
        self._scoring: set[int] = set()
        self._told_at = 0.0
        self._cores: list[int] = []
        self._companions: list[openvino_genai.GenerationHandle] = []

    @property
    def idle(self) -> bool:
        """Whether there is nothing to step."""
        return not self._active

    def begin(self, number: int, ids: list[int], config: dict, cores: list[int]) -> None:
        """Tell a request from the next step on, on these cores. Raises RuntimeError for what the pipeline does not take."""
        if cores != self._cores:
            stay_on(cores)
            self._cores = cores
        self._active[number], self._young[number] = self._add(ids, config), 0
        if config.get("echo"):
            self._scoring.add(number)

    def cancel(self, number: int) -> None:
        """Free a request's slot at the next step."""
        if number in self._active:
            self._active[number].cancel()

    def step(self) -> tuple[list[tuple[int, list]], list[int]]:
        """One token for each: what is to be told now, by number, and who has ended.

        Reading costs time that steps could use, so each is read at once only where a reader waits for it.
        """
        self._accompany()
        self._pipeline.step()
        # The state is asked before reading: what this step gave is then read before the end is told.
        ended = [number for number, handle in self._active.items() if handle.get_status() != _RUNNING]
        now = time.monotonic()
        if ended or now >= self._told_at + _TELL_EVERY:
            told, self._told_at = self._read(list(self._active)), now
        else:
            told = self._read(list(self._young))
        for number in ended:
            del self._active[number]
            self._young.pop(number, None)
            self._scoring.discard(number)
        return told, ended

    def rest(self) -> None:
        """Let the companions go, once there is nothing to step."""
        self._keep_companions(0)
        if self._pipeline.has_non_finished_requests():
            self._pipeline.step()

    def _read(self, numbers: list[int]) -> list[tuple[int, list]]:
        told = []
        for number in numbers:
            handle, ids = self._active[number], []
            while handle.can_read():
                for output in handle.read().values():
                    new = output.generated_ids
                    ids += zip(new, output.generated_log_probs, strict=True) if number in self._scoring else new
            if ids:
                told.append((number, ids))
            if number in self._young:
                self._young[number] += len(ids)
                if self._young[number] >= _FIRST_WORD:
                    del self._young[number]
        return told

    def _accompany(self) -> None:
        """Keep a step from having too few sequences."""
        wanted = max(0, self._company - len(self._active))
        self._keep_companions(wanted)
        while len(self._companions) < wanted:
            # The cheapest that counts as a sequence: short, and drawn without a sum over the vocabulary.
            config = {"max_new_tokens": self._companion_tokens, "ignore_eos": True, "do_sample": True, "top_k": 1}
            self._companions.append(self._add([self._bos_id] * 2, config))

    def _keep_companions(self, count: int) -> None:
        running = [each for each in self._companions if each.get_status() == openvino_genai.GenerationStatus.RUNNING]
        for surplus in running[count:]:
            surplus.cancel()
        self._companions = running[:count]

    def _add(self, ids: list[int], settings: dict):
        config = openvino_genai.GenerationConfig()
        config.apply_chat_template = False
        config.set_eos_token_id(self._eos_id)
        for name, value in settings.items():
            setattr(config, name, value)
        return self._pipeline.add_request(next(self._numbers), openvino.Tensor(np.array([ids], np.int64)), config)


def _precision(exact: bool, group: int) -> dict:
    """Properties of the arithmetic: floats; half precision, where the processor has it; or else eight bits a product."""
    if exact:  # else keys and values are kept in eight bits
        return {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return {"INFERENCE_PRECISION_HINT": "bf16", "KV_CACHE_PRECISION": "bf16"}  # eight bits are unpacked at each step
    # OpenVINO's own choice of a group differs between one row and several.
    return {"INFERENCE_PRECISION_HINT": "f32"} | ({"DYNAMIC_QUANTIZATION_GROUP_SIZE": group} if group else {})


class Outbox:
    """Lines to stdout."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # so that a library's messages stay out of it

    def send(self, message: dict) -> None:
        """One line, now."""
        self._out.write(json.dumps(message).encode() + b"\n")
        self._out.flush()


class Inbox:
    """Lines of stdin, read without waiting where there is something else to do."""

    def __init__(self):
        os.set_blocking(0, False)
        self._rest = b""

    def lines(self, wait: bool) -> list[bytes] | None:
        """What has come, at least one line with `wait`; None when no more will."""
        found: list[bytes] = []
        while not found:
            if wait:
                select.select([0], [], [])
            try:
                content = os.read(0, 1 << 20)
            except BlockingIOError:
                return found
            if not content:
                return None
            *found, self._rest = (self._rest + content).split(b"\n")
            wait = True  # for the rest of a line
        return found


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then closes stdin
    os.nice(_NICENESS)
    outbox, inbox = Outbox(), Inbox()
    lines = inbox.lines(wait=True)
    if not lines:
        return
    worker = Worker(**json.loads(lines.pop(0)))
    outbox.send({"ready": True})
    while lines is not None:
        for line in lines:
            message = json.loads(line)
            if "cancel" in message:
                worker.cancel(message["cancel"])
                continue
            try:
                worker.begin(message["begin"], message["ids"], message["config"], message["cores"])
            except RuntimeError as error:
                outbox.send({"told": [], "ended": [message["begin"]], "error": str(error)})
        if not worker.idle:
            told, ended = worker.step()
            if told or ended:
                outbox.send({"told": told, "ended": ended})
            if worker.idle:
                worker.rest()
        lines = inbox.lines(wait=worker.idle)
    os._exit(0)  # the system takes the memory back faster than OpenVINO gives it


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the app has ended meanwhile
        main()
