"""Votes outlive a Space's disk: they go to a dataset of the Hub, private, and come back from there."""

import json
import os
import subprocess
import sys

import pytest

from spaces.votes import Votes
from tests.app_server import ROOT
from tests.hub_server import hub_server

LIFE = """
import json, sys, threading
from dataclasses import replace
from pathlib import Path
from spaces.votes import Vote, Votes
votes = Votes(Path(sys.argv[1]))
for thread in threading.enumerate():  # the way to the Hub is found beside the app's start
    if thread is not threading.main_thread() and thread.name.startswith("votes"):
        thread.join(60)
print(json.dumps(votes.counted()))
vote = Vote(sys.argv[2], "2026-01-01T00:00:00+00:00", "hindi", sys.argv[2], "a", "b", "…", "…", "{}", "first", "visitor")
votes.add(vote, 30)
"""


@pytest.fixture
def hub():
    with hub_server({"hf_right"}) as hub:
        yield hub


def live(hub, folder, vote, **environment):
    settings = hub.environment | {"HF_HOME": str(folder), "HF_TOKEN": "hf_right", "TINYSTORIES_VOTES_REPO": "org/votes"}
    command = [sys.executable, "-c", LIFE, str(folder), vote]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout.splitlines()[0]), done.stderr


def test_votes_go_to_a_private_dataset_and_come_back_on_a_new_disk(hub, tmp_path):
    assert live(hub, tmp_path / "first", "one")[0] == []
    assert (hub.made[0]["type"], hub.made[0]["visibility"]) == ("dataset", "private")
    kept = [json.loads(line) for path, text in hub.repos["org/votes"].items() if path.endswith(".jsonl") for line in text.splitlines()]
    assert [vote["id"] for vote in kept] == ["one"]
    assert live(hub, tmp_path / "second", "two")[0] == [["a", "b", "first", "visitor"]]


def test_without_the_hub_votes_stay_here_and_it_is_said(hub, tmp_path):
    found, said = live(hub, tmp_path, "one", HF_ENDPOINT="http://127.0.0.1:9")
    assert found == [] and "Votes stay on this machine" in said
    assert Votes(tmp_path).counted() == [("a", "b", "first", "visitor")]
