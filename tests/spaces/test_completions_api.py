"""Programs speak to the app through OpenAI's own client."""

import time

import openai
import pytest

from backend.slm.stop_strings import StopStrings
from tests.app_server import running_app
from tests.backend.slm.random_models import write_random_model

OPENING = "एक छोटी चिड़िया"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_random_model(root / "noise", "qwen3-tied")
    with running_app(
        "--models", str(root), TINYSTORIES_CACHE=str(root / "cache"), TINYSTORIES_API_KEY="open sesame", TINYSTORIES_PER_VISITOR="40"
    ) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    return openai.OpenAI(base_url=f"{address}/v1", api_key="open sesame", max_retries=0)


def ask(client, **asked):
    return client.completions.create(**{"model": "noise", "prompt": OPENING, "max_tokens": 40, "seed": 7} | asked)


def test_models_are_listed_and_described(client):
    assert "noise" in [model.id for model in client.models.list()]
    assert client.models.retrieve("noise").id == "noise"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_a_seed_gives_the_same_completion_streamed_or_whole(client):
    whole = ask(client)
    assert whole.choices[0].text
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert 0 < whole.usage.completion_tokens <= 40
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    pieces = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert len(pieces) > 3
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole.choices[0].text
    assert pieces[-1].usage == whole.usage
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == whole.choices[0].finish_reason
    assert ask(client, seed=8).choices[0].text != whole.choices[0].text


def test_several_prompts_and_several_of_each(client):
    many = ask(client, prompt=["A", "B"], n=3)
    assert [choice.index for choice in many.choices] == list(range(6))
    assert len({choice.text for choice in many.choices}) == 6
    assert many.choices[0].text == ask(client, prompt="A").choices[0].text
    assert many.choices[4].text == ask(client, prompt="B", seed=8).choices[0].text
    streamed = dict.fromkeys(range(6), "")
    for piece in ask(client, prompt=["A", "B"], n=3, stream=True):
        streamed[piece.choices[0].index] += piece.choices[0].text
    assert list(streamed.values()) == [choice.text for choice in many.choices]


def test_stop_strings_end_before_themselves(client):
    text = ask(client).choices[0].text
    stop = text[len(text) // 2 :][:3]
    stopped = ask(client, stop=["never to be seen", stop]).choices[0]
    assert stopped.text == text[: text.index(stop)]
    assert stopped.finish_reason == "stop"
    pieces = "".join(piece.choices[0].text for piece in ask(client, stop=stop, stream=True))
    assert pieces == stopped.text


def test_echo_and_token_ids(client):
    assert ask(client, echo=True).choices[0].text == OPENING + ask(client).choices[0].text
    assert ask(client, prompt=[0, 300, 301]).usage.prompt_tokens == 3
    assert len(ask(client, prompt=[[0, 300], [0, 301]]).choices) == 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"model": "/etc"}, openai.NotFoundError), ({"model": "somebody/else"}, openai.NotFoundError),
        ({"temperature": 99}, openai.BadRequestError), ({"n": 0}, openai.BadRequestError), ({"n": 65}, openai.BadRequestError),
        ({"seed": -1}, openai.BadRequestError), ({"prompt": "x " * 5000}, openai.BadRequestError),
        ({"prompt": [99999]}, openai.BadRequestError), ({"max_tokens": "many"}, openai.BadRequestError),
        ({"suffix": "end"}, openai.BadRequestError), ({"n": 41}, openai.RateLimitError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openai_s_form_and_one_sentence(client, wrong, error, stream):
    with pytest.raises(error) as caught:
        ask(client, **wrong, stream=stream)
    assert caught.value.body["message"].endswith(".")
    assert "Traceback" not in caught.value.body["message"]


def test_the_key_is_asked_for(address):
    for key in ("wrong", "öffne dich"[:5]):
        with pytest.raises((openai.AuthenticationError, UnicodeEncodeError)):
            openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0).models.list()


def test_who_leaves_early_frees_the_engine(client):
    stream = ask(client, n=30, max_tokens=450, stream=True)
    next(iter(stream))
    stream.close()
    # Were the stories still under way, the address's forty places would be taken.
    until = time.monotonic() + 20
    while True:
        try:
            assert len(ask(client, n=40, max_tokens=2).choices) == 40
            break
        except openai.RateLimitError:
            assert time.monotonic() < until


@pytest.mark.parametrize("cut", range(1, 12))
def test_stop_strings_work_for_every_way_of_cutting(cut):
    text = "abcabd xyzabcabe"
    stop = StopStrings(["abcabe", "zzz"])
    shown = [stop.push(text[i : i + cut]) for i in range(0, len(text), cut)]
    assert "".join(shown) == "abcabd xyz"
    assert stop.hit
    open_end = StopStrings(["abx"])
    assert open_end.push("cab") + open_end.flush() == "cab"
