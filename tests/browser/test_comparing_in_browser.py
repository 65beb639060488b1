"""Two models tell side by side; the visitor votes without knowing who they are."""

import pytest

from spaces.labels import labels
from spaces.votes import Votes
from tests.browser.page import Page

WORDS = labels("english")
HINDI = "एक छोटी चिड़िया थी।"


@pytest.fixture
def page(chromium, address):
    page = Page(chromium, address)
    page.open_tab("tab_compare", "#tell")
    return page


def tell(page: Page, opening: str) -> None:
    page.one("#compare-opening textarea").send_keys(opening)
    page.one("#tell").click()


def cards(page: Page) -> list[str]:
    return [card.text for card in page.all("#compare-stories .story")]


def test_a_blind_vote_is_kept_and_then_the_names_are_told(page, data_folder):
    tell(page, HINDI)
    page.wait(lambda: len(cards(page)) == 2)
    page.wait(lambda: page.shown("#vote-first"))
    blind = page.browser.execute_script("return document.querySelector('#compare-stories').outerHTML")
    assert "slow" not in blind
    assert "quick" not in blind
    assert [card.split("\n")[0] for card in cards(page)] == ["A", "B"]
    assert not page.all("#compare-stories footer")
    stories = [card.split("\n", 1)[1] for card in cards(page)]
    page.one("#vote-second").click()
    page.wait(lambda: page.all("#compare-stories footer"))
    assert {card.split("\n")[0].split(" · ")[1] for card in cards(page)} == {"slow", "quick"}
    assert all(card.split("\n", 1)[1].startswith(story) for card, story in zip(cards(page), stories, strict=True))
    # The robot voted sooner than anybody can read.
    assert page.one("#vote-said").text == WORDS["vote_hurried"]
    vote = Votes(data_folder).all()[-1]
    assert (vote.opening, vote.verdict, vote.discounted) == (HINDI, "second", "hurried")
    assert {vote.first, vote.second} == {"slow", "quick"}
    assert not page.shown("#vote-first")
    page.wait(lambda: page.one("#differences").text.count(".") >= 4)
    page.one("#board button").click()
    page.wait(lambda: WORDS["board_empty"] in page.one("#standings").text)


def test_in_the_open_the_stories_grow_together_and_stop_together(page):
    page.one("#blind input").click()
    tell(page, HINDI)
    page.wait(lambda: page.one("#compare-stop").is_displayed())
    page.wait(lambda: len(cards(page)) == 2 and all(len(card) > len(HINDI) + 40 for card in cards(page)))
    page.one("#compare-stop").click()
    page.wait(lambda: not page.shown("#compare-stop"))
    told = cards(page)
    assert [card.split("\n")[0] for card in told] == ["A · slow", "B · quick"]
    assert all(WORDS["used_seed"] in card for card in told)
    assert len({card.split(WORDS["used_seed"])[1].split()[0] for card in told}) == 1, "the seeds differ"
    assert WORDS["stopped"] in told[0]
    assert not page.shown("#vote-first")


def test_stories_told_anew_in_the_middle_can_be_stopped_as_the_first_ones_could(page):
    tell(page, HINDI)
    page.wait(lambda: page.shown("#compare-stop") and len(cards(page)) == 2 and min(map(len, cards(page))) > len(HINDI) + 100)
    before = min(map(len, cards(page)))
    page.one("#tell").click()
    page.wait(lambda: min(map(len, cards(page))) < before)
    page.wait(lambda: min(map(len, cards(page))) > len(HINDI) + 30)
    assert page.shown("#compare-stop")
    page.one("#compare-stop").click()
    page.wait(lambda: not page.shown("#compare-stop"))
    assert WORDS["stopped"] in cards(page)[0]


def test_two_clicks_are_one_vote_and_what_is_asked_follows_the_page_s_language(page, data_folder):
    tell(page, HINDI)
    page.wait(lambda: page.shown("#vote-first"))
    page.choose("#page-language", "मराठी")
    page.wait(lambda: page.one("#vote-said").text == labels("marathi")["vote_question"])
    before = len(Votes(data_folder).all())
    page.browser.execute_script("const button = document.querySelector('#vote-tie'); button.click(); button.click()")
    page.wait(lambda: page.all("#compare-stories footer"))
    page.wait(lambda: page.one("#differences").text.count(".") >= 4)
    assert page.one("#vote-said").text == labels("marathi")["vote_hurried"]
    assert len(Votes(data_folder).all()) == before + 1


def test_one_model_is_no_comparison(page):
    page.one("#blind input").click()
    border = "const box = getComputedStyle(document.querySelector('#blind input')); return parseFloat(box.borderTopWidth) >= 1 && box.borderTopColor != box.backgroundColor"
    assert page.browser.execute_script(border), "an empty box cannot be seen"
    page.all("#compare-models .token-remove")[0].click()
    tell(page, HINDI)
    page.wait(lambda: page.all("#compare-stories .problem"))
    assert page.one("#compare-stories .problem").text == WORDS["need_two"]
