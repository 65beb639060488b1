"""Programs speak to the app through OpenAI's own client."""

import time

import openai
import pytest

from backend.slm.stop_strings import StopStrings
from backend.tokenizer import load_tokenizer
from tests.app_server import running_app
from tests.backend.slm.random_models import write_random_model

OPENING = "एक छोटी चिड़िया"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_random_model(root / "noise", "qwen3-tied")
    write_random_model(root / "slow", "qwen3-slow")
    return root


@pytest.fixture(scope="module")
def tokenizer(root):
    return load_tokenizer(root / "noise")


@pytest.fixture(scope="module")
def address(root):
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
    assert len(pieces) > 2  # text, the reason of its end, the usage: so short a one may come at once
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole.choices[0].text
    assert pieces[-1].usage == whole.usage
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == whole.choices[0].finish_reason
    assert ask(client, seed=8).choices[0].text != whole.choices[0].text


def test_a_story_under_way_is_shown_piece_by_piece(client):
    assert len(list(ask(client, model="slow", max_tokens=400, stream=True))) > 3


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
        ({"logprobs": 99}, openai.BadRequestError), ({"max_tokens": 0}, openai.BadRequestError),
        ({"frequency_penalty": 1.0}, openai.BadRequestError), ({"best_of": 4}, openai.BadRequestError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openai_s_form_and_one_sentence(client, wrong, error, stream):
    with pytest.raises(error) as caught:
        ask(client, **wrong, stream=stream)
    assert caught.value.body["message"].endswith(".")
    assert "Traceback" not in caught.value.body["message"]


def test_a_harness_scores_texts_by_their_tokens(client, tokenizer):
    """As lm-evaluation-harness asks: ids of context and continuation, an echo, one token more, which it leaves out."""
    ids = [[tokenizer.bos_id, *tokenizer.encode(text)] for text in (OPENING, "Once there was")]
    answer = ask(client, prompt=ids, max_tokens=1, logprobs=1, echo=True, temperature=0)
    for given, choice in zip(ids, answer.choices, strict=True):
        found = choice.logprobs
        assert len(found.tokens) == len(found.token_logprobs) == len(found.top_logprobs) == len(found.text_offset) == len(given) + 1
        assert found.token_logprobs[0] is None
        assert all(score <= 0 for score in found.token_logprobs[1:])
        # Without temperature the token that is written is the likeliest, but for near ties: writing is in half precision.
        assert found.token_logprobs[-1] > max(found.top_logprobs[-1].values()) - 0.2
    assert answer.choices[1].text.startswith("Once there was")
    whole, alone = answer.choices[1].logprobs, ask(client, prompt="Once there was", max_tokens=0, logprobs=1, echo=True).choices[0]
    assert alone.text == "Once there was" == "".join(alone.logprobs.tokens)
    assert alone.logprobs.token_logprobs == pytest.approx(whole.token_logprobs[1:-1], abs=1e-4)


def test_what_is_written_has_its_probabilities_too(client):
    choice = ask(client, prompt="A", logprobs=3).choices[0]
    assert len(choice.logprobs.tokens) == len(choice.logprobs.token_logprobs) > 3
    assert all(3 <= len(likely) <= 4 for likely in choice.logprobs.top_logprobs)
    word = choice.text.split()[2]
    cut = ask(client, prompt="A", logprobs=3, stop=word).choices[0]
    assert 0 < len(cut.logprobs.tokens) < len(choice.logprobs.tokens)
    assert cut.logprobs.tokens == choice.logprobs.tokens[: len(cut.logprobs.tokens)]
    assert ask(client, prompt="A").choices[0].logprobs is None


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
