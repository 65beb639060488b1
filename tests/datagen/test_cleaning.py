"""What models say around a story, and how they mistype it, goes; the story stays letter for letter."""

import json
import unicodedata
from contextlib import suppress

import pytest

from backend.llm.engine import Rejected
from backend.llm.provider import Completion
from datagen.cleaning import clean, story_in

HINDI = "एक दिन मीनू बाग में गई।\n\nवहाँ उसने “नमस्ते” कहा।"
BANGLA = "একদিন মিনু বাগানে গেল।\n\nসে হাসল।"
MARATHI = "एके दिवशी मीनू बागेत गेली.\n\nतिथे तिला फूल दिसले!"
ENGLISH = "One day Minu went out.\n\n\"Hello,\" she said, and it's true."
STORIES = (HINDI, BANGLA, MARATHI, ENGLISH)


def as_json(story, **more):
    return json.dumps({"story": story, **more}, ensure_ascii=False)


WRAPPINGS = {
    "plain text": lambda story: story,
    "JSON": as_json,
    "JSON with escapes": lambda story: json.dumps({"story": story}),
    "a fence": lambda story: f"```json\n{as_json(story)}\n```",
    "a fence without a language": lambda story: f"```\n{as_json(story)}\n```",
    "a preamble": lambda story: f"Here is the story:\n{as_json(story)}\nLet me know if you like it!",
    "a thought": lambda story: f"<think>The user wants {{a story}}.</think>\n{as_json(story)}",
    "a key in capitals": lambda story: as_json(story).replace('"story"', '"Story"'),
    "a story within a story": lambda story: json.dumps({"story": {"story": story}}, ensure_ascii=False),
    "a title beside it": lambda story: as_json(story, title="Minu"),
    "paragraphs as a list": lambda story: as_json(story.split("\n\n")),
    "line breaks that JSON forbids": lambda story: '{"story": "' + story.replace('"', '\\"') + '"}',
    "no closing brace": lambda story: as_json(story)[:-1],
    "a comma too many": lambda story: as_json(story)[:-1] + ",}",
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_story_comes_out_of_its_wrapping_unharmed(wrapping, story):
    assert story_in(Completion(WRAPPINGS[wrapping](story), finish_reason="stop")) == story


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(
    "around",
    [
        "Here is the story:\n\n{}", "Sure! Here's a short story for you:\n{}", "यहाँ कहानी है:\n\n{}", "ही गोष्ट आहे:\n\n{}", "এখানে গল্পটি:\n\n{}",
        "# Minu\n\n{}", "**मीनू और बाग**\n\n{}", "शीर्षक: मीनू\n\n{}", "Title: Minu\n\n{}", "{}\n\nI hope you enjoy it!", "{}\n\n(Note: 12 words)",
        "{}\n\n---", "\ufeff{}", "  {}  \n\n", "<p>{}</p>", "**{}**",
    ],
)  # fmt: skip
def test_what_stands_around_a_story_goes(around, story):
    assert clean(around.format(story)) == story


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("एक\\n\\nदो\\tतीन \\\"चार\\\"", "एक\n\nदो तीन \"चार\""),
        ("\\u090f\\u0915 \\ud83d\\ude42", "एक 🙂"),
        ("Tom &amp; Minu &lt;3 &#39;x&#39;", "Tom & Minu <3 'x'"),
        ("*एक* **दो** _तीन_ `चार`", "एक दो तीन चार"),
        ("snake_case_stays", "snake_case_stays"),
        ("one<br>two<br/>three", "one\n\ntwo\n\nthree"),
        ("* एक\n* दो", "एक\n\nदो"),
        ("क\u00adख\u200bग\x07घ", "कखगघ"),
        ("one\u2028two\u2029three\r\nfour", "one\n\ntwo\n\nthree\n\nfour"),
        ("a\t b\u00a0  c", "a b c"),
        ("He said: \"3 > 2\" - and 5 * 2.", "He said: \"3 > 2\" - and 5 * 2."),
    ],
)
def test_escapes_and_markup_become_what_they_mean(raw, cleaned):
    assert clean(raw) == cleaned


@pytest.mark.parametrize("joined", ["क्‍ष", "র‍্যাব", "नमस्‌कार"])
def test_joiners_that_shape_letters_stay(joined):
    assert clean(f"{joined} है।") == f"{joined} है।"


def test_letters_in_parts_are_put_together():
    parts = unicodedata.normalize("NFD", "ক্যাফে কোনো পড়া café बड़ा")
    assert clean(parts) == unicodedata.normalize("NFC", parts)


@pytest.mark.parametrize(
    ("answer", "finish_reason", "reason"),
    [
        ("", "stop", "empty"),
        ('["one", "two"]', "stop", "not JSON"),
        ('{"title": "x", "text": "y"}', "stop", "no story"),
        ('{"story": 5}', "stop", "no story"),
        ('{"story": "एक दिन मीनू', "length", "truncated"),
        ("<think>Only a thought", "stop", None),
    ],
)
def test_an_answer_without_a_story_is_named(answer, finish_reason, reason):
    if reason is None:
        assert story_in(Completion(answer, finish_reason=finish_reason))
        return
    with pytest.raises(Rejected) as raised:
        story_in(Completion(answer, finish_reason=finish_reason))
    assert raised.value.reason == reason


@pytest.mark.parametrize("row", ["_a ", "*a ", "** a", "`", "<a ", "story:\n", "note: x\n", "# \n", "{", '{"a":"', '{"story": "a "b" '])
def test_an_answer_that_is_one_sign_again_and_again_is_read_like_any_other(row):
    with suppress(Rejected):
        story_in(Completion(row * (300_000 // len(row))))
