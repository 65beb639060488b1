"""Stories of the training mix go on with those whom their first sentence names."""

from itertools import islice

import pytest

from datagen.carrying import THINGS, CarryingTeller
from datagen.words import load_words
from evaluation.quick_check import entities, quick_check
from evaluation.text import sentences

LANGUAGES = ("hindi", "marathi", "bangla", "english")


@pytest.mark.parametrize("language", LANGUAGES)
def test_somebody_or_something_of_the_first_sentence_comes_again(language):
    teller = CarryingTeller(language, plots=24, preludes=0.5, things=0.25, seed=3)
    carried = []
    for story in islice(teller.stories(), 150):
        opening = sentences(story, load_words(language).language.sentence_ends)[0]
        if entities(opening, load_words(language).language):
            carried.append(quick_check(opening, story, language).entities_carried > 0)
    assert sum(carried) / len(carried) > 0.9


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thing_can_be_the_hero(language):
    teller = CarryingTeller(language, plots=24, preludes=1.0, things=1.0, seed=4)
    things = [word["word"].lower() for word in load_words(language).nouns if word.kind in THINGS]
    told = [story.lower() for story in islice(teller.stories(), 40)]
    assert sum(any(thing[:3] in story.split("\n")[0] for thing in things) for story in told) > 30
    assert all("{" not in story and "  " not in story for story in told)
