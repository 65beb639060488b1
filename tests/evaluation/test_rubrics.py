"""The judge's question is the paper's, and only six honest numbers count as an answer."""

import json
from pathlib import Path

import pytest

from evaluation.rubrics import CRITERIA, RUBRICS, NotAScore, judge_prompt, read_scores

SEED = Path(__file__).resolve().parents[3] / "shared" / "seed" / "tinystories-regional-readme.md"
GOOD = dict.fromkeys(CRITERIA, "8")


def test_the_default_rubric_is_the_paper_s_word_for_word():
    if not SEED.exists():
        pytest.skip("../shared/seed is not here")
    assert RUBRICS["paper"] in SEED.read_text("utf-8")


def test_a_story_with_braces_or_place_names_is_sent_as_it_is():
    text = judge_prompt("paper", 'He said {prompt} and {"a": 1} {language}.', "Once {story}", "Hindi")
    assert text.startswith('He said {prompt} and {"a": 1} {language}.\n\nThe given Hindi short story')
    assert 'align with the prompt "Once {story}".' in text


@pytest.mark.parametrize("rubric", RUBRICS)
def test_every_rubric_asks_for_all_six_and_names_the_language(rubric):
    text = judge_prompt(rubric, "STORY", "OPENING", "Bangla")
    assert all(name in text for name in (*CRITERIA, "Bangla", "STORY", "OPENING"))


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        "```json\n" + json.dumps(dict.fromkeys(CRITERIA, 8)) + "\n```",
        "Here you are: " + json.dumps({name.replace(" ", "_").title(): 8.0 for name in CRITERIA}) + " I hope it helps.",
        json.dumps(dict.fromkeys(CRITERIA, "8/10")),
        json.dumps(GOOD)[:-1] + ",}",
        json.dumps(GOOD | {"reason": "fine"}),
    ],
)
def test_answers_as_models_give_them_are_read(answer):
    assert read_scores(answer).values == dict.fromkeys(CRITERIA, 8.0)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("I cannot rate this.", "no JSON"),
        ("", "no JSON"),
        (json.dumps(GOOD | {"grammar": "0"}), "not from 1 to 10"),
        (json.dumps(GOOD | {"grammar": 11}), "not from 1 to 10"),
        (json.dumps(GOOD | {"fluency": "your_fluency_score"}), "no number"),
        (json.dumps(GOOD | {"fluency": None}), "missing"),
        (json.dumps(GOOD | {"fluency": True}), "no number"),
        (json.dumps(GOOD | {"overall": "NaN"}), "no number"),
        (json.dumps(dict.fromkeys(CRITERIA[:-1], 8)), "'overall' is missing"),
    ],
)
def test_anything_else_is_no_score(answer, complaint):
    with pytest.raises(NotAScore, match=complaint):
        read_scores(answer)
