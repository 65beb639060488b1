"""Questions to a judge survive an endpoint's bad days, and end at once when the visitor stops."""

import asyncio
import json

import pytest

from backend.llm.prices import Price
from backend.llm.provider import Completion, Fatal, RateLimited, Transient
from evaluation import completions
from evaluation.judge import questions
from evaluation.rubrics import CRITERIA
from spaces.endpoint_fields import failure_html
from spaces.judged import pasted, uploaded
from spaces.judging import judge_all, priced
from spaces.labels import labels
from spaces.score_view import check_each, checked_many, judged_many_html, problems_html, spent_html

WORDS = labels("english")
GOOD = json.dumps(dict.fromkeys(CRITERIA, 7))


class Endpoint:
    """Answers from a list, over and over; exceptions in it are raised."""

    model = "judge"

    def __init__(self, answers):
        self.answers, self.calls, self.closed = answers, 0, False

    async def complete(self, messages, **_):
        answer = self.answers[self.calls % len(self.answers)]
        self.calls += 1
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, input_tokens=100, output_tokens=10)

    async def close(self):
        self.closed = True


def asked(count):
    stories = [completions.Completion("A", f"story {i}.", "m", "english", i) for i in range(count)]
    return questions(stories, ["judge"], "paper", 1)


async def run(endpoint, count, stop=None):
    state = None
    async for found in judge_all(endpoint, asked(count), stop or asyncio.Event()):
        state = found
    assert endpoint.closed
    return state


async def test_every_question_is_settled_whatever_the_endpoint_does():
    faults = [GOOD, RateLimited("slow down", 0.01), Transient("oops", retry_after=0.01), "no JSON at all", GOOD, GOOD]
    state = await run(Endpoint(faults), 20)
    assert len(state.ratings) == 20
    assert sorted(rating.index for rating in state.ratings) == list(range(20))


async def test_an_endpoint_that_never_answers_properly_is_given_up():
    state = await run(Endpoint(["I'd rather not."]), 3)
    assert len(state.failed) == 3
    assert state.done == 3


async def test_answers_that_hold_no_score_are_told_and_counted_for_they_are_paid_for():
    state = await run(Endpoint(["<b>I</b> like it."]), 3)
    assert "1,200 tokens in, 120 out" in spent_html(state, None, WORDS)
    assert "$0.0003" in spent_html(state, Price(0.15, 0.60), WORDS)
    told = problems_html(state, WORDS)
    assert told.count("&lt;b&gt;I&lt;/b&gt; like it.") == 3
    assert "<b>" not in told
    half = await run(Endpoint(["no score", GOOD]), 3)
    assert len(half.ratings) == 3
    assert "600 tokens in, 60 out" in spent_html(half, None, WORDS)


async def test_a_wrong_key_ends_it_at_once():
    endpoint = Endpoint([Fatal("401")])
    with pytest.raises(Fatal):
        await run(endpoint, 50)
    assert endpoint.calls < 10


async def test_a_dead_endpoint_is_told_of_after_a_few_tries_not_for_every_question():
    endpoint = Endpoint([Transient("nobody there", retry_after=0.01)])
    with pytest.raises(Transient, match="nobody there"):
        await run(endpoint, 200)
    assert endpoint.calls < 30


async def test_stopping_keeps_what_has_come():
    class Slow(Endpoint):
        async def complete(self, messages, **_):
            if self.calls >= 4:
                await asyncio.Event().wait()
            return await super().complete(messages)

    endpoint, stop, state = Slow([GOOD]), asyncio.Event(), None
    async for state in judge_all(endpoint, asked(30), stop):
        if len(state.ratings) == 4:
            stop.set()
    assert state.stopped
    assert len(state.ratings) == 4


def test_a_rating_costs_what_its_tokens_do_unless_the_endpoint_says_it():
    (question,) = asked(1)
    rating = question.rating(GOOD, 2_000_000, 1_000_000)
    assert priced(rating, Price(0.15, 0.60)).cost == pytest.approx(0.90)
    assert priced(question.rating(GOOD, 10, 10, 0.5), Price(0.15, 0.60)).cost == 0.5
    assert priced(rating, None).cost == 0


def test_stories_of_one_model_in_two_languages_are_no_one_mean():
    stories = [completions.Completion(f"A {i}", "story.", "m", language, 0) for i in range(3) for language in ("hindi", "english")]
    ratings = [question.rating(GOOD) for question in questions(stories, ["judge"], "paper", 1)]
    assert judged_many_html(ratings, WORDS).count('<th scope="col">m · ') == 2
    assert '<th scope="col">m</th>' in judged_many_html(ratings[::2], WORDS)


def test_two_stories_of_one_opening_have_a_spread_and_no_interval():
    stories = [completions.Completion("A", "story.", model, "english") for model in ("m", "n")]
    ratings = [q.rating(GOOD.replace("7", str(7 + q.repeat))) for q in questions(stories, ["judge"], "paper", 3)]
    shown = judged_many_html(ratings, WORDS)
    assert "nan" not in shown
    assert "8.00<small>7–9</small>" in shown
    assert WORDS["interval_note"] not in shown


def test_few_models_stand_side_by_side_and_many_below_each_other():
    stories = [completions.Completion(f"A {i}", "A story.", f"m{model}", "english") for i in range(2) for model in range(4)]
    for count, across in ((3, True), (4, False)):
        some = [story for story in stories if story.model < f"m{count}"]
        table, _ = checked_many(some, check_each(some), WORDS)
        assert ('<th scope="col">m0</th>' in table) == across
        assert ('<th scope="row">m0</th>' in table) != across


def test_a_visitor_is_told_what_to_do_about_an_endpoint_without_the_machinery_s_words():
    dead = Transient("http://h/v1: ClientConnectorError: Cannot connect", "connection broken")
    assert "ClientConnectorError" not in failure_html(dead, "judge @ h", "sk-1", WORDS)
    assert WORDS["endpoint_unreachable"].format(endpoint="judge @ h") in failure_html(dead, "judge @ h", "sk-1", WORDS)
    wrong = Fatal("http://h/v1 answered 401: no such key", "not allowed")
    assert WORDS["key_missing"].format(endpoint="judge @ h") in failure_html(wrong, "judge @ h", " ", WORDS)
    assert "401" in failure_html(wrong, "judge @ h", "sk-1", WORDS)


def test_a_story_s_language_is_the_one_its_script_or_its_file_s_name_says(tmp_path):
    assert pasted("", "একদিন মিনু বাগানে গেল।", "hindi", WORDS).language == "bangla"
    assert pasted("एक दिन", "मीनू बाग में गई।", "marathi", WORDS).language == "marathi"
    assert pasted("", "однажды", "hindi", WORDS).language == "hindi"
    row = {"ID": "Prompt[1] - Story[1]", "prompt": "একদিন", "story": "একদিন মিনু বাগানে গেল।"}
    for name, language in (("beng-sample-ckpt_sutra.json", "bangla"), ("some.json", "hindi")):
        (tmp_path / name).write_text(json.dumps([row]), "utf-8")
        assert uploaded(tmp_path / name, "hindi", WORDS)[0].language == language
