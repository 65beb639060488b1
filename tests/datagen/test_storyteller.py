import json
import unicodedata

import pytest

from backend.errors import UserError
from backend.languages import language_names, load_language
from datagen.prompts import Prompts
from datagen.storyteller.grammar import Scene, compile_phrasing
from datagen.storyteller.provider import answer
from datagen.storyteller.teller import Storyteller, load_storyteller
from datagen.words import load_words

LANGUAGES = language_names()


def stories(language, count):
    teller = load_storyteller(language)
    for prompt in Prompts(language).range(0, count):
        yield prompt, teller.tell(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, seed=prompt.text)


def in_story(word, story):
    """Whether a form of the word's row, or its stem without a last vowel sign, stands in the story."""
    story = story.casefold()
    texts = [text.casefold() for text in word.values()]
    return any(text in story for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_stories_differ_and_begin_in_many_ways(language):
    told = [story for _, story in stories(language, 10_000)]
    assert len(set(told)) == 10_000
    ends = load_language(language).sentence_ends
    openings = {story[: min(i for i in map(story.find, ends) if i > 0)] for story in told}
    assert len(openings) >= 500


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_story_says_the_prompts_words_in_its_own_script(language):
    words = load_words(language)
    settings = load_language(language)
    for prompt, story in stories(language, 500):
        assert in_story(words.find("nouns", prompt.noun), story), (prompt, story)
        assert in_story(words.find("verbs", prompt.verb), story), (prompt, story)
        assert in_story(words.find("adjectives", prompt.adjective), story), (prompt, story)
        assert unicodedata.is_normalized("NFC", story)
        assert all(settings.in_script(c) for c in story if c.isalpha()), story
        assert not set(story) & set("{}[]|@/_<>"), story
        assert "  " not in story and len(story.split("\n\n")) >= 3
        assert story.rstrip("\"'”’»)")[-1] in settings.sentence_ends, story


def test_a_story_is_a_function_of_its_prompt():
    prompt = Prompts("english")[7]
    words = (prompt.noun, prompt.verb, prompt.adjective, prompt.feature)
    fresh = Storyteller("english").tell(*words, seed=prompt.text)
    assert fresh == load_storyteller("english").tell(*words, seed=prompt.text)
    assert fresh != load_storyteller("english").tell(*words, seed=prompt.text + " ")
    assert json.loads(answer(prompt.text))["story"] == fresh


def test_the_storyteller_refuses_a_text_that_is_no_prompt_of_ours():
    with pytest.raises(UserError, match="answers only this project's prompts"):
        answer("Tell me about the weather.")


def test_a_word_outside_the_lists_is_told():
    with pytest.raises(UserError, match=r"'zeppelin' is not in .*nouns\.tsv"):
        load_storyteller("english").tell("zeppelin", "run", "red", "kindness", seed=0)


@pytest.mark.parametrize(
    ("text", "what"),
    [("{hero was here.", "not closed"), ("[hero:a|b was.", "is missing"), ("[hero:a|b|c] was.", "has 3 options")],
)
def test_a_template_that_does_not_close_is_told_with_its_place(text, what):
    with pytest.raises(UserError, match=f"plot.txt:7: .*{what}"):
        compile_phrasing(text, "plot.txt:7", ("m", "f"))


def test_agreement_choice_and_conditions():
    words = load_words("hindi")
    hero = next(word for word in words.characters if word.gender == "f")
    scene = Scene(("hero",), {"hero": hero}, {"hero": 1}, None)
    assert compile_phrasing("{hero} [hero:गया|गई]।", "", ("m", "f")).say(scene) == f"{hero['word']} गई।"
    assert compile_phrasing(f"[if hero={hero.kind},elder] वह आई।", "", ("m", "f")).fits(scene)
    assert not compile_phrasing("[if hero=vehicle] वह आई।", "", ("m", "f")).fits(scene)


@pytest.mark.parametrize("name", [name for name in language_names() if "prelude" in load_storyteller(name).groups])
def test_whoever_the_prelude_has_brought_in_is_not_brought_in_again(name):
    teller = load_storyteller(name)
    begun = 0
    for prompt in Prompts(name, seed=3).range(0, 300):
        plot, scene = teller.cast(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, prompt.text)
        hero, cast = scene.roles["hero"], dict(scene.roles)
        story = teller.say(plot, scene, prelude=True)
        begun += plot.opens_as_any_story or any(scene.roles[role] is not word for role, word in cast.items())
        if hero["a"] not in (hero["word"], hero["the"]):
            assert story.count(hero["a"]) < 2, story
    assert begun > 250
