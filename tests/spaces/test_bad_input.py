"""What a visitor pastes, uploads or names by mistake or in bad faith gets one sentence, or is shown as what it is."""

import json

import pytest

from backend.errors import UserError
from backend.slm.catalog import resolve
from evaluation.quick_check import quick_check
from spaces.judged import pasted, uploaded
from spaces.labels import all_labels, labels
from spaces.score_view import checked_html, checked_many
from spaces.typed import typed

WORDS = labels("english")
NOTHING = ["", None, "  \n\t ", "\u200b", "\u200d\u200c", "\u202e\u2066", "\ud800", "\x00"]
ODD = ["🙂🙂 👧‍🦰", "<script>alert(1)</script>", "**b** [x](javascript:alert(1))", "\u202eउल्टा", "\ud800 दिन", "्", "।", '"', "Привет."]


@pytest.mark.parametrize("story", [*NOTHING, "क" * 50_000])
def test_no_story_or_a_book_gets_a_sentence(story):
    for words in map(labels, all_labels()):
        with pytest.raises(UserError) as caught:
            pasted("", story, "hindi", words)
        assert str(caught.value)[-1] in ".।"


@pytest.mark.parametrize("story", ODD)
def test_an_odd_story_is_checked_and_shown_as_text(story):
    item = pasted("<b>", story, "hindi", WORDS)
    shown = checked_html(quick_check(item.opening, item.completion, item.language), WORDS)
    shown.encode("utf-8")
    assert "<script" not in shown
    assert "\u202e" not in item.completion


def test_typed_keeps_what_indic_scripts_need():
    assert typed("র‍্যাব ক্‌ষ\n\nदूसरा") == "র‍্যাব ক্‌ষ\n\nदूसरा"


ROW = {"opening": "एक दिन", "completion": " बारिश हुई।", "model": "m", "language": "hindi", "index": 0}
FILES = {
    "empty.jsonl": b"", "bytes.jsonl": bytes(range(256)), "utf16.json": "{}".encode("utf-16"), "numbers.json": b"[1, 2]",
    "null.jsonl": b"null\n", "deep.json": b"[" * 100_000, "bare.jsonl": b"{}\n", "picture.json": b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    "index.jsonl": json.dumps(ROW | {"index": "x"}).encode(), "language.jsonl": json.dumps(ROW | {"language": 4}).encode(),
    "book.jsonl": json.dumps(ROW | {"completion": "x" * 100_000}).encode(), "large.json": b" " * 30_000_001,
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none_gets_a_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(UserError) as caught:
        uploaded(tmp_path / name, "hindi", WORDS)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400


def test_a_file_s_markup_and_half_characters_are_only_text(tmp_path):
    row = ROW | {"model": "<script>" + "m" * 9000, "opening": "\ud800 <img src=x onerror=alert(1)>"}
    (tmp_path / "stories.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    stories = uploaded(tmp_path / "stories.jsonl", "hindi", WORDS)
    assert stories[0].completion == ROW["completion"]
    checks = [quick_check(story.opening, story.completion, story.language) for story in stories]
    table, rows = checked_many(stories, checks, WORDS)
    assert "<script" not in table
    assert len(table) < 3000
    json.dumps(rows, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("name", ["a" * 50_000, "a/" * 25_000, "../../etc", "🙂", "<b>x</b>", "TinyStories-Regional/" + "a" * 3000])
def test_a_model_that_is_none_gets_a_short_sentence(name):
    with pytest.raises(UserError, match="Hub id") as caught:
        resolve(name, local=False)
    assert len(str(caught.value)) < 400
