"""A parent with a phone: one tap for a story, which comes into view, and nothing too small for a thumb."""

from spaces.labels import all_labels
from tests.browser.page import Page

SMALLEST = 44  # pixels high, of what one taps
TAPPED = """return [...document.querySelectorAll('button, [role=tab], .languages label, textarea, [role=listbox]:is(input)')]
    .filter(part => part.offsetParent).map(part => [part.innerText || part.id, part.getBoundingClientRect().height])"""


def test_a_tap_brings_a_story_into_view(chromium, address):
    page = Page(chromium, address, 390)
    order = [page.one(part).location["y"] for part in ("#language", "#opening", "#write", "#story", "#model", "#settings")]
    assert order == sorted(order), "what a story needs comes before what it does not"
    page.one("#surprise").click()
    page.wait(lambda: page.shown("#stop"))
    assert not page.shown("#surprise")
    page.wait(lambda: 0 <= page.browser.execute_script("return document.querySelector('#write').getBoundingClientRect().top") < 30)
    page.one("#stop").click()
    assert page.told()
    assert page.shown("#surprise")


def test_nothing_is_too_small_to_tap(chromium, address):
    page = Page(chromium, address, 390)
    for key, part in (
        ("tab_complete", "#write"), ("tab_compare", "#tell"), ("tab_tokens", "#look"), ("tab_prompts", "#ask-story"), ("tab_judge", "#score")
    ):  # fmt: skip
        page.open_tab(key, part)
        small = [name for name, height in page.browser.execute_script(TAPPED) if 0 < height < SMALLEST]
        assert not small, f"{key}: {small}"


def test_what_is_wrong_with_an_opening_comes_into_view(chromium, address):
    page = Page(chromium, address, 390)
    page.open_tab("tab_compare", "#tell")
    page.paste("#compare-opening textarea", "एक छोटी चिड़िया थी। " * 90)
    page.one("#tell").click()
    page.wait(lambda: page.shown("#compare-stories .problem"))
    seen = "const box = document.querySelector('#compare-stories .problem').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight"
    page.wait(lambda: page.browser.execute_script(seen))


def test_nothing_of_a_judge_is_too_small_to_tap(chromium, address, llm):
    page = Page(chromium, address, 390)
    page.open_tab("tab_judge", "#score")
    page.choose("#judge-who", f"grader @ {llm.base_url.split('/')[2]}")
    page.wait(lambda: page.shown("#repeats"))
    small = [name for name, height in page.browser.execute_script(TAPPED) if 0 < height < SMALLEST]
    assert not small


def test_long_choices_end_before_their_arrow(chromium, address):
    page = Page(chromium, address, 390)
    page.open_tab("tab_judge", "#score")
    style = "return getComputedStyle(document.querySelector('#judge-who input'))"
    assert page.browser.execute_script(f"{style}.textOverflow") == "ellipsis"
    assert page.browser.execute_script(f"return parseFloat(({style.removeprefix('return ')}).paddingRight)") >= 24


def test_who_writes_without_an_llm_can_be_read_whole_in_every_language(chromium, address):
    page = Page(chromium, address, 390)
    page.open_tab("tab_prompts", "#ask-story")
    labels = [words[key]["offline"] for words in all_labels().values() for key in ("teller_choices", "judge_by_choices")]
    cut = """const field = document.querySelector('#prompts-who input')
        return arguments[0].filter(label => { field.value = label; return field.scrollWidth > field.clientWidth })"""
    assert page.one("#prompts-who input").get_attribute("value") in labels
    assert not page.browser.execute_script(cut, labels)
