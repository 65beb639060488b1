"""A run that is pushed to a Hub as it goes, and taken up from there on another machine."""

import os
import re

import pytest

from tests.hub_server import hub_server
from tests.trainer.small_runs import call, environment, rows, settings


@pytest.fixture
def hub():
    with hub_server({"hf_right"}) as hub:
        yield hub


def online(hub, home) -> dict[str, str]:
    return os.environ | hub.environment | {"HF_HOME": str(home), "HF_TOKEN": "hf_right"}


def test_a_pushed_run_goes_on_elsewhere_as_if_it_had_stayed(hub, reference, tokens, config_file, tmp_path):
    # A run stopped early would have other rates; so the Hub gets what a whole run had at its 16th step.
    fields = {"data": tokens, "push_to_hub": "org/run"}
    done = call("train", config_file, *settings(out=tmp_path / "here", **fields), env=online(hub, tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    pushed = hub.repos["org/run"]
    assert {"last-checkpoint/model.safetensors", "last-checkpoint/state.pt", "last-checkpoint/config.yaml"} <= set(pushed)
    assert {"config.json", "model.safetensors", "model.gguf", "tokenizer.json", "README.md"} <= set(pushed)
    for name in ("model.safetensors", "state.pt"):
        pushed[f"last-checkpoint/{name}"] = (reference / "checkpoint-16" / name).read_bytes()
    there = tmp_path / "there"
    done = call(
        "train", config_file, *settings(data=tokens, out=there, resume="org/run"), env=online(hub, tmp_path / "elsewhere")
    )
    assert done.returncode == 0, done.stderr
    assert re.search("resuming at step 16", done.stdout + done.stderr)
    assert rows(there) == [row for row in rows(reference) if row["step"] > 16]
    ours, theirs = (run / "checkpoint-24" / "model.safetensors" for run in (there, reference))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_hub_that_fails_never_stops_training(reference, tokens, config_file, tmp_path):
    gone = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_right"}
    out = tmp_path / "run"
    done = call("train", config_file, *settings(data=tokens, out=out, push_to_hub="org/run"), env=os.environ | gone)
    assert done.returncode == 0, done.stderr
    assert rows(out) == rows(reference)
    assert "was not pushed" in done.stderr and "Traceback" not in done.stderr


def test_a_push_without_a_token_is_told_before_anything_is_trained(tokens, config_file, tmp_path):
    alone = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ""}
    out = tmp_path / "run"
    done = call("train", config_file, *settings(data=tokens, out=out, push_to_hub="org/run"), env=alone)
    assert done.returncode == 1 and "There is no token for the Hub" in done.stderr and not out.exists()


def test_a_hub_without_that_run_is_told_in_a_sentence(hub, tokens, config_file, tmp_path):
    line = settings(data=tokens, out=tmp_path / "run", resume="org/none")
    done = call("train", config_file, *line, env=environment() | online(hub, tmp_path / "home") | {"HF_HUB_OFFLINE": "0"})
    assert done.returncode == 1 and "There is no folder org/none here" in done.stderr and "The Hub has no 'org/none'" in done.stderr
    assert "Traceback" not in done.stderr
