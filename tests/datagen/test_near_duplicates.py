"""Stories that say almost the same are found, whatever their script, and nothing is called similar that is not."""

from random import Random

import numpy as np
import pytest

from backend.languages import language_names
from datagen.near_duplicates import near_duplicates
from datagen.prompts import Prompts
from datagen.shingles import words_of
from datagen.storyteller.teller import load_storyteller


def told(language, count):
    teller = load_storyteller(language)
    for prompt in Prompts(language).range(0, count):
        yield teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, seed=prompt.text)


def five_grams(text):
    words = words_of(text)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def similarity(first, second):
    first, second = five_grams(first), five_grams(second)
    return len(first & second) / len(first | second)


def changed(story, dice, least):
    """The story with word after word changed while it stays as similar as that."""
    words = story.split()
    while True:
        place = dice.randrange(len(words))
        other = [*words[:place], words[place] + words[dice.randrange(len(words))], *words[place + 1 :]]
        if similarity(story, " ".join(other)) < least:
            return " ".join(words)
        words = other


@pytest.mark.parametrize("language", language_names())
def test_planted_copies_are_found_and_only_they(language):
    stories, dice = list(told(language, 400)), Random(5)
    chosen = dice.sample(range(400), 40)
    planted = [changed(stories[place], dice, 0.8) for place in chosen]
    strangers = [changed(stories[place], dice, 0.5) for place in chosen[:10]]
    found = near_duplicates([*stories, *planted, *strangers], 0.8)
    hits = [found.kept[400 + i] == place for i, place in enumerate(chosen)]
    assert np.mean(hits) >= 0.95
    dropped = np.flatnonzero(found.kept != np.arange(450))
    assert found.dropped == len(dropped)
    texts = [*stories, *planted, *strangers]
    for place in dropped:
        assert found.similarity[place] == pytest.approx(similarity(texts[place], texts[found.kept[place]])) and found.similarity[place] >= 0.8
        assert found.cluster[place] == found.cluster[found.kept[place]]
        assert found.kept[found.kept[place]] == found.kept[place], "what is kept is dropped for nobody"


def test_of_many_copies_the_first_stays():
    stories = list(told("hindi", 3))
    found = near_duplicates([story for _ in range(300) for story in stories], 0.8)
    assert found.kept.tolist() == [0, 1, 2] * 300
    assert found.cluster.tolist() == [0, 1, 2] * 300


def test_a_chain_of_likenesses_drops_only_what_is_like_the_kept_one_and_is_one_cluster():
    chain = [" ".join(f"word{number}" for number in range(start, start + 120)) for start in (0, 8, 16)]
    assert similarity(chain[0], chain[1]) >= 0.8 <= similarity(chain[1], chain[2]) and similarity(chain[0], chain[2]) < 0.8
    found = near_duplicates(chain, 0.8)
    assert found.kept.tolist() == [0, 0, 2] and found.cluster.tolist() == [0, 0, 0]


def test_joiners_punctuation_and_case_make_no_difference():
    plain = next(told("bangla", 1))
    dressed = plain.replace("।", " ॥ ").replace("র", "র\u200c").upper()
    assert near_duplicates([plain, dressed], 1.0).kept.tolist() == [0, 0]


def test_scripts_without_spaces_are_compared_by_characters():
    one = "กาลครั้งหนึ่งนานมาแล้วมีกระต่ายตัวหนึ่งอาศัยอยู่ในป่าใหญ่กับเพื่อนมากมาย"
    assert near_duplicates([one, one + "จบ", "วันนี้ฝนตกหนักมากจนเด็กๆไม่ไปโรงเรียน"], 0.8).kept.tolist() == [0, 0, 2]


def test_texts_without_words_are_like_nothing():
    assert near_duplicates(["", "…", "", "hello", "hello"], 0.8).kept.tolist() == [0, 1, 2, 3, 3]
    assert len(near_duplicates([], 0.8).kept) == 0
