"""Stories that wait for a place say how many go before them, and Stop reaches them there."""

import asyncio

import pytest

from backend.slm.catalog import models_in
from backend.slm.sampling import MAX_SEED, Sampling, seeds_in_a_row
from backend.slm.shelf import Models
from spaces.labels import labels
from spaces.verdict import facts_of
from spaces.writing import Draft, write_stories
from tests.backend.slm.random_models import write_random_model

WORDS = labels("english")
OPENING = "एक छोटी चिड़िया"


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path / "cache"))
    write_random_model(tmp_path / "models" / "noise", "qwen3-slow")
    models = Models(models_in(tmp_path / "models"))
    with models.lend("noise") as engine:
        engine._batcher.max_active = 2  # so that a third waits
        yield models
    models.close()


async def test_the_place_in_the_queue_is_shown_and_stop_frees_it(models):
    drafts, stop, seen = [Draft("noise", seed) for seed in range(5)], asyncio.Event(), set()
    async for _ in write_stories(models, drafts, OPENING, Sampling(max_tokens=400), stop, WORDS):
        facts = [facts_of(draft, OPENING, "hindi", WORDS) for draft in drafts]
        seen |= {fact for each in facts for fact in each}
        if drafts[0].text and drafts[4].ahead:
            stop.set()
    assert {WORDS["ahead"].format(count=count) for count in (1, 2, 3)} <= seen
    assert {draft.ending for draft in drafts} == {"stopped"}
    assert drafts[0].text
    assert not drafts[4].text
    with models.lend("noise") as engine:
        async with asyncio.timeout(20):
            while engine.load:
                await asyncio.sleep(0.01)


async def test_all_who_wait_are_told_in_the_end_and_finish_their_sentence_or_say_that_they_are_cut(models):
    drafts = [Draft("noise", seed) for seed in range(5)]
    async for _ in write_stories(models, drafts, OPENING, Sampling(max_tokens=30), asyncio.Event(), WORDS):
        pass
    assert all(draft.text for draft in drafts)
    for draft in drafts:
        assert draft.ending in ("eos", "sentence", "length")
        if draft.ending != "eos":
            assert WORDS["cut"] in facts_of(draft, OPENING, "hindi", WORDS)


def test_several_stories_from_the_highest_seed_all_have_one_that_a_model_takes():
    assert [Sampling(seed=seed).seed for seed in seeds_in_a_row(MAX_SEED, 2)] == [MAX_SEED, 0]
