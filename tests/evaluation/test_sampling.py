"""Sampling in a process of its own: what hangs is ended and told, what fails is told, what is there is kept."""

import json
import os

import pytest

from backend.errors import UserError
from evaluation import sampling

ROW = json.dumps({"opening": "एक", "completion": " दिन।", "model": "m", "language": "hindi", "index": 0})
START = f"""
import os, pathlib, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.with_suffix(".pid").write_text(str(os.getpid()))
out.open("a").write({ROW!r} + chr(10))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that has another script sample, and returns what comes of it."""

    def become(text: str, patience: float = 30.0):
        path = tmp_path / "sample.py"
        path.write_text(START + text, "utf-8")
        monkeypatch.setattr(sampling, "SCRIPT", path)
        return sampling.sample(tmp_path, tmp_path / "o.txt", "hindi", 1, tmp_path / "c.jsonl", patience=patience)

    return become


def test_a_script_that_hangs_is_ended_and_told(script, tmp_path):
    with pytest.raises(UserError, match="--sampling-patience"):
        script("time.sleep(600)", patience=1.0)
    assert (tmp_path / "c.jsonl").read_text("utf-8") == ROW + "\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "c.pid").read_text()), 0)


def test_a_script_that_fails_or_is_interrupted_is_told_as_such(script):
    with pytest.raises(UserError, match="ended with 1"):
        script("sys.exit(1)")
    with pytest.raises(UserError, match="ended with -9"):
        script("os.kill(os.getpid(), 9)")
    with pytest.raises(KeyboardInterrupt):
        script("sys.exit(130)")

