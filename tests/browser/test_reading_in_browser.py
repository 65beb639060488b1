"""The story as one reads it, hears it, and comes to it by keyboard or by thumb."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from backend.languages import load_language
from tests.browser.page import Page

HINDI = "एक छोटी चिड़िया थी।"
# In letters of the font's size, of which about half an em is one letter's width.
WIDTH = """const p = document.querySelector('#story .story p');
    return p.getBoundingClientRect().width / parseFloat(getComputedStyle(p).fontSize)"""
HEIGHTS = """return [...document.querySelectorAll('#settings :is(input, button)')].filter(part => part.offsetParent)
    .map(part => [part.type, part.ariaLabel, part.getBoundingClientRect().height])"""
OUTLINE = "return getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth"


def test_a_line_on_a_wide_screen_is_no_longer_than_eyes_follow(chromium, address):
    page = Page(chromium, address, 1280)
    page.write(HINDI)
    page.told()
    assert 25 <= page.browser.execute_script(WIDTH) <= 38


def test_stop_by_keyboard_leaves_the_focus_where_the_next_story_begins(chromium, address):
    page = Page(chromium, address, 1280)
    page.write(HINDI)
    page.wait(lambda: page.shown("#stop"))
    page.browser.execute_script("document.querySelector('#stop').focus()")
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: not page.shown("#stop"))
    assert page.browser.switch_to.active_element.get_attribute("id") == "write"


def test_the_beginnings_say_which_language_they_are_in(chromium, address):
    page = Page(chromium, address, 1280)
    for name in ("bangla", "hindi"):
        page.choose_language(load_language(name).native_name)
        spoken = [("bn", "hi")[name == "hindi"]] * 5
        page.wait(lambda spoken=spoken: [e.get_attribute("lang") for e in page.all("#examples .gallery-item [lang]")] == spoken)


def test_the_settings_can_be_set_by_thumb_and_seen_by_keyboard(chromium, address):
    page = Page(chromium, address, 390)
    page.one("#settings button").click()
    page.wait(lambda: page.shown("#count input[type=range]"))
    small = [part for part in page.browser.execute_script(HEIGHTS) if part[2] < 42]
    assert not small
    page.browser.execute_script("document.querySelector('#count input[type=number]').focus()")
    ActionChains(page.browser).send_keys(Keys.TAB, Keys.TAB).perform()
    assert page.browser.execute_script("return document.activeElement.type") == "range"
    assert page.browser.execute_script(OUTLINE) == "solid 2px"
