"""A student looks into a model."""

from spaces.labels import labels
from tests.browser.page import Page

WORDS = labels("english")
HINDI = "एक छोटी चिड़िया थी।"


def test_tokens_are_coloured_and_say_what_else_was_likely(chromium, address):
    page = Page(chromium, address)
    page.open_tab("tab_tokens", "#look")
    page.one("#tokens-opening textarea").send_keys(HINDI)
    page.one("#look").click()
    page.wait(lambda: page.all("#tokens .token"))
    text = "return [...document.querySelectorAll('#tokens p > .token')].map(t => t.firstChild.data).join('')"
    assert page.browser.execute_script(text) == HINDI
    given = len(page.all("#tokens p > .token"))
    page.one("#look-and-tell").click()
    page.wait(lambda: len(page.all("#tokens p > .token")) > given + 5)
    token = page.all("#tokens p > .token")[given + 2]
    page.browser.execute_script("arguments[0].focus()", token)
    card = page.wait(lambda: next(tip for tip in page.all("#tokens .tip") if tip.is_displayed()))
    assert card.text.count("%") >= 6
    assert WORDS["token_perplexity"] in page.one("#tokens").text
