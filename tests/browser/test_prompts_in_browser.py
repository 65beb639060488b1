"""A visitor builds a prompt, has a story told from it, and takes a small set home."""

import json

import pytest

from backend.languages import load_language
from datagen.prompts import prompt_from_id
from spaces.labels import labels
from tests.browser.page import Page

WORDS = labels("english")


@pytest.fixture
def page(chromium, address):
    page = Page(chromium, address)
    page.open_tab("tab_prompts", "#ask-story")
    return page


def prompt_of(page: Page):
    return prompt_from_id(page.one("#prompt .note").text.split(",")[0])


def test_words_make_a_prompt_the_prompt_a_story_and_stories_a_set(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    first = prompt_of(page)
    page.one("#shuffle").click()
    page.wait(lambda: prompt_of(page) != first)
    drawn = prompt_of(page)
    assert page.one("#asked-noun input").get_attribute("value") == drawn.noun
    next(label for label in page.all("#complexity label") if label.text.strip() == "5").click()
    page.wait(lambda: prompt_of(page).complexity == "5")
    assert page.all("#prompt ins.new")
    for _ in range(2):
        page.one("#ask-story").click()
        page.wait(lambda: page.shown("#keep"))
        assert page.all("#asked-story mark.noun")
        assert page.one("#asked-story footer").text.startswith(WORDS["teller_choices"]["offline"])
        page.one("#keep").click()
        page.wait(lambda: not page.shown("#keep"))
    page.wait(lambda: "(2)" in page.one("#save-set").text)
    page.one("#save-set").click()
    saved = page.wait(lambda: next(iter(tmp_path.glob("*.jsonl")), None))
    rows = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    assert len(rows) == 2
    assert (rows[0]["noun"], rows[0]["complexity"], rows[0]["provider"]) == (drawn.noun, "5", "storyteller")
    assert rows[0]["prompt"] == prompt_of(page).text
    assert rows[0]["story"]
    page.one("#clear-set").click()
    page.wait(lambda: not page.shown("#save-set"))


def test_another_language_brings_its_words(page):
    next(label for label in page.all("#prompts-language label") if "বাংলা" in label.text).click()
    page.wait(lambda: prompt_of(page).language == "bangla")
    assert load_language("bangla").in_script(page.one("#asked-noun input").get_attribute("value")[0])
    page.one("#ask-story").click()
    page.wait(lambda: page.all("#asked-story article"))
    assert page.one("#asked-story article").get_attribute("lang") == "bn"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", f"The prompt is empty. Write one, or press “{WORDS['shuffle']}”."),
        ("many words " * 2000, "The prompt has 21,999 characters"),
        ("Tell me a joke.", "The story grammar answers only prompts built here"),
    ],
)
def test_a_prompt_that_nobody_can_answer_is_told_in_a_sentence(page, text, complaint):
    page.one("#edit button").click()
    page.wait(lambda: page.shown("#prompt-text textarea"))
    page.paste("#prompt-text textarea", text)
    page.one("#ask-story").click()
    assert complaint in page.wait(lambda: page.one("#asked-story .problem")).text
