"""The quick check: what a reader sees wrong with a story's form, it must say, and praise nothing it cannot see."""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.languages import load_language
from evaluation.__main__ import evaluation
from evaluation.quick_check import LABEL, broken_characters, entities, quick_check
from evaluation.text import ends_a_sentence, sentences, words
from evaluation.whole_stories import read_whole_stories

OPENING = "एक दिन मीना को जंगल में एक नीला पत्थर मिला।"
GOOD = (
    "मीना ने पत्थर को हाथ में उठाया और ध्यान से देखा। उसमें आसमान की तरह चमक थी। "
    "तभी एक बूढ़ा कछुआ धीरे-धीरे उसके पास आया। कछुए ने कहा, “यह पत्थर नदी का है।” "
    "मीना उसे नदी के किनारे ले गई और पानी में रख दिया। नदी गुनगुनाने लगी और सब खुश हो गए।"
)


def failed(completion, opening=OPENING, language="hindi", finished=True):
    return {
        name for name, passed in quick_check(opening, completion, language, finished).passed.items() if passed is False
    }


def test_a_whole_story_passes_everything():
    assert failed(GOOD) == set()
    assert quick_check(OPENING, GOOD, "hindi", True).score > 0.8


@pytest.mark.parametrize(
    ("damaged", "check"),
    [
        (GOOD[:-20], "complete"),
        (GOOD + " " + GOOD.split("। ")[0] + "।", "no_repetition"),
        (GOOD + " Then the little girl went home to sleep.।", "in_script"),
        (GOOD[:100] + "\ufffd\ufffd" + GOOD[100:], "unbroken"),
        (GOOD[:30] + "।", "long_enough"),
        (
            "बिल्ली छत पर बैठी थी। "
            + " ".join(f"उसने {n} चिड़िया गिनी और गीत गाया।" for n in ("एक", "दो", "तीन", "चार", "पाँच", "छह")),
            "opening_carried",
        ),
    ],
)
def test_each_damage_is_named(damaged, check):
    assert check in failed(damaged)


def test_a_story_that_the_model_did_not_end_is_not_complete():
    assert "complete" in failed(GOOD, finished=False)
    assert "complete" not in failed(GOOD, finished=None)


@pytest.mark.parametrize("completion", ["", "   \n", "।।।", "😀😀", "\x00", "7 8 9"])
def test_next_to_nothing_is_measured_without_a_fault(completion):
    check = quick_check(OPENING, completion, "hindi", True)
    assert check.words == 0 and check.score < 0.4


def test_a_completion_that_repeats_its_opening_is_measured_without_it():
    assert quick_check(OPENING, OPENING + " " + GOOD, "hindi", True) == quick_check(OPENING, GOOD, "hindi", True)


@pytest.mark.parametrize(
    ("language", "opening", "named"),
    [
        ("english", "Nathan found the old map near the pond.", {"nathan", "map", "pond"}),
        ("english", "The rain came down, and Felix ran home.", {"rain", "felix"}),
        ("hindi", "फेलिक्स ने छोटे बगीचे में एक नक्शा रख दिया।", {"फेलिक्स", "बगीचे", "नक्शा"}),
        ("bangla", "একটা পাখি বাগানের গাছে বসল।", {"পাখি", "বাগান", "গাছে"}),
        ("marathi", "थियोनं नकाशा उचलला.", {"थियो", "नकाशा"}),
    ],
)
def test_names_and_nouns_are_entities_and_articles_are_not(language, opening, named):
    assert set(entities(opening, load_language(language))) == named


def test_opening_that_says_nothing_leaves_that_check_open():
    assert quick_check("", GOOD, "hindi", True).passed["opening_carried"] is None


def test_persons_who_come_back_and_words_taken_up_are_coherence():
    whole = quick_check(OPENING, GOOD, "hindi")
    swapped = quick_check(OPENING, GOOD.replace("कछुए", "बिल्ली").replace("पत्थर को", "छाता को"), "hindi")
    assert swapped.entities_returning < whole.entities_returning
    ending = "राजा ने अपने घोड़े को दाना खिलाया। रानी ने महल में दीप जलाए। चाँद निकला और बच्चे छत पर सो गए। हवा चलने लगी।"
    other = quick_check(OPENING, GOOD[: len(GOOD) // 2] + "। " + ending, "hindi")
    assert other.second_half_continued < whole.second_half_continued
    assert quick_check(OPENING, "हाँ।", "hindi").coherence is None


def test_mentions_of_one_thing_stand_nearer_in_a_story_than_in_its_shuffled_sentences():
    things = ("बिल्ली", "मछली", "तितली", "चिड़िया", "गिलहरी")
    did = ["बगीचे", "पत्थर", "सुबह", "नाची", "फूल", "देखा", "टोकरी", "पानी", "बादल", "खिड़की", "गाना", "रोटी", "पेड़", "सोई", "दौड़ी"]
    told = [f"{things[i // 3]} {did[i]}।" for i in range(15)]
    apart = [told[i] for start in range(3) for i in range(start, 15, 3)]
    near, far = (quick_check("", " ".join(parts), "hindi").mentions_near for parts in (told, apart))
    assert near > 0.5 > 0 > far


@pytest.mark.parametrize(
    ("text", "paired"),
    [("“आओ!” उसने कहा। “चलो।”", 1.0), ("चलो।” उसने कहा। “आओ!", 0.0), ("“आओ! उसने कहा।", 0.0), ("वह घर गया।", None)],
)
def test_speech_that_is_not_closed_or_not_opened_is_seen(text, paired):
    assert quick_check("", text, "hindi").quotes_paired == paired


def test_endings_that_do_not_go_together_are_seen():
    right, wrong = "लड़की नदी के पास गई और उसने एक नीली मछली देखी।", "लड़का नदियाँ का पास गए और उसने एक नीले मछलियों देखा।"
    fits = [quick_check("", text, "hindi").endings_fit for text in (right, wrong)]
    assert fits[0] > fits[1] + 0.1
    assert quick_check("", "हाँ।", "hindi").endings_fit is None


def test_the_label_travels_with_the_numbers():
    assert "heuristic" in LABEL and quick_check(OPENING, GOOD, "hindi").as_dict()["label"] == LABEL


def test_words_keep_their_vowel_signs_and_sentences_their_quotes():
    assert words("“कि-ताब,” माँ ने कहा; don't 12!") == ["कि", "ताब", "माँ", "ने", "कहा", "don't"]
    assert sentences("वह बोला, “आओ।” सब आए। क्यों?", "।?!") == ["वह बोला, “आओ।”", "सब आए।", "क्यों?"]
    assert ends_a_sentence("वह बोला, “आओ।”\n", "।?!") and not ends_a_sentence("वह बोला", "।?!")


def test_a_loose_vowel_sign_is_broken_and_a_joiner_is_not():
    assert broken_characters("क ी") == 1
    assert broken_characters("क्\u200dष र्\u200cय") == 0


def test_it_stays_light():
    code = "import sys, evaluation.quick_check; print([m for m in ('numpy','scipy','pandas','torch','gradio') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_who_and_what_a_long_opening_names_is_enough_to_have_taken_it_up():
    opening = "On the last night of summer, Anouk found a lantern that only glowed when someone laughed."
    assert quick_check(opening, '"What is your name?" Anouk asked the lantern.', "english").passed["opening_carried"]
    assert not quick_check(opening, '"What is your name?" Tom asked the kettle.', "english").passed["opening_carried"]


def test_people_s_whole_stories_are_measured_as_completions_of_their_own_beginnings(tmp_path):
    file = tmp_path / "stories.jsonl"
    begun = "Mina went out. She took a red ball and a stick along."
    rows = [begun + "\n\nMina threw the ball to Ravi. " + "The ball flew far over the wall. " * 9, begun + " Too short."]
    file.write_text("".join(json.dumps({"story": row}) + "\n" for row in rows), "utf-8")
    (found,) = read_whole_stories([file], 30, "english")
    assert (found.opening, len(found.completion.split())) == (begun, 30)
    assert found.completion.startswith("Mina threw the ball to Ravi. The ball flew")
    done = CliRunner().invoke(evaluation, ["quick", str(file), "--language", "english", "--whole-stories", "30"])
    assert re.search(r"with_entity_carried +1\.000", done.output), done.output
    with pytest.raises(UserError, match="ask for fewer"):
        read_whole_stories([file], 300, "english")


def test_a_noun_is_carried_in_a_form_that_begins_otherwise():
    check = quick_check("त्याने एक भोवरा विकत घेतला.", "त्याने भोवऱ्याला दोरी गुंडाळली.", "marathi")
    assert check.entities_carried == 1
