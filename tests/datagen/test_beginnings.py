"""Stories go on from sentences that have no slots, with those whom the sentences name."""

from dataclasses import replace
from random import Random

import pytest

from backend.errors import UserError
from backend.languages import load_language
from datagen.beginnings import Children, Finder, read_beginnings
from datagen.begun import BegunTeller
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.words import NOUN_KINDS, load_words

LANGUAGES = ("hindi", "marathi", "bangla", "english")


@pytest.fixture
def scenes(monkeypatch, language):
    """The scenes that the storyteller of `language` is made to tell, in their order."""
    teller, told = load_storyteller(language), []
    say = teller.say
    monkeypatch.setattr(teller, "say", lambda plot, scene, **options: told.append(scene) or say(plot, scene, **options))
    return told


def stories(language: str, count: int) -> list[str]:
    begun = BegunTeller(load_storyteller(language), 0.1, Random(2))
    return [begun.story(prompt) for prompt in Prompts(language, seed=3).range(0, count)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_beginning_names_comes_again(language, scenes):
    for story, scene in zip(stories(language, 100), scenes, strict=True):
        opening, _, rest = story.lower().partition("\n\n")
        nouns = [[form.lower() for form in word.values()] for word in scene.roles.values() if word.kind in NOUN_KINDS]
        assert rest and "{" not in story
        assert any(all(any(form in part for form in forms) for part in (opening, rest)) for forms in nouns), story


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_of_a_story_has_the_name_of_another(language, scenes):
    stories(language, 300)
    for scene in scenes:
        named = [word["word"] for word in scene.roles.values() if word.kind == "child"]
        assert len(set(named)) == len(named)


def test_a_noun_is_found_in_any_form_and_exchanged_in_the_same_one():
    words = load_words("marathi")
    finder = Finder(words.nouns, words)
    text = "पतंगाला झाडावरून सोडवायला रोहन वर चढला."
    kite, tree = finder.found(text)
    assert (kite.word["word"], tree.word["word"]) == ("पतंग", "झाड")
    assert kite.exchanged(text, words.find("nouns", "चेंडू")) == text.replace("पतंगाला", "चेंडूला")
    river = words.find("nouns", "नदी")
    assert tree.exchanged(text, river) == text.replace("झाडावरून", f"{river['obl']}वरून")


def test_a_word_of_the_list_inside_another_is_not_found():
    words = load_words("english")
    assert [found.word["word"] for found in Finder(words.nouns, words).found("A catfish met a cat.")] == ["cat"]


def test_a_child_whom_no_list_has_is_declined_as_others_are():
    row = Children(load_words("bangla")).row("জ়ুবিন", "m")
    assert (row["word"], row["gen"], row["obj"]) == ("জ়ুবিন", "জ়ুবিনের", "জ়ুবিনকে")


def test_a_name_that_is_not_in_its_sentence_is_told(tmp_path):
    (tmp_path / "beginnings.tsv").write_text("The boat sank.\n\nNilu laughed.\tNila=f\n", "utf-8")
    with pytest.raises(UserError, match=r"beginnings\.tsv:3: 'Nila=f' is not NAME=gender"):
        read_beginnings(replace(load_language("english"), folder=tmp_path))
