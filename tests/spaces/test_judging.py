"""Questions to a judge survive an endpoint's bad days, and end at once when the visitor stops."""

import asyncio
import json

import pytest

from backend.llm.prices import Price
from backend.llm.provider import Completion, Fatal, RateLimited, Transient
from evaluation import completions
from evaluation.judge import questions
from evaluation.rubrics import CRITERIA
from spaces.judging import judge_all, priced
from spaces.labels import labels
from spaces.score_view import judged_many_html

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
        return Completion(answer)

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
    assert judged_many_html(ratings, labels("english")).count('<th scope="row">m · ') == 2
    assert '<th scope="row">m</th>' in judged_many_html(ratings[::2], labels("english"))
