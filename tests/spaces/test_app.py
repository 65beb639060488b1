"""The running app, asked by programs."""

import itertools
import json
import sys
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.app_server import ROOT, running_app
from tests.backend.slm.random_models import write_random_model

# Refuses the heavy packages, as an environment without them would.
WITHOUT_TORCH = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "accelerate", "datasets"):
            raise ModuleNotFoundError(f"the app must do without {name}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv[0] = "app.py"
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_random_model(root / "noise", "qwen3-tied", endless=True)
    with running_app(
        "--models", str(root), command=("-c", WITHOUT_TORCH), TINYSTORIES_CACHE=str(root / "cache"), PYTHONPATH=str(ROOT)
    ) as address:
        yield address


@pytest.fixture(scope="module")
def client(app):
    return Client(app, verbose=False)


def test_complete_streams_and_ends_with_the_whole_story_without_torch(client):
    job = client.submit("एक छोटी चिड़िया", model="noise", max_tokens=60, seed=3, api_name="/complete")
    story = job.result(60)
    assert story.startswith("एक छोटी चिड़िया")
    assert len(story) > 60
    outputs = job.outputs()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(outputs))
    assert outputs[-1] == story
    assert client.predict("एक छोटी चिड़िया", model="noise", max_tokens=60, seed=3, api_name="/complete") == story
    assert client.predict("एक छोटी चिड़िया", model="noise", max_tokens=60, seed=4, api_name="/complete") != story


def test_defaults_are_those_that_the_documentation_names(client):
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/complete"]["parameters"]
    defaults = {p["parameter_name"]: p.get("parameter_default") for p in parameters}
    assert defaults == {
        "opening": None, "language": "hindi", "model": None, "temperature": 0.6, "top_k": 15, "max_tokens": 450, "seed": None,
        "top_p": 1.0, "min_p": 0.1, "repetition_penalty": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("opening", ["", "x" * 20_000, "🙂", "Привет, мир", "\x00"])
def test_bad_openings_get_a_sentence(client, opening):
    with pytest.raises(AppError) as caught:
        client.predict(opening, api_name="/complete")
    message = str(caught.value)
    assert message.endswith((".", "。"))
    assert "Traceback" not in message
    assert "Error(" not in message


@pytest.mark.parametrize("settings", [{"temperature": 99}, {"max_tokens": 0}, {"seed": -4}, {"language": "klingon"}, {"model": "/etc"}])
def test_bad_settings_get_a_sentence(client, settings):
    with pytest.raises(AppError, match=r"\.$"):
        client.predict("एक दिन", **settings, api_name="/complete")


def test_every_endpoint_is_named_and_documented(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert {"/complete", "/models", "/tokens"} == set(endpoints)
    for name, endpoint in endpoints.items():
        assert endpoint["description"], name
        assert all(parameter["parameter_name"] != "request" for parameter in endpoint["parameters"])
    assert "noise" in [model["name"] for model in client.predict(api_name="/models")]
    assert client.predict("bangla", api_name="/models")


def test_programs_see_tokens_as_the_page_does(client):
    answer = client.predict("एक छोटी चिड़िया", model="noise", alternatives=3, api_name="/tokens")
    assert answer["model"] == "noise"
    assert all(len(token["likeliest"]) == 3 and token["log_probability"] < 0 for token in answer["tokens"])
    for token in answer["tokens"]:
        if token["rank"] < 3:
            assert token["likeliest"][token["rank"]]["text"] == token["text"]
    with pytest.raises(AppError, match="alternatives"):
        client.predict("एक", model="noise", alternatives=99, api_name="/tokens")


def test_no_model_is_said_plainly(tmp_path):
    sys.path.insert(0, str(ROOT))
    from backend.errors import UserError
    from backend.slm.shelf import Models
    from spaces.choice import choose_model

    with pytest.raises(UserError, match="No model"):
        choose_model(Models([]), None, "hindi")


def test_the_space_needs_no_torch():
    named = [line.split(">")[0].split("=")[0].strip() for line in Path("spaces/requirements.txt").read_text().splitlines()]
    assert not {"torch", "transformers", "accelerate", "datasets"} & set(named)
    assert json.dumps(named)
