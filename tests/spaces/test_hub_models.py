"""A visitor pastes the address of a model of the Hub: it is brought, told from, and shown with its commit."""

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from backend.languages import load_language
from spaces.choice import known_name
from spaces.labels import labels
from spaces.story import story_html
from spaces.verdict import facts_of
from spaces.writing import Draft
from tests.app_server import running_app
from tests.backend.slm.random_models import write_random_model
from tests.hub_server import SHA, hub_server

NAME = "TinyStories-Regional/noise"
HINDI = "एक छोटी चिड़िया"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with hub_server() as hub:
        hub.add_folder(NAME, write_random_model(tmp_path_factory.mktemp("noise"), "qwen3-tied"))
        yield hub


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("home"))
    with running_app("--no-bundled", **hub.environment, HF_HOME=folder, TINYSTORIES_CACHE=folder) as address:
        yield Client(address, verbose=False)


def test_an_address_and_an_id_are_one_model_fetched_once_and_shown_with_its_commit(client, hub):
    story = client.predict(HINDI, model=f"https://huggingface.co/{NAME}", max_tokens=20, seed=1, api_name="/complete")
    assert story.startswith(HINDI) and len(story) > len(HINDI)
    assert client.predict(HINDI, model=f" {NAME} ", max_tokens=20, seed=1, api_name="/complete") == story
    seen = client.predict(HINDI, model=f"hf.co/{NAME}/tree/main", api_name="/tokens")
    assert (seen["model"], seen["revision"]) == (NAME, SHA)
    assert hub.asked.count(f"{NAME}/model.safetensors") == 1


@pytest.mark.parametrize(("name", "said"), [("somebody/else", "loads from TinyStories-Regional"), ("TinyStories-Regional/no", "check its name")])
def test_what_may_not_or_cannot_be_had_is_said(client, name, said):
    with pytest.raises(AppError, match=said):
        client.predict(HINDI, model=name, api_name="/complete")


def test_names_are_brought_to_one_form():
    assert known_name("https://huggingface.co/org/name/blob/main/a%20b.pt?download=true") == "org/name/a b.pt"
    assert known_name("org/name@v2") == known_name("https://huggingface.co/org/name/tree/v2") == "org/name@v2"
    assert known_name(" hindi ") == "hindi"


def test_a_bar_shows_how_much_has_come():
    words, draft = labels("english"), Draft(NAME, 0, fetched=0.25)
    facts = facts_of(draft, HINDI, "hindi", words)
    assert facts == [words["fetching"].format(percent=25)]
    assert '<progress max="1" value="0.250">' in story_html(HINDI, "", load_language("hindi"), facts, True, come=draft.coming)
    draft.ending = "eos"
    assert draft.coming is None
