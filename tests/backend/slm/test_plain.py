"""A machine without a C compiler tells stories all the same, and reads nearly the same in a text."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.slm.catalog import BUNDLED
from backend.slm.engine import load_engine
from backend.slm.native.batch import _Sampling
from backend.slm.native.compiler import library
from backend.slm.plain import draw

TEXT = "One day a girl and a crow met by the river. " * 8
TELL = """
import json, sys
from backend.slm.engine import load_engine
from backend.slm.native.compiler import library
from backend.slm.sampling import Sampling

assert library() is None
engine = load_engine(sys.argv[1])
stories = engine.complete_many(["Once upon a time"] * 3, Sampling(max_tokens=40, seed=5, top_p=0.95, min_p=0.02, repetition_penalty=1.1))
read = engine.read(engine.prompt_ids("One day a girl and a crow met by the river. " * 8), 3)
print(json.dumps([[story.text for story in stories], [[r.id, r.log_probability, r.rank, r.likeliest] for r in read[1:]]]))
engine.close()
"""


pytestmark = pytest.mark.skipif(library() is None, reason="there is no C compiler here: nothing to compare with")


@pytest.mark.parametrize("kind", ["bundled", "gpt2"])
def test_without_a_compiler_stories_are_told_and_texts_are_read_nearly_the_same(folders, kind, tmp_path):
    folder = BUNDLED / "english" if kind == "bundled" else folders[kind]
    alone = {**os.environ, "PATH": str(tmp_path), "CC": "", "PYTHONPATH": str(Path.cwd())}
    told = subprocess.run([sys.executable, "-c", TELL, str(folder)], env=alone, capture_output=True, text=True, check=True)
    stories, read = json.loads(told.stdout)
    assert len(set(stories)) == 1 + 2 and all(len(story) > 20 for story in stories)
    engine = load_engine(folder)
    readings = engine.read(engine.prompt_ids(TEXT), 3)[1:]
    engine.close()
    assert [token for token, *_ in read] == [reading.id for reading in readings]
    # What lies between two roundings may fall to either side: keys and values are in half precision there, in floats here.
    scores = np.array([[score, reading.log_probability] for (_, score, *_), reading in zip(read, readings, strict=True)])
    assert np.abs(scores[:, 0] - scores[:, 1]).mean() < 0.3
    assert np.corrcoef(scores.T)[0, 1] > 0.99
    assert np.mean([likeliest[0][0] == r.likeliest[0][0] for (*_, likeliest), r in zip(read, readings, strict=True)]) > 0.9


@pytest.mark.parametrize("changed", [{}, {"top_k": 0}, {"top_p": 0.7}, {"min_p": 0.2}, {"repetition_penalty": 1.3, "temperature": 0}, {"top_k": 400}])
def test_both_draw_the_same_token_from_the_same_logits(changed):
    settings = {"temperature": 0.8, "top_k": 15, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0} | changed
    dice, seen = np.random.default_rng(0), np.zeros(1000, np.uint8)
    said = [3, 14, 159]
    seen[said] = 1
    room = np.zeros(1000, np.int64)
    for seed in range(300):
        logits = dice.normal(0, 3, 1000).astype(np.float32)
        expected = draw(logits, said, settings | {"seed": seed}, 7)
        here = _Sampling(**settings, seed=seed)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (logits, seen, room)]
        assert library().draw(pointers[0], 1000, pointers[1], ctypes.byref(here), 7, pointers[2], None) == expected
