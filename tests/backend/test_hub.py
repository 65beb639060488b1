"""Folders to and from a Hub on this machine: private, resumed after a cut, and every refusal in one sentence."""

import json
import os
import subprocess
import sys

import pytest

from tests.hub_server import hub_server

CALL = """
import json, sys
from backend import hub
from backend.errors import UserError
name, arguments = sys.argv[1], json.loads(sys.argv[2])
try:
    print(getattr(hub, name)(**arguments))
except UserError as error:
    sys.exit(f"Error: {error}")
"""


def call(hub, name, home, key="hf_right", **arguments):
    environment = os.environ | hub.environment | {"HF_HOME": str(home)}
    environment.pop("HF_TOKEN", None)
    if key:
        environment["HF_TOKEN"] = key
    values = {key: value if isinstance(value, bool | None) else str(value) for key, value in arguments.items()}
    return subprocess.run([sys.executable, "-c", CALL, name, json.dumps(values)], env=environment, capture_output=True, text=True)


@pytest.fixture
def hub():
    with hub_server({"hf_right"}) as hub:
        yield hub


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "stories"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Stories\n")
    for number in range(3):
        (folder / "data" / f"train-{number:05}-of-00003.parquet").write_bytes(os.urandom(200_000))
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_goes_into_a_private_repository_and_comes_back(hub, folder, tmp_path):
    (folder / ".secret").write_text("mine")
    done = call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.address}/datasets/org/stories"
    assert hub.made[0]["visibility"] == "private" and hub.made[0]["type"] == "dataset"
    (folder / ".secret").unlink()
    assert hub.repos["org/stories"] == content(folder)
    back = call(hub, "download_dataset", tmp_path, repo="org/stories")
    assert back.returncode == 0, back.stderr
    assert {name: (tmp_path / back.stdout.strip() / name).read_bytes() for name in content(folder)} == content(folder)


def test_what_was_sent_before_a_cut_is_not_sent_again(hub, folder, tmp_path):
    hub.faults = [400]
    assert call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset").returncode == 1
    assert len(hub.sent) == 3 and not hub.repos["org/stories"]
    assert call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset").returncode == 0
    assert len(hub.sent) == 3 and hub.repos["org/stories"] == content(folder)


def test_broken_connections_are_mended(hub, folder, tmp_path):
    hub.cuts, hub.faults = [1000, 50_000], [503]
    done = call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset")
    assert done.returncode == 0, done.stderr
    assert hub.repos["org/stories"] == content(folder) and not hub.cuts and not hub.faults
    hub.cuts = [1000, 50_000]
    back = call(hub, "download_dataset", tmp_path, repo="org/stories")
    assert back.returncode == 0, back.stderr
    assert {name: (tmp_path / back.stdout.strip() / name).read_bytes() for name in content(folder)} == content(folder)
    assert not hub.cuts


def test_files_that_are_gone_here_are_gone_there(hub, folder, tmp_path):
    call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset")
    hub.repos["org/stories"]["notes.md"] = b"kept"
    (folder / "data" / "train-00002-of-00003.parquet").unlink()
    done = call(hub, "upload_folder", tmp_path, folder=folder, repo="org/stories", kind="dataset", replace="data/*")
    assert done.returncode == 0, done.stderr
    assert hub.repos["org/stories"] == {**content(folder), "notes.md": b"kept"}


def test_checkpoints_go_in_the_background_and_may_vanish_meanwhile(hub, tmp_path):
    code = """
import shutil, sys
from pathlib import Path
from backend.hub import await_pushes, push_in_background
for step in range(5):
    folder = Path(sys.argv[1]) / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes([step]) * 100_000)
    push_in_background(folder, "org/model", f"Step {step}")
    shutil.rmtree(folder)
await_pushes()
"""
    environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_right"}
    (tmp_path / "run").mkdir()
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert hub.repos["org/model"]["last-checkpoint/model.safetensors"] == bytes([4]) * 100_000
    assert hub.commits["org/model"][-1] == "Step 4" and not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("key", "arguments", "complaint"),
    [
        ("", {"repo": "org/stories"}, "There is no token for the Hub"),
        ("hf_wrong", {"repo": "org/stories"}, "does not accept your token"),
        ("", {"repo": "no such name!"}, "ORG/NAME"),
        ("hf_right", {"repo": "no such name!"}, "ORG/NAME"),
        ("hf_right", {"repo": "org/stories", "folder": "/nowhere"}, "no folder"),
    ],
)
def test_refusals_are_one_sentence(hub, folder, tmp_path, key, arguments, complaint):
    done = call(hub, "upload_folder", tmp_path, key, **{"folder": folder, "kind": "dataset", **arguments})
    assert done.returncode == 1 and complaint in done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert "hf_wrong" not in done.stderr


def test_a_repository_that_is_not_there_and_a_hub_that_is_not_there(hub, tmp_path):
    done = call(hub, "download_model", tmp_path, repo="org/nothing")
    assert done.returncode == 1 and done.stderr.startswith("Error: The Hub has no 'org/nothing'")
    hub.repos["org/model"] = {"config.json": b"{}"}
    done = call(hub, "download_model", tmp_path, repo="org/model@v9")
    assert done.returncode == 1 and done.stderr.startswith("Error: The Hub has no revision 'v9' of 'org/model'; name a branch")
    hub.address = "http://127.0.0.1:9"
    done = call(hub, "download_model", tmp_path, repo="org/nothing")
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
