"""Processes that begin warm: forks of a server that has imported everything, so that a test may start, and kill, many.

Each is a process of its own, as one of a new interpreter is, two seconds sooner.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.backend.llm.warm_imports"])


class Command:
    """`python -m datagen …` in a process of its own, with the methods of subprocess.Popen that the tests need."""

    def __init__(self, arguments: list, key: str = "sk-the-key-of-this-test"):
        handles = [tempfile.mkstemp(prefix="warm.") for _ in range(2)]
        for handle, _ in handles:
            os.close(handle)
        self._paths = [Path(path) for _, path in handles]
        self._process = _CONTEXT.Process(target=_command, args=([str(argument) for argument in arguments], *map(str, self._paths), key))
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """As of subprocess."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As of subprocess."""
        return self._process.exitcode

    def wait(self) -> int:
        """As of subprocess."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """As of subprocess."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As of subprocess."""
        self._process.kill()

    def end(self) -> "Command":
        """Wait, and keep `stdout` and `stderr`."""
        self.wait()
        self.stdout, self.stderr = (path.read_text("utf-8") for path in self._paths)
        for path in self._paths:
            path.unlink()
        return self


def start_server(main, options: list[str]) -> tuple[multiprocessing.Process, int]:
    """A process in which `main(options, told)` serves, and the port that it has told."""
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=main, args=(options, sender.send), daemon=True)
    process.start()
    sender.close()
    return process, receiver.recv()


def _command(arguments: list[str], out: str, err: str, key: str) -> None:
    from backend.command_line import run
    from datagen.__main__ import datagen

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["OPENAI_API_KEY"] = key
    sys.argv = ["datagen", *arguments]
    sys.stdout, sys.stderr = (open(path, "w", encoding="utf-8") for path in (out, err))  # noqa: SIM115
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(stream.fileno(), number)
    try:
        run(datagen)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
