"""Of a small model's stories the best is shown, and its seed tells it again."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace

import pytest

from backend.languages import load_language
from backend.slm.catalog import bundled_models
from backend.slm.sampling import Sampling, candidate_seeds
from backend.slm.shelf import Models
from evaluation.best_of import Told, best_of_each, best_place, is_unsure
from evaluation.completions import Completion
from spaces.labels import labels
from spaces.writing import CANDIDATES, Draft, write_stories

OPENING = "Meera and her goat found a lantern near the well."
GOOD = ' "Look," said Meera to the goat. The lantern was warm.\n\nThe goat laughed, and they all went home.'


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path / "cache"))
    models = Models([model for model in bundled_models() if model.name == "english"])
    yield models
    models.close()


async def told(models: Models, draft: Draft) -> Draft:
    async for _ in write_stories(models, [draft], OPENING, Sampling(), asyncio.Event(), labels("english")):
        pass
    return draft


async def test_the_best_of_several_seeds_is_shown_and_told_again_by_its_seed(models):
    shown = await told(models, Draft("english", 5, "english"))
    seeds = candidate_seeds(5, 2 * CANDIDATES)
    others = [await told(models, Draft("english", seed)) for seed in seeds]
    with models.lend("english") as engine:
        ones = [Told(draft.text, draft.ending == "eos", engine.mean_log_probability(OPENING, draft.text)) for draft in others]
    best = best_place(OPENING, ones[:CANDIDATES], load_language("english"))
    if is_unsure(ones[best]):
        best = best_place(OPENING, ones, load_language("english"))
    assert shown.seed == seeds[best]
    assert (await told(models, replace(shown, language="", text="", ending=""))).text == shown.text


async def test_while_many_are_served_one_story_is_told(models):
    with ExitStack() as others:
        for _ in range(CANDIDATES):
            others.enter_context(models.lend("english"))
        assert (await told(models, Draft("english", 5, "english"))).seed == 5


async def test_a_seed_of_the_visitors_is_taken_as_it_is(models):
    assert (await told(models, Draft("english", 5))).seed == 5


@pytest.mark.parametrize(
    "worse",
    [
        GOOD.replace(" went home.", ""),
        ' "Look," said Ravi to the crow. The kettle was warm.\n\nThe crow laughed, and they all went home.',
        GOOD.replace("laughed", "zorbled in the flinkwood"),
        GOOD.replace("to the goat", "to Meera"),
        GOOD + GOOD,
    ],
)
def test_a_story_with_a_fault_is_not_the_best(worse):
    assert best_place(OPENING, [Told(worse, True), Told(GOOD, True)], load_language("english")) == 1


def test_a_story_that_its_model_did_not_end_is_not_the_best():
    assert best_place(OPENING, [Told(GOOD, False), Told(GOOD, True)], load_language("english")) == 1


def test_where_the_best_is_unsure_as_many_again_are_read():
    def some(*sure: float) -> list[Completion]:
        return [Completion(OPENING, GOOD, "model", "english", place, finished=True, mean_log_probability=each) for place, each in enumerate(sure)]

    chosen = [best_of_each(told, 2)[0].mean_log_probability for told in (some(-0.5, -0.4, -0.1, -0.3), some(-0.5, -0.2, -0.1, -0.3))]
    assert chosen == [-0.1, -0.2]


def test_of_two_in_good_form_that_is_taken_of_which_its_model_was_surer():
    assert best_place(OPENING, [Told(GOOD, True, -0.9), Told(GOOD, True, -0.2)], load_language("english")) == 1
