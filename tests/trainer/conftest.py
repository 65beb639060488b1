import pytest
import torch

from tests.trainer.small_runs import call, settings, stories, train, write_jsonl
from trainer.config import load_config


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """400 stories as JSONL."""
    return write_jsonl(tmp_path_factory.mktemp("corpus") / "stories.jsonl", stories(400))


@pytest.fixture(scope="session")
def tokens(corpus, tmp_path_factory):
    """The corpus as tokens of its own vocabulary, made by the command."""
    folder = tmp_path_factory.mktemp("tokens")
    done = call("prepare", "--dataset", corpus, "--tokenizer", "train:400", "--out", folder, "--validation", 0.1)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return folder


@pytest.fixture(scope="session")
def config_file(tmp_path_factory):
    """An empty config: every setting comes from the defaults and the command line."""
    path = tmp_path_factory.mktemp("configs") / "empty.yaml"
    path.write_text("seed: 0\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def reference(tokens, config_file, tmp_path_factory):
    """A run of 24 steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("reference") / "run"
    assert train(load_config(config_file, settings(data=tokens, out=out)))
    return out
