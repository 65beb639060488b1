"""The training mix: people get other names everywhere in a story, and held-out stories stay out of training."""

import json
from random import Random

import pytest
from click.testing import CliRunner

from backend.languages import language_names, load_language
from datagen.corpus import corpus, whole_stories
from datagen.renaming import Names
from datagen.words import load_words


def test_a_renamed_person_bears_the_new_name_everywhere_with_its_endings():
    names = Names(load_words("bangla"))
    story = "মিনা হাসল। মিনার ভাই মিনাকে ডাকল। মিনারেল জল নয়, মিনা!"
    told = names.rename(story, {"মিনা": ""}, Random(4))
    new = told.split()[0]
    assert new != "মিনা"
    assert told == story.replace("মিনার ", f"{new}র ").replace("মিনাকে", f"{new}কে").replace("মিনা ", f"{new} ").replace("মিনা!", f"{new}!")


def test_a_name_that_ends_in_a_consonant_is_renamed_with_its_endings():
    names = Names(load_words("tamil"))
    told = names.rename("அருண் சிரித்தான். அருணை அருணுக்கும் தெரியும். அருணா இல்லை, அருண்!", {"அருண்": "m"}, Random(0), made_up=0)
    new = told.split()[0]
    assert new != "அருண்" and new.endswith("்")
    stem = new[:-1]
    assert told == f"{new} சிரித்தான். {stem}ை {stem}ுக்கும் தெரியும். அருணா இல்லை, {new}!"


def test_a_new_name_keeps_gender_and_ending():
    words = load_words("hindi")
    names = Names(words)
    for seed in range(50):
        assert names.draw("मीनू", "f", Random(seed)).endswith("ू")


@pytest.mark.parametrize("name", language_names())
def test_a_word_of_the_plots_is_nobodys_name(name):
    names = Names(load_words(name))
    phrases = (load_language(name).folder / "phrases.txt").read_text("utf-8")
    assert names.found(phrases) == {}


def test_the_mix_holds_no_held_out_story(tmp_path):
    result = CliRunner().invoke(corpus, ["hindi", "--count", "30", "--repeats", "2", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output

    def stories(part: str) -> set[str]:
        lines = (tmp_path / part / "hindi.jsonl").read_text("utf-8").splitlines()
        return {json.loads(line)["story"] for line in lines}

    kept, held_out = stories("train"), stories("held-out")
    assert held_out == {row["story"] for row in whole_stories(load_language("hindi"), held_out=True)}
    assert held_out and not held_out & kept
    assert {row["story"] for row in whole_stories(load_language("hindi"), held_out=False)} <= kept
