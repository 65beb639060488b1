"""Compiles this folder's C for the processor at hand, once, with whatever C compiler the system has."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from backend.cache import cache_folder

_SOURCES = ("batch.c", "decoder.c", "matrix.c", "sampler.c", "spelling.c")
_FOLDER = Path(__file__).parent
# Sums keep the order that is written: what is left to the compiler changes no number between vectors of different widths.
_FLAGS = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros", "-shared", "-fPIC"]
# The first that the compiler takes.
_CHOICES = [
    ["-march=native", "-mprefer-vector-width=512", "-fopenmp"], ["-march=native", "-fopenmp"], ["-march=native"], ["-mcpu=native"], [],
]  # fmt: skip


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled decoder; None where there is no compiler, or its product does not load."""
    compiler = os.environ.get("CC") or next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if not compiler:
        return None
    path = cache_folder() / "native" / f"{_digest(compiler)}.so"
    try:
        if not path.exists():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def weights_are_interleaved() -> bool:
    """Whether the decoder at hand reads weights interleaved, as `packing` has them for it."""
    return library() is not None and bool(library().weights_are_interleaved())


def _compile(compiler: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        for choice in _CHOICES:
            command = [compiler, *_FLAGS, *choice, *(str(_FOLDER / name) for name in _SOURCES), "-o", str(made), "-lm"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                made.replace(path)
                return
    raise OSError(f"{compiler} does not compile {_FOLDER}")


def _digest(compiler: str) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    sources = b"".join((_FOLDER / name).read_bytes() for name in (*_SOURCES, "decoder.h", "lanes.h", "spelling.h"))
    return hashlib.sha256(version + repr((_FLAGS, _CHOICES)).encode() + _processor() + sources).hexdigest()[:32]


def _processor() -> bytes:
    """What the compiler's choice of instructions depends on: a cache may be shared by unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor().encode()
    return "".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})).encode()
