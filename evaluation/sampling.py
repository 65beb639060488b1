"""Completions of a model by `trainer/sample.py`, in a process of its own that is not waited for without end."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import Completion, read_all

SCRIPT = Path(__file__).resolve().parents[1] / "trainer" / "sample.py"
PATIENCE = 900.0  # seconds without a new story; a batch of 64 from a model of 150M parameters takes two minutes on two cores
_GRACE = 10.0  # seconds to end in before it is killed


def sample(
    model: Path,
    openings: Path,
    language: str,
    count: int,
    out: Path,
    options: Sequence[str] = (),
    patience: float = PATIENCE,
) -> list[Completion]:
    """Complete every opening of a file `count` times into the JSON lines `out`, going on with what is there.

    `options` are further ones of `trainer/sample.py`. Raises UserError when it fails, or writes nothing for `patience`
    seconds; KeyboardInterrupt when it was interrupted.
    """
    command = [sys.executable, SCRIPT, "--model", model, "--openings", openings, "--language", language]
    command += ["--count", count, "--out", out, *options]
    process = subprocess.Popen(list(map(str, command)))
    try:
        code = _wait(process, out, patience)
    finally:
        _end(process)
    if code is None:
        raise UserError(
            f"The stories could not be sampled: trainer/sample.py added none to {out} for {patience:g} s and was ended. What "
            "is there is kept; run the command again, or give a slow model more time with --sampling-patience."
        )
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise UserError(f"The stories could not be sampled: trainer/sample.py ended with {code}, as told above.")
    return read_all([out])


def _wait(process: subprocess.Popen, out: Path, patience: float) -> int | None:
    """The exit code; None once `out` has not grown for `patience` seconds."""
    size, since = _size(out), time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=min(1.0, patience / 4))
        if (now := _size(out)) != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > patience:
            return None


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
