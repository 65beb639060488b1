"""The Space that is sent to the Hub: complete, without torch, and an app that answers."""

import importlib.metadata
import os
import subprocess
import sys

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from spaces.deploy import write_space
from tests.hub_server import hub_server


@pytest.fixture
def hub():
    with hub_server({"hf_right"}) as hub:
        yield hub


def test_the_app_goes_to_a_private_space_and_what_is_gone_goes_there_too(hub, tmp_path):
    environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path), "HF_TOKEN": "hf_right"}
    command = [sys.executable, "-m", "spaces.deploy", "org/stories"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.address}/spaces/org/stories"
    assert hub.made[0]["visibility"] == "private" and hub.made[0]["type"] == "space" and hub.made[0]["sdk"] == "gradio"
    sent = hub.repos["org/stories"]
    assert {"app.py", "README.md", "requirements.txt", "packages.txt", "models/tiny/model.safetensors", "languages/hindi/openings.txt"} <= set(sent)
    assert not [path for path in sent if "__pycache__" in path or path.startswith((".", "tests/", "trainer/"))]
    sent["spaces/removed_tab.py"] = b""
    assert subprocess.run(command, capture_output=True, env=environment).returncode == 0
    assert "spaces/removed_tab.py" not in hub.repos["org/stories"]


def test_without_a_token_it_says_how_to_get_one(hub, tmp_path):
    environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path)}
    environment.pop("HF_TOKEN", None)
    done = subprocess.run([sys.executable, "-m", "spaces.deploy", "org/stories"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "HF_TOKEN" in done.stderr and "Traceback" not in done.stderr


def test_the_card_asks_for_the_gradio_that_is_tested(tmp_path):
    write_space(tmp_path / "space")
    front = yaml.safe_load((tmp_path / "space" / "README.md").read_text("utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and (tmp_path / "space" / front["app_file"]).exists()
    lines = (tmp_path / "space" / "requirements.txt").read_text("utf-8").splitlines()
    wanted = next(SpecifierSet(line.removeprefix("gradio")) for line in lines if line.startswith("gradio"))
    assert front["sdk_version"] in wanted and importlib.metadata.version("gradio") in wanted


def test_the_app_starts_from_the_files_of_the_space(tmp_path):
    write_space(tmp_path / "space")
    done = subprocess.run([sys.executable, "app.py", "--help"], cwd=tmp_path / "space", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imports = "import spaces.server, spaces.prompts, spaces.judge, datagen.cleaning"
    done = subprocess.run([sys.executable, "-c", imports], cwd=tmp_path / "space", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
