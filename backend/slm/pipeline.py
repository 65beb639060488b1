"""A worker process as the app sees it: requests go in, tokens come out in a thread of their own."""

import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from backend.slm.cores import CORES
from backend.slm.sampling import EXTRA_TOKENS, Sampling

_ROOT = Path(__file__).resolve().parents[2]
_PIPE_BYTES = 1 << 20  # of a pipe on Linux, so that writing to a worker in the middle of a step does not wait


class Pipeline:
    """Tells the requests that it is handed.

    `leave(request)` is called for each slot that comes free, `leave(None)` when it has loaded, and `lost(error)` when its
    process has ended by itself.
    """

    def __init__(self, leave: Callable, lost: Callable, *, slots: int, threads: int, context: int, **settings):
        """`settings` are the others of `Worker`."""
        self.slots, self._leave, self._lost, self._context, self._threads = slots, leave, lost, context, threads
        self._settings = {"slots": slots, "threads": threads, "context": context} | settings
        self._numbers = itertools.count(1)
        self._active: dict[int, object] = {}
        self._guard, self._closed = threading.Lock(), False
        self._process: subprocess.Popen | None = None
        self.ready = threading.Event()

    def start(self) -> None:
        """Begin to load, in a process of its own, unless it has; `ready` is set when it is done."""
        with self._guard:
            if self._closed or self.alive:
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.slm.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
            )
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                with contextlib.suppress(OSError):  # a system may allow less
                    fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._send(self._settings)
            threading.Thread(target=self._listen, args=(self._process,), name="pipeline", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it has loaded, or is about to."""
        return self.ready.is_set() or (self._process is not None and self._process.poll() is None)

    def wait(self) -> None:
        """Until it has loaded. Raises RuntimeError when it cannot."""
        process = self._process
        while not self.ready.wait(0.2):
            if process.poll() is not None and not self.ready.is_set():
                raise RuntimeError(f"The engine's process did not start (exit code {process.returncode}).")

    def take(self, request) -> bool:
        """Begin a request at the next step; False when its process has just ended."""
        with self._guard:
            if not self.ready.is_set():
                return False
            request.number = next(self._numbers)
            self._active[request.number] = request
            if len(self._active) == 1:
                CORES.take(self, self._compute)
            self._send({"begin": request.number, "ids": request.ids} | _fields(request, self._context))
            return True

    def cancel(self, request) -> None:
        """Free a request's slot at the next step."""
        with self._guard:
            if request.number in self._active:
                self._send({"cancel": request.number})

    def close(self) -> None:
        """End all requests and the process."""
        with self._guard:
            self._closed, process = True, self._process
            if process:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        if process:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _send(self, message: dict) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):  # `_listen` tells everybody of a process that has ended
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                message = json.loads(line)
                if "ready" in message:
                    self.ready.set()
                    self._leave(None)
                    continue
                for number, ids in message["told"]:
                    request = self._active[number]
                    if not request.cancelled:
                        request.deliver(ids)
                error = RuntimeError(message["error"]) if "error" in message else None
                for number in message["ended"]:
                    with self._guard:
                        request = self._active.pop(number)
                        if not self._active:
                            CORES.give_back(self)
                    self._end(request, error)
        with self._guard:  # so that nobody is taken whom this does not see
            self.ready.clear()
            left, self._active = list(self._active.values()), {}
            CORES.give_back(self)
        code = process.wait()
        error = None if self._closed else RuntimeError(f"The engine's process ended (exit code {code}); ask again.")
        for request in left:
            self._end(request, error)
        if error:
            self._lost(error)

    def _compute(self, threads: int) -> None:
        self._send({"threads": min(threads, self._threads)})

    def _end(self, request, error: Exception | None) -> None:
        self._leave(request)
        request.end(error)


def _environment() -> dict[str, str]:
    """With this project's root on the path, wherever the app was started."""
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT)}


def _fields(request, context: int) -> dict:
    """What the worker's batch is to know of a request."""
    sampling: Sampling = request.sampling
    extra = EXTRA_TOKENS if sampling.finish_sentence else 0
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
    return {
        "new_tokens": max(1, min(sampling.max_tokens + extra, context - len(request.ids))),
        "reading": -1 if request.reading is None else request.reading,
        "sampling": {name: getattr(sampling, name) for name in names},
    }
