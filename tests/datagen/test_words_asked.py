"""Every noun, verb and adjective that a prompt may ask for is told, in a form by which the checks of stories find it."""

from itertools import cycle

import pytest

from backend.languages import language_names
from backend.llm.provider import Completion
from datagen.checks import Told, missing_words
from datagen.storyteller.teller import load_storyteller


@pytest.mark.parametrize("language", language_names())
def test_each_word_of_the_lists_is_found_in_its_stories(language):
    teller = load_storyteller(language)
    nouns, *others = (teller.words.nouns, teller.words.verbs, teller.words.adjectives, teller.words.features)
    prompts = zip(nouns * 3, *map(cycle, others), strict=False)  # 3 rounds, so that each word meets several plots
    for seed, words in enumerate(prompts):
        noun, verb, adjective, feature = (word["word"] for word in words)
        story = teller.tell(noun, verb, adjective, feature, seed)
        record = {"language": language, "noun": noun, "verb": verb, "adjective": adjective}
        assert missing_words(Told(story, record, Completion(story, finish_reason="stop", cost=0.0))) == [], story
