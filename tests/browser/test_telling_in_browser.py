"""A visitor types, reads along, stops, changes the language, comes back."""

import json
from urllib.parse import urlparse

import pytest
from gradio_client import Client

from backend.languages import language_names, load_language
from spaces.labels import all_labels, labels
from tests.browser.page import Page

HINDI = "एक छोटी चिड़िया थी।"


@pytest.fixture
def page(chromium, address):
    return Page(chromium, address)


def test_a_story_grows_and_ends_and_can_be_had_again_by_its_seed(page):
    page.write(HINDI)
    lengths = set()
    page.wait(lambda: lengths.add(len(page.story())) or (page.all(".story footer") and not page.shown("#stop")))
    assert len(lengths) > 3, "the story came in one piece"
    story = page.story()
    assert story.startswith(HINDI)
    assert len(story) > 100
    assert labels("english")["quick"] in page.one(".story footer").text
    seed = page.one(".story footer").text.split("seed ")[1].split()[0]
    page.one("#again").click()
    page.wait(lambda: page.story() != story)
    assert page.told() != story
    page.one("#settings button").click()
    page.wait(lambda: page.one("#seed input, #seed textarea").is_displayed())
    page.one("#seed input, #seed textarea").send_keys(seed)
    page.write()
    page.wait(lambda: page.story() == story)


def test_stop_ends_the_story_at_once(page):
    page.one("#settings button").click()
    page.wait(lambda: page.one("#count input").is_displayed())
    page.set_slider("count", 8)
    page.write(HINDI)
    page.wait(lambda: page.shown("#stop"))
    page.one("#stop").click()
    page.wait(lambda: not page.shown("#stop"))
    text = page.story()
    assert labels("english")["stopped"] in page.one(".shelf").text
    page.choose("#page-language", load_language("hindi").native_name)
    page.wait(lambda: page.one("#write").text == labels("hindi")["write"])
    assert page.story() == text, "the engine went on telling"
    page.set_slider("count", 1)
    page.write()
    assert page.told().startswith(HINDI)


def test_examples_and_surprise_fill_in_a_beginning(page):
    shown = page.wait(lambda: [item.text for item in page.all("#examples .gallery-item")])
    assert shown == load_language("hindi").openings()[: len(shown)], "an example is cut"
    text = shown[1]
    page.click("#examples .gallery-item", text)
    page.wait(lambda: page.one("#opening textarea").get_attribute("value") == text)
    page.one("#surprise").click()
    story = page.told()
    assert any(story.startswith(opening) for opening in load_language("hindi").openings())


def test_the_story_language_brings_its_examples_and_models(page):
    page.choose_language("বাংলা")
    bangla = load_language("bangla")
    page.wait(lambda: page.one("#examples .gallery-item").text in bangla.openings())
    page.choose("#model", "quick")
    page.choose_language("English")
    page.wait(lambda: page.one("#model input").get_attribute("value") == "slow")


def test_typing_another_script_switches_the_language(page):
    page.write("একটা ছোট্ট পাখি ছিল।")
    page.told()
    assert page.one("#language input:checked").get_attribute("value") == "bangla"
    assert page.one(".story").get_attribute("lang") == "bn"


@pytest.mark.parametrize("bad", ["", "12345", "Привет"])
def test_a_bad_opening_gets_a_sentence_in_the_page_language(page, bad):
    page.write(bad)
    problem = page.wait(lambda: page.one(".message.problem"))
    scripts = ", ".join(dict.fromkeys(load_language(name).script for name in language_names()))
    assert problem.text in [
        labels("english")["empty"], labels("english")["no_letters"],
        labels("english")["other_script"].format(scripts=scripts),
    ]  # fmt: skip
    assert not page.shown("#stop")


def test_markup_in_an_opening_is_only_text(page):
    page.write("एक दिन <img src=x onerror=\"document.title='hacked'\"> <b>घर</b>")
    assert "<b>घर</b>" in page.told()
    assert not page.all(".story img, .story b")
    assert page.browser.title != "hacked"


def test_the_page_speaks_its_visitor_s_language(page):
    for name in sorted(all_labels(), key=lambda name: name == "english"):  # with which the page opened
        page.choose("#page-language", load_language(name).native_name)
        page.wait(lambda name=name: page.one("#write").text == labels(name)["write"])
        assert labels(name)["tagline"] in page.one("#masthead").text
        assert labels(name)["tab_complete"] in page.one("[role=tab]").text


def test_reloading_in_the_middle_frees_the_engine(page, address):
    page.write(HINDI)
    page.wait(lambda: page.shown("#stop"))
    page.load()
    assert not page.all(".story")
    client = Client(address, verbose=False)
    assert client.predict(HINDI, model="quick", max_tokens=20, api_name="/complete").startswith(HINDI)
    page.write(HINDI)
    assert page.told().startswith(HINDI)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_with_letters_that_can_be_read(chromium, address, width):
    page = Page(chromium, address, width)
    page.choose("#model", "quick")
    page.write(HINDI)
    page.told()
    for tab in reversed(page.all("[role=tab]")):
        tab.click()
        page.wait(lambda tab=tab: tab.get_attribute("aria-selected") == "true")
        assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width, tab.text
    size = page.browser.execute_script("return parseFloat(getComputedStyle(document.querySelector('.story p')).fontSize)")
    assert size >= 16


def test_saving_gives_the_story(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.write(HINDI)
    story = page.told()
    for button, suffix in (("#save-text", "txt"), ("#save-json", "json")):
        page.wait(lambda button=button: page.shown(button))
        page.one(button).click()
        page.wait(lambda suffix=suffix: list(tmp_path.glob(f"*.{suffix}")))
        saved = page.wait(lambda suffix=suffix: next(tmp_path.glob(f"*.{suffix}")).read_text("utf-8"))
        if suffix == "json":
            (record,) = json.loads(saved)
            saved = record["opening"] + record["completion"]
        assert HINDI in saved
        assert story.split()[-1] in saved


def test_nothing_leaves_the_machine_and_no_script_fails(chromium, address):
    page = Page(chromium, address)
    page.requests()
    chromium.get_log("browser")  # what earlier pages had to say
    page.load()
    page.write(HINDI)
    page.told()
    hosts = {urlparse(url).hostname for url in page.requests() if url.startswith("http")}
    assert hosts == {"127.0.0.1"}
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
