"""The C decoder is compiled for what the processor has, and tells the same story with less."""

import json
import os

import pytest

from backend.slm.catalog import BUNDLED
from backend.slm.conversion import converted
from backend.slm.engine import load_engine
from backend.slm.native import compiler
from backend.slm.native.batch import Batch
from backend.slm.sampling import Sampling

pytestmark = pytest.mark.skipif(compiler.library() is None, reason="there is no C compiler here")

GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "seed": 0}


def _told(ids, threads=1):
    folder = BUNDLED / "english"
    batch = Batch(converted(folder), json.loads((folder / "config.json").read_text()), context=256, slots=2, threads=threads, eos_id=1)
    slot, told, going_on = batch.begin(ids, 60, **GREEDY), [], True
    reading, writing = os.pipe()
    while going_on:
        batch.run(0.02, threads, reading)
        new, going_on = batch.told(slot)
        told += new
    os.close(reading)
    os.close(writing)
    return told


def test_a_processor_without_the_instructions_for_bytes_tells_the_same_story(monkeypatch, tmp_path):
    engine = load_engine(BUNDLED / "english")
    ids = engine.prompt_ids("One day a crow found a key")
    engine.close()
    here = _told(ids)
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path))
    monkeypatch.setattr(compiler, "_CHOICES", [[]])
    compiler.library.cache_clear()
    try:
        assert not compiler.weights_are_interleaved()
        assert _told(ids) == here
    finally:
        compiler.library.cache_clear()


def test_a_compiler_that_fails_leaves_the_stories_to_numpy(monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path / "cache"))
    compiler.library.cache_clear()
    try:
        assert compiler.library() is None
        engine = load_engine(BUNDLED / "english")  # its worker finds no other compiler
        assert "".join(engine.stream("One day a crow", Sampling(max_tokens=20, seed=1)))
        engine.close()
    finally:
        compiler.library.cache_clear()
