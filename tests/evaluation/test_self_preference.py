"""Self-preference: shown where it is, not where a judge is kind to all, and left open where it cannot be told."""

import numpy as np
import pytest

from backend.errors import UserError
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA
from evaluation.self_preference import family, read_writers, self_preference

WRITERS = {"pupil": "gpt-4o-mini", "stranger": "gemini-1.5-flash"}


def rated(bonus, kindness=0.0, judges=("gpt-4o", "gemini-2.5-pro")):
    """GPT is kinder than Gemini by `kindness` to all, and by `bonus` to its own pupil."""
    dice, found = np.random.default_rng(1), []
    for i in range(200):
        for model in WRITERS:
            quality = dice.normal(6, 1)
            for judge in judges:
                extra = (kindness + bonus * (model == "pupil")) * (judge == "gpt-4o")
                grade = float(quality + extra + dice.normal(0, 0.5))
                found.append(Rating(model, "hindi", f"o{i}", 0, judge, "paper", 0, dict.fromkeys(CRITERIA, grade)))
    return found


@pytest.mark.parametrize(("bonus", "kindness", "shown"), [(0.5, 0, True), (0, 1.5, False)])
def test_a_bonus_for_one_s_own_is_told_from_kindness_to_all(bonus, kindness, shown):
    found = {row.judge: row for row in self_preference(rated(bonus, kindness), WRITERS)}["gpt-4o"]
    assert (found.own, found.others) == (("pupil",), ("stranger",))
    assert found.grades == pytest.approx(bonus, abs=0.15)
    assert (found.low > 0) == shown


@pytest.mark.parametrize(
    ("judges", "writers"), [(("gpt-4o",), WRITERS), (("gpt-4o", "gemini-2.5-pro"), dict.fromkeys(WRITERS, "gpt-4o-mini"))]
)
def test_what_cannot_be_told_is_left_open(judges, writers):
    found = next(row for row in self_preference(rated(1, judges=judges), writers) if row.judge == "gpt-4o")
    assert found.grades is None and found.own


def test_families():
    assert family("openai/gpt-4.1-mini") == family("o4-mini") == family("chatgpt-4o-latest") == "OpenAI"
    assert family("meta-llama/Llama-3.3-70B-Instruct") == "Meta" and family("google/gemma-3-27b-it") == "Google"
    assert family("some-new-model-7b") == family("org/some_new-9b") == "some"


def test_writers_are_read_for_names_with_signs_of_equality():
    name = "ckpt_[l=6, h=8, e=512]"
    assert read_writers([f"{name}=gpt-4o-mini"], {name, "b"}) == {name: "gpt-4o-mini"}
    assert read_writers(["b=gemini", "*=gpt-4o"], {"a", "b"}) == {"a": "gpt-4o", "b": "gemini"}
    with pytest.raises(UserError, match="MODEL=LLM"):
        read_writers(["nobody=gpt-4o"], {"a"})
