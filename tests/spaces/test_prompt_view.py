"""The asked words are found in stories in every language, inflected as they are; markup stays text."""

import dataclasses
import re

import pytest

from backend.errors import UserError
from backend.languages import language_names
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.templates import COMPLEXITIES
from spaces.asked import forms_of, marked
from spaces.endpoints import VARIABLE, allowed_endpoints
from spaces.labels import labels
from spaces.prompt_view import prompt_html, told_html

WORDS = labels("english")


@pytest.mark.parametrize("name", language_names())
def test_the_asked_words_are_found_in_stories(name):
    teller, missed, marks = load_storyteller(name), 0, 0
    prompts = list(Prompts(name).range(0, 60))
    for prompt in prompts:
        chosen = dataclasses.asdict(prompt)
        story = teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, seed=prompt.text)
        text, found = marked(story, forms_of(name, chosen))
        missed += 3 - len(found)
        marks += text.count("<mark")
    assert missed <= 0.03 * 3 * len(prompts)
    assert marks < 15 * len(prompts), "words are marked that were not asked for"


def test_another_s_words_are_not_marked():
    forms = forms_of("english", {"noun": "car", "verb": "run", "adjective": "red"})
    assert marked("She took care of the rest. A bored rung.", forms)[1] == set()
    assert marked("The cars ran, red and redder.", forms)[1] >= {"noun", "adjective"}


@pytest.mark.parametrize(
    ("language", "asked", "story", "marks"),
    [
        (
            "hindi", {"noun": "अहाता", "verb": "पेड़ पर चढ़ना", "adjective": "सजा हुआ"},
            "अहाते में सजे हुए पेड़ थे। घर में शोर हुआ। वह पेड़ पर चढ़ने लगा।",
            [("noun", "अहाते"), ("adjective", "सजे हुए"), ("verb", "पेड़ पर चढ़ने")],
        ),
        (
            "english", {"noun": "garden", "verb": "cheer up", "adjective": "red"},
            "In the garden he woke up. She cheered up the red bird.",
            [("noun", "garden"), ("verb", "cheered up"), ("adjective", "red")],
        ),
        (
            "bangla", {"noun": "রান্নাঘর", "verb": "রাগ করা", "adjective": "লাল"},
            "সে রান্নাঘরে কাজ করেছিল। পরে সে রাগ করার কথা ভাবল না। লাল ফুল দেখা করা ভালো।",
            [("noun", "রান্নাঘরে"), ("verb", "রাগ করার"), ("adjective", "লাল")],
        ),
        (
            "tamil", {"noun": "விவசாயி", "verb": "கை தட்டு", "adjective": "சிவப்பு"},
            "ஒரு விவசாயி சிவப்பு பூவைப் பார்த்துக் கை தட்டினார். ஒரு நாய் வந்தது.",
            [("noun", "விவசாயி"), ("adjective", "சிவப்பு"), ("verb", "கை தட்டினார்")],
        ),
    ],
)  # fmt: skip
def test_words_of_several_parts_are_marked_whole_and_their_small_words_never_alone(language, asked, story, marks):
    shown, _ = marked(story, forms_of(language, asked))
    assert re.findall('<mark class="(.*?)">(.*?)</mark>', shown) == marks


def test_each_complexity_shows_what_it_adds():
    for complexity in COMPLEXITIES:
        prompt = Prompts("hindi", complexity)[7]
        shown = prompt_html(prompt.text, "hindi", complexity, dataclasses.asdict(prompt))
        assert ('class="new"' in shown) == (complexity != "1")
        assert all(f'<mark class="{kind}">{getattr(prompt, kind)}</mark>' in shown for kind in ("noun", "verb", "adjective", "feature"))


def test_a_provider_s_markup_is_only_text():
    chosen = dataclasses.asdict(Prompts("english")[0])
    shown = told_html("<script>x</script>\n\n<b>", "english", "<i>", chosen, WORDS)
    assert not {"<script>", "<b>", "<i>"} & {shown[i : i + n] for n in (3, 8) for i in range(len(shown))}


def test_only_what_the_operator_names_can_be_asked(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert allowed_endpoints() == {}
    monkeypatch.setenv(VARIABLE, "https://a.example/v1 one two; http://127.0.0.1:8000/v1/ three")
    found = allowed_endpoints()
    assert list(found) == ["one @ a.example", "two @ a.example", "three @ 127.0.0.1:8000"]
    assert found["three @ 127.0.0.1:8000"].base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize("wrong", ["file:///etc/passwd x", "https://a.example/v1", "https://user:key@a.example/v1 m", "nonsense m"])
def test_a_wrong_endpoint_is_named(monkeypatch, wrong):
    monkeypatch.setenv(VARIABLE, wrong)
    with pytest.raises(UserError, match=VARIABLE):
        allowed_endpoints()
