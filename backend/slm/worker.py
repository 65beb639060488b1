"""`python -m backend.slm.worker`: steps one model's stories for `Pipeline`, in a process of its own.

There a step holds up no page, and what goes wrong in one model ends no other.

Lines of JSON come by stdin: the settings; then `{"begin": number, "ids": [...], ...}` with the fields of `Batch.begin`,
`{"cancel": number}`, and `{"threads": number}` to compute with. Lines go out by stdout: `{"ready": true}`, then
`{"told": [[number, ids], ...], "ended": [number, ...]}`. It ends with its stdin.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from backend.slm.config import read_config
from backend.slm.native.batch import Batch
from backend.slm.native.compiler import library
from backend.slm.plain import PlainBatch
from backend.slm.spelling import read_spelling

_TELL_EVERY = 0.02  # seconds; oftener no eye can tell, and each message costs time that steps could use
# Steps take what the app's own process leaves. Else, with many at work, it waits for a core while stories are there to be
# begun and shown.
_NICENESS = 10


# Below this share of the time of two threads one is faster: while either lacks a core, both stand still.
_CROWDED = 0.7
_WORTH_NOTING = 0.005  # seconds
_TRY_AGAIN = 0.5  # seconds


class Pace:
    """With how many threads to compute, by what the system lets them have.

    The threads of a step wait for each other: where something else takes a core, fewer are faster.
    """

    def __init__(self):
        self.allowed = 1
        self._fewer, self._again = 0, 0.0

    @property
    def threads(self) -> int:
        """For the next steps."""
        if time.monotonic() >= self._again:
            self._fewer = 0
        return max(1, self.allowed - self._fewer)

    def note(self, threads: int, wall: float, used: float) -> None:
        """How long steps took, by the clock and by the processor, in seconds."""
        if threads > 1 and wall >= _WORTH_NOTING and used < _CROWDED * threads * wall:
            self._fewer, self._again = self.allowed - threads + 1, time.monotonic() + _TRY_AGAIN


class Worker:
    """The stories of one model, by the numbers that they came with."""

    def __init__(self, folder: str, path: str, *, context: int, slots: int, threads: int, eos_id: int):
        """`folder` is the model's, `path` what `converted` made of it."""
        kind = Batch if library() else PlainBatch
        config = read_config(Path(folder))
        self._context, self._vocab_size = context, config["vocab_size"]
        spelling = read_spelling(Path(folder), self._vocab_size)
        self._batch = kind(Path(path), config, context=context, slots=slots, threads=threads, eos_id=eos_id, spelling=spelling)
        self.pace = Pace()
        self.pace.allowed = threads
        self._slots: dict[int, int] = {}
        self._readings: dict[int, tuple[int, int]] = {}

    @property
    def idle(self) -> bool:
        """Whether there is nothing to step."""
        return not self._slots

    def begin(self, number: int, ids: list[int], new_tokens: int, reading: int, sampling: dict) -> None:
        """Tell a story, or read a text, from the next step on. Raises MemoryError when there is no room for it, ValueError for ids that are not its own."""
        if not 0 < len(ids) <= self._context or min(ids) < 0 or max(ids) >= self._vocab_size:
            raise ValueError(f"The model reads up to {self._context} of its {self._vocab_size} tokens; its tokenizer gave others.")
        slot = self._batch.begin(ids, new_tokens, reading, **sampling)
        if slot < 0:
            raise MemoryError("There is no room for another story.")
        self._slots[number] = slot
        if reading >= 0:
            self._readings[number] = len(ids), reading

    def cancel(self, number: int) -> list[int]:
        """Free a story's slot; itself, when it was under way."""
        if number not in self._slots:
            return []
        self._batch.end(self._slots.pop(number))
        self._readings.pop(number, None)
        return [number]

    def step(self) -> tuple[list[tuple[int, list]], list[int]]:
        """What is to be told now, by number, and who has ended."""
        threads, wall, used = self.pace.threads, time.monotonic(), time.process_time()
        self._batch.run(_TELL_EVERY, threads, sys.stdin.fileno())
        self.pace.note(threads, time.monotonic() - wall, time.process_time() - used)
        told, ended = [], []
        for number, slot in list(self._slots.items()):
            new, going_on = self._batch.told(slot)
            if not going_on:
                if number in self._readings:
                    new = self._batch.readings(slot, *self._readings.pop(number))
                del self._slots[number]
                ended.append(number)
            if new:
                told.append((number, new))
        return told, ended


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
            if "threads" in message:
                worker.pace.allowed = message["threads"]
            elif "cancel" in message:
                if ended := worker.cancel(message["cancel"]):
                    outbox.send({"told": [], "ended": ended})
            else:
                number = message.pop("begin")
                try:
                    worker.begin(number, **message)
                except (MemoryError, ValueError) as error:
                    outbox.send({"told": [], "ended": [number], "error": str(error)})
        if not worker.idle:
            told, ended = worker.step()
            if told or ended:
                outbox.send({"told": told, "ended": ended})
        lines = inbox.lines(wait=worker.idle)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the app has ended meanwhile
        main()
