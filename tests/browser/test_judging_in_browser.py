"""A visitor has stories scored: offline, by an endpoint with a key of their own, one or many, from here and from other tabs."""

import json
import math

import pytest

from spaces.labels import labels
from tests.browser.page import Page
from tests.llm_server import KEY

WORDS = labels("english")
STORY = "एक दिन मीनू बाग में गई। वहाँ उसे एक तितली मिली। दोनों दोस्त बन गए।"


@pytest.fixture
def page(chromium, address):
    page = Page(chromium, address)
    page.open_tab("tab_judge", "#score")
    return page


@pytest.fixture
def file(tmp_path):
    rows = [
        {"opening": f"एक दिन {i}।", "completion": STORY, "model": f"model {i % 2}", "language": "hindi", "index": 0} for i in range(8)
    ]
    path = tmp_path / "stories.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def choose_endpoint(page: Page, llm, key: str) -> None:
    page.choose("#judge-who", f"grader @ {llm.base_url.split('/')[2]}")
    page.wait(lambda: page.shown("#judge-key input"))
    page.one("#judge-key input").send_keys(key)


def test_without_a_key_there_is_the_quick_check_under_its_own_name(page):
    page.one("#score").click()
    assert page.wait(lambda: page.one("#scores .problem")).text == WORDS["judge_empty"]
    page.one("#judge-story textarea").send_keys(STORY)
    page.one("#score").click()
    page.wait(lambda: page.all("#scores .checks li"))
    assert WORDS["quick"] in page.one("#scores").text
    assert "✗ " + WORDS["check_long_enough"] in page.one("#scores").text
    assert not page.all("#scores svg")


def test_an_endpoint_grades_with_the_visitor_s_key_which_stays_nowhere(page, llm, data_folder):
    page.one("#judge-opening textarea").send_keys("एक दिन मीनू")
    page.one("#judge-story textarea").send_keys(STORY)
    choose_endpoint(page, llm, "sk-wrong-1234")
    assert page.one("#judge-key input").get_attribute("type") == "password"
    page.one("#score").click()
    problem = page.wait(lambda: page.one("#scores .problem")).text
    assert "401" in problem
    assert "sk-wrong-1234" not in problem
    page.one("#judge-key input").clear()
    page.one("#judge-key input").send_keys(KEY)
    page.one("#score").click()
    page.wait(lambda: page.all("#scores svg"))
    assert len(page.all("#scores tbody tr")) == 6
    assert len(page.all("#scores .said li")) == 3
    assert WORDS["quick"] not in page.one("#scores").text
    assert llm.keys[-1] == KEY
    assert "rate the story" in llm.prompts[-1]
    stores = page.browser.execute_script("return JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert KEY not in stores
    assert not any(KEY.encode() in path.read_bytes() for path in data_folder.rglob("*") if path.is_file())


def test_a_batch_is_planned_run_stopped_and_saved(page, llm, file, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    choose_endpoint(page, llm, KEY)
    page.one("#batch button").click()
    page.wait(lambda: page.shown("#upload"))
    page.one("input[type=file]").send_keys(str(file))
    page.wait(lambda: "calls: 24" in page.one("#batch-plan").text)
    llm.hold.clear()
    page.one("#score-all").click()
    page.wait(lambda: page.shown("#batch-stop"))
    page.one("#batch-stop").click()
    page.wait(lambda: not page.shown("#batch-stop"))
    llm.hold.set()
    page.wait(lambda: page.one("#score-all").is_enabled())
    page.one("#score-all").click()
    page.wait(lambda: page.shown("#save-scores"))
    assert "24 of 24" in page.one("#batch-result").text
    assert [row.text.split("\n")[0] for row in page.all("#batch-result thead th")] == ["model 0", "model 1"]
    page.one("#save-scores").click()
    saved = page.wait(lambda: next((p for p in tmp_path.glob("*.jsonl") if p != file), None))
    assert saved.name == "scores-hindi-24.jsonl"
    rows = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    assert len(rows) == 24
    assert {row["judge"] for row in rows} == {"grader"}
    assert set(rows[0]["scores"]) == {"context awareness", "completeness", "grammar", "fluency", "creativity", "overall"}


def test_scores_stay_and_say_by_which_rubric_they_are_whatever_is_chosen_next(page, llm, file, tmp_path):
    choose_endpoint(page, llm, KEY)
    page.set_slider("repeats", 1)
    page.one("#batch button").click()
    page.wait(lambda: page.shown("#upload"))
    page.one("input[type=file]").send_keys(str(file))
    page.wait(lambda: "calls: 8" in page.one("#batch-plan").text)
    page.one("#score-all").click()
    page.wait(lambda: page.shown("#save-scores"))
    scores = page.one("#batch-result").text
    assert f"grader · {WORDS['rubric_choices']['paper']} · judgements: 8" in scores
    page.click("#rubric label", WORDS["rubric_choices"]["strict"])
    page.set_slider("repeats", 2)
    page.wait(lambda: "calls: 16" in page.one("#batch-plan").text)
    assert page.one("#batch-result").text == scores
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("no json\n")
    page.one("input[type=file]").send_keys(str(wrong))
    page.wait(lambda: page.one("#batch-plan .problem"))
    assert page.one("#batch-result").text == scores and page.shown("#save-scores")
    assert not page.one("#score-all").is_enabled()


def test_a_key_that_ends_in_the_middle_takes_no_scores_along(page, llm, file):
    choose_endpoint(page, llm, KEY)
    page.one("#batch button").click()
    page.wait(lambda: page.shown("#upload"))
    page.one("input[type=file]").send_keys(str(file))
    page.wait(lambda: "calls: 24" in page.one("#batch-plan").text)
    llm.most = len(llm.prompts) + 12
    try:
        page.one("#score-all").click()
        page.wait(lambda: page.all("#batch-result .problem"))
    finally:
        llm.most = math.inf
    assert "401" in page.one("#batch-result .problem").text
    assert page.all("#batch-result tbody tr")
    assert page.shown("#save-scores")


def test_more_stories_than_an_endpoint_is_asked_about_are_told_of_and_the_quick_check_takes_them_all(page, llm, tmp_path):
    rows = [{"opening": f"एक दिन {i}।", "completion": STORY, "model": "m", "language": "hindi", "index": 0} for i in range(301)]
    many = tmp_path / "many.jsonl"
    many.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    choose_endpoint(page, llm, KEY)
    page.one("#batch button").click()
    page.wait(lambda: page.shown("#upload"))
    page.one("input[type=file]").send_keys(str(many))
    page.wait(lambda: WORDS["first_only"].format(limit=300, count=301) in page.one("#batch-plan").text)
    page.choose("#judge-who", WORDS["judge_by_choices"]["offline"])
    page.wait(lambda: WORDS["plan_quick"].format(stories=301) in page.one("#batch-plan").text)
    page.one("#score-all").click()
    page.wait(lambda: page.shown("#save-scores"))
    assert [cell.text for cell in page.all("#batch-result tbody td")][:2] == ["301", "100 %"]
    assert WORDS["quick"] in page.one("#batch-result").text


def test_a_file_that_is_none_is_named_without_the_server_s_folders(page, tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("no json\n")
    page.one("#batch button").click()
    page.wait(lambda: page.shown("#upload"))
    page.one("input[type=file]").send_keys(str(wrong))
    problem = page.wait(lambda: page.one("#batch-plan .problem")).text
    assert problem.startswith("wrong.jsonl:1")


def test_stories_come_over_from_other_tabs(page):
    page.open_tab("tab_complete", "#write")
    page.choose("#model", "quick")
    page.write("एक छोटी चिड़िया थी।")
    story = page.told()
    page.wait(lambda: page.shown("#score-told"))
    page.one("#score-told").click()
    page.wait(lambda: page.shown("#score"))
    assert page.one("#judge-opening textarea").get_attribute("value") == "एक छोटी चिड़िया थी।"
    assert page.one("#judge-story textarea").get_attribute("value").split()[-1] == story.split()[-1]
    page.wait(lambda: page.all("#scores .checks li"))


def test_on_a_phone_the_scores_come_into_view_and_the_language_is_that_of_the_story(chromium, address):
    page = Page(chromium, address, 390)
    page.open_tab("tab_judge", "#score")
    page.one("#judge-story textarea").send_keys("\n".join(["একদিন মিনু বাগানে গেল।"] * 12))
    page.one("#score").click()
    page.wait(lambda: page.all("#scores .checks li"))
    assert "✓ " + WORDS["check_in_script"] in page.one("#scores").text
    assert page.browser.execute_script("return document.querySelector('#judge-language input:checked').value") == "bangla"
    seen = "const box = document.querySelector('#scores .checks').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight"
    page.wait(lambda: page.browser.execute_script(seen))


def test_a_prompt_is_answered_by_an_endpoint_too(page, llm):
    page.open_tab("tab_prompts", "#ask-story")
    page.choose("#prompts-who", f"grader @ {llm.base_url.split('/')[2]}")
    page.wait(lambda: page.shown("#prompts-key input"))
    page.one("#prompts-key input").send_keys(KEY)
    page.one("#ask-story").click()
    page.wait(lambda: page.all("#asked-story article"))
    assert "मीनू" in page.one("#asked-story article").text
    assert not page.all("#asked-story article b"), "markup of the answer has become the page's"
    assert page.one("#asked-story footer").text.startswith("grader @")
