"""A dataset on its way to the Hub and back into a program that reads it from there."""

import json
import os
import subprocess
import sys

import pytest

from tests.datagen.command import datagen
from tests.hub_server import hub_server

READ = """
import json, sys
from datasets import load_dataset
print(json.dumps([row["id"] for row in load_dataset(sys.argv[1], split="train", streaming=True)]))
"""


def run(*arguments, **environment):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment)


def test_an_export_is_pushed_privately_and_read_from_there(tmp_path):
    journal, out = tmp_path / "a.sqlite", tmp_path / "stories"
    assert datagen("stories", "hindi", "--count", 60, "--provider", "storyteller", "--journal", journal).returncode == 0
    assert datagen("export", journal, "--out", out).returncode == 0
    with hub_server({"hf_right"}) as hub:
        environment = hub.environment | {"HF_TOKEN": "hf_right", "HF_HOME": str(tmp_path / "home")}
        done = run("-m", "datagen", "push", out, "--repo", "org/stories", **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().endswith("/datasets/org/stories") and hub.made[0]["visibility"] == "private"
        assert any(name.startswith("data/train-") for name in hub.repos["org/stories"]) and "README.md" in hub.repos["org/stories"]
        read = run("-c", READ, "org/stories", **environment)
        assert read.returncode == 0, read.stderr
    ids = json.loads(read.stdout)
    assert len(ids) > 40 and len(set(ids)) == len(ids) and all(id_.startswith("hindi-2+-0-") for id_ in ids)


def test_what_is_no_export_is_not_pushed(tmp_path):
    done = datagen("push", tmp_path, "--repo", "org/stories")
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and "no export" in done.stderr


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "no token for the Hub"),
        ({"HF_TOKEN": "hf_right"}, "cannot be reached at http://127.0.0.1:9"),
        ({"HF_TOKEN": "hf_right", "HF_HUB_OFFLINE": "1"}, "unset it"),
    ],
)
def test_without_a_token_or_a_network_it_says_which_of_them_is_missing(tmp_path, variables, complaint):
    (tmp_path / "dataset.json").write_text("{}")
    alone = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "", "HF_HUB_OFFLINE": "0"}
    done = run("-m", "datagen", "push", tmp_path, "--repo", "org/stories", **alone | variables)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert complaint in done.stderr and "hf_right" not in done.stderr
