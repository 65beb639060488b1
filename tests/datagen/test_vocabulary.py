"""The words that a model may write are those of its language's folder."""

import gzip
from random import Random

import pytest
from click.testing import CliRunner

from backend.slm.spelling import spelled_words
from datagen.__main__ import datagen
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.vocabulary import things, vocabulary

LANGUAGES = ("hindi", "marathi", "bangla", "english")


@pytest.mark.parametrize("language", LANGUAGES)
def test_told_stories_are_of_these_words_almost_to_the_last(language):
    known, teller, dice = set(vocabulary(language)), load_storyteller(language), Random(4)
    prompts = [dice.choice(range(30_000, 60_000)) for _ in range(40)]
    said = [word for number in prompts for prompt in Prompts(language, seed=9).range(number, number + 1)
            for word in spelled_words(teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, number))]  # fmt: skip
    assert sum(word in known for word in said) / len(said) > 0.995


def test_a_letter_by_itself_is_no_word_unless_it_is_one():
    words = set(vocabulary("english"))
    assert {"a", "A", "I", "Lantern", "lantern"} <= words
    assert not {"X", "Q", "z"} & words


def test_whom_and_what_a_story_can_be_about_is_marked_and_endings_too(tmp_path):
    out = tmp_path / "words.txt.gz"
    assert CliRunner().invoke(datagen, ["words", "marathi", "--out", str(out)]).exit_code == 0
    lines = gzip.decompress(out.read_bytes()).decode().split("\n")
    assert {"-ला", "+ला", "*पतंग", "*पतंगा=पतंग", "आणि"} <= set(lines)


def test_what_is_a_verb_too_is_nothing_to_be_about():
    assert "kite" in things("english") and "cook" not in things("english")
