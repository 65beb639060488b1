"""Openings of the training mix are rich in words."""

from random import Random

import pytest

from backend.errors import UserError
from backend.languages import load_language
from datagen.openings import described, made_strange, otherwise_written, read_epithets
from datagen.words import load_words

LANGUAGES = ("hindi", "marathi", "bangla", "english")


@pytest.mark.parametrize(
    ("language", "noun", "epithet", "form", "said"),
    [
        ("english", "kettle", "old", "a", "an old kettle"),
        ("english", "kettle", "old", "A", "An old kettle"),
        ("english", "kettle", "rusty", "a", "a rusty kettle"),
        ("english", "kettle", "rusty", "the", "the kettle"),
        ("english", "forest", "quiet", "loc", "in the quiet forest"),
        ("hindi", "घड़ा", "जादुई", "a_obl", "एक जादुई घड़े"),
        ("hindi", "जंगल", "शांत", "loc", "शांत जंगल में"),
        ("marathi", "दिवा", "जादुई", "a_obl", "एका जादुई दिव्या"),
        ("bangla", "ছাতা", "পুরোনো", "a_gen", "একটা পুরোনো ছাতার"),
    ],
)
def test_an_epithet_stands_where_a_thing_is_brought_in(language, noun, epithet, form, said):
    word = load_words(language).find("nouns", noun)
    assert described(word, epithet, load_language(language))[form] == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_first_language_has_epithets_for_things_and_places(language):
    assert all(len(words) > 25 for words in read_epithets(load_language(language)).values())


def test_a_language_without_epithets_has_none_and_a_wrong_row_is_told(tmp_path):
    assert read_epithets(load_language("tamil")) == {"thing": [], "place": []}
    (tmp_path / "epithets.tsv").write_text("word\tkind\nold\tthings\n", "utf-8")

    class Folder:
        folder = tmp_path

    with pytest.raises(UserError, match=r"epithets\.tsv:2 is not a word and its kind, one of thing, place"):
        read_epithets(Folder())


def test_a_sentence_is_made_strange_but_for_names_and_the_words_that_are_kept():
    nouns = load_words("english").nouns
    sentence, kept = "Asha followed a glittering kettle under the table.", {"under", "the", "a"}
    told = {made_strange(sentence, kept, ["kettle"], nouns, Random(seed)) for seed in range(30)}
    assert len(told) > 10
    assert all(text.startswith("Asha ") and " kettle under the " in text for text in told)


def test_half_of_the_sentences_are_spelt_otherwise_throughout():
    spellings, dice = load_language("marathi").spellings, Random(9)
    seen = {otherwise_written("शंखाने गाणं ऐकलं, पण ने नाही.", spellings, dice) for _ in range(60)}
    assert seen == {
        "शंखाने गाणं ऐकलं, पण ने नाही.",
        "शंखानं गाणं ऐकलं, पण ने नाही.",
        "शंखाने गाणे ऐकले, पण ने नाही.",
        "शंखानं गाणे ऐकले, पण ने नाही.",
    }


def test_a_whole_word_is_spelt_otherwise_and_what_ends_in_it_is_not():
    seen = {otherwise_written("মহল ভালো হল।", load_language("bangla").spellings, Random(seed)) for seed in range(30)}
    assert seen == {"মহল ভালো হল।", "মহল ভালো হলো।"}
