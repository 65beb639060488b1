"""Of a model's own stories those without a fault are kept, the best of each opening first."""

import json
from dataclasses import replace
from random import Random

import pytest
from click.testing import CliRunner

from backend.languages import load_language
from datagen.begun import BegunTeller
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from evaluation.__main__ import evaluation
from evaluation.best_of import best_of_each, echoes
from evaluation.choosing import Neighbours, chosen, openings_to_tell
from evaluation.completions import Completion


@pytest.fixture(scope="module")
def taught() -> list[str]:
    begun = BegunTeller(load_storyteller("english"), 0.0, Random(1))
    return [begun.story(prompt) for prompt in Prompts("english", seed=1).range(0, 300)]


@pytest.fixture(scope="module")
def good(taught) -> Completion:
    opening, end, rest = next(story for story in taught if story.startswith(("The ", "A "))).partition(". ")
    return Completion(opening + end.strip(), rest, "model", "english", 0, None, True)


def kept(told, taught, keep=3) -> list[Completion]:
    return list(chosen(told, taught, Neighbours.of(taught), keep))


def test_a_story_with_a_fault_is_not_kept(good, taught):
    faulty = [
        replace(good, finished=False, index=1),
        replace(good, completion=good.completion + " Then came the zorbleflink.", index=2),
        replace(good, completion=good.completion + " " + good.completion, index=3),
        replace(good, completion="It rained, and then they all went home again.", index=4),
        replace(good, completion=good.completion + " The and of was he the of and the.", index=5),
    ]
    assert kept([good, *faulty], taught) == [good]


def test_no_more_than_so_many_of_an_opening_are_kept(good, taught):
    others = [replace(good, index=index) for index in (1, 2)]
    assert len(kept([good, *others], taught, keep=2)) == 2


def test_somebody_who_speaks_to_herself_is_an_echo():
    english = load_language("english")
    assert echoes('"Come along," said Mina to Ravi. Ravi laughed.', english) == 0
    assert echoes('"Come along," said Mina to Mina. Ravi laughed.', english) == 0.5


def test_each_variant_has_other_people():
    openings = openings_to_tell(load_language("english"), 2, seed=1)
    half = len(openings) // 2
    same = sum(one == other for one, other in zip(openings[:half], openings[half:], strict=True))
    assert 0 < same < half


def test_what_a_model_told_becomes_a_dataset(tmp_path, taught, monkeypatch):
    openings = ["The kite flew over the pond.", "Mina found a lantern."]
    monkeypatch.setattr("evaluation.commands.choose.openings_to_tell", lambda *_: openings)
    (tmp_path / "taught.jsonl").write_text("".join(json.dumps({"story": story}) + "\n" for story in taught), "utf-8")
    command = ["choose", "english", "english", "--taught", str(tmp_path / "taught.jsonl"), "--count", "8", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(evaluation, command)
    assert result.exit_code == 0, result.output
    stories = [json.loads(line)["story"] for line in (tmp_path / "out" / "chosen.jsonl").read_text("utf-8").splitlines()]
    assert all(story.startswith(tuple(openings)) for story in stories)
    assert len((tmp_path / "out" / "told.jsonl").read_text("utf-8").splitlines()) == 16
    assert f"{len(stories)} of 16 stories" in result.output


def test_of_each_few_stories_of_an_opening_the_best_is_taken(good):
    cut, lost = replace(good, finished=False), replace(good, completion="It rained, and then they all went home again.")
    told = [replace(item, index=index) for index, item in enumerate((cut, good, lost) * 4)]
    assert best_of_each(told, 3) == [replace(good, index=0), replace(good, index=1)]
