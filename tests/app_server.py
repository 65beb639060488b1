"""The app as its users meet it: a process of its own on a loopback port."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running_app(*options: str, command: tuple[str, ...] = ("app.py",), **environment: str) -> Iterator[str]:
    """Start the app on a free port and give its address; at the end it is ended and must not have failed."""
    held = ExitStack()
    environment = {"TINYSTORIES_DATA": held.enter_context(tempfile.TemporaryDirectory())} | environment
    lines: list[str] = []
    found = threading.Event()
    process = subprocess.Popen(
        [sys.executable, *command, "--port", "0", *options],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip

    def read() -> None:
        for line in process.stdout:
            lines.append(line)
            if "http://" in line:
                found.set()
        found.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert found.wait(120), "".join(lines)
        address = re.search(r"http://[\w.:]+", "".join(lines))
        assert address, "".join(lines)
        yield address.group()
        assert process.poll() is None, "".join(lines)
        assert "Traceback" not in "".join(lines), "".join(lines)
    finally:
        process.terminate()
        process.wait(20)
        reader.join(5)
        held.close()
