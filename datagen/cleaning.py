"""From a raw answer to the story in it: the JSON contract, what models say around a story, markup and Unicode."""

import html
import json
import re
import unicodedata

import json_repair
import orjson

from backend.llm.engine import Rejected
from backend.llm.journal_entry import joined_pairs
from backend.llm.provider import Completion

STORY_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "story",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"story": {"type": "string"}},
            "required": ["story"],
            "additionalProperties": False,
        },
    },
}
_THOUGHT = re.compile(r"^\s*(?:<(think|thinking|reasoning)>.*?</\1>|.*?</think(?:ing)?>)", re.DOTALL)
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
# Something a plain story never holds; without it, most of what follows is skipped.
_SUSPECT = ("\\", "*", "#", "`", "<", ">", "&", "_", "---", "===")
_INVISIBLE = re.compile(r"[\ufeff\u00ad\u200b\u2060\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ESCAPED_LETTER = re.compile(r"\\u([0-9a-fA-F]{4})")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>")
_BOLD = re.compile(r"(\*{1,3})(?=\S)([^*\n]+)(?<=\S)\1")
_ITALIC = re.compile(r"(?<!\w)(_{1,3})(?=\S)([^_\n]+)(?<=\S)\1(?!\w)")
_LINE_MARKS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|[*•][ \t]+|>[ \t]?|[-=*_]{3,}[ \t]*$)", re.MULTILINE)
_REPAIRED = 100_000  # characters, for the time of a repair grows faster than the text
_HEADING = re.compile(r"(?:#{1,6}\s|\*\*[^*]+\*\*$|(?:title|शीर्षक|শিরোনাম)\b)", re.IGNORECASE)
_SAYS_STORY = re.compile(r"here(?:'s| is)|sure|certainly|of course|story|कहानी|गोष्ट|कथा|গল্প|যেমন|यहाँ|येथे|এখানে", re.IGNORECASE)
_FAREWELL = (
    "let me know", "i hope you", "i hope this", "hope you like", "hope you enjoy", "feel free", "word count", "शब्द संख्या",
    "would you like", "note:",
)  # fmt: skip


def story_in(completion: Completion) -> str:
    """The cleaned story of an answer. Raises Rejected as `not JSON`, `no story` or `truncated`."""
    text = _THOUGHT.sub("", completion.text, count=1) if "think" in completion.text or "<reason" in completion.text else completion.text
    return clean(_unwrap(text.strip(), completion.finish_reason))


def _unwrap(text: str, finish_reason: str) -> str:
    """The value of `story`, from JSON that may be fenced, surrounded by words, or slightly broken."""
    if "```" in text:
        fenced = _FENCE.search(text)
        text = fenced.group(1).strip() if fenced else text.replace("```json", "").replace("```", "").strip()
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        if not text or text.startswith(("[", '"')):
            raise Rejected("not JSON" if text else "empty", text[:80])
        return text
    found = text[start : end + 1]
    try:
        return _story(orjson.loads(found))
    except ValueError:
        pass
    try:
        return _story(json.loads(found, strict=False))  # line breaks within a story, halves of a surrogate pair
    except ValueError:
        pass
    # A closing quote at the very end closes the story, and only braces are lacking; else the rest of it is.
    if finish_reason == "length" or (end < start and not text.endswith('"')):
        raise Rejected("truncated", text[-80:])
    if len(text) > _REPAIRED:
        raise Rejected("not JSON", f"{len(text)} characters that are none")
    repaired = json_repair.loads(text[start:])
    if not isinstance(repaired, dict):
        raise Rejected("not JSON", text[:80])
    return _story(repaired)


def _story(value) -> str:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.strip().lower() == "story":
                return "\n\n".join(map(str, inner)) if isinstance(inner, list) else inner if isinstance(inner, str) else _story(inner)
        texts = [inner for inner in value.values() if isinstance(inner, str)]
        if len(texts) == 1:
            return texts[0]
    raise Rejected("no story", joined_pairs(json.dumps(value, ensure_ascii=False))[:80])


def clean(story: str) -> str:
    """NFC text without markup, preamble, title, farewell and invisible characters; paragraphs apart by an empty line."""
    plain = story.replace("\n", "").isprintable()  # so without white space other than spaces and ends of lines
    if not plain or any(sign in story for sign in _SUSPECT):
        story = _without_markup(story)
    if not unicodedata.is_normalized("NFC", story):
        story = unicodedata.normalize("NFC", story)
    lines = story.split("\n")
    if not plain or "  " in story:
        lines = [" ".join(line.split()) for line in lines]
    paragraphs = [part for line in lines if (part := line.strip())]
    first, last = 0, len(paragraphs)
    while last - first > 1 and _is_preamble(paragraphs[first]):
        first += 1
    while last - first > 1 and len(paragraphs[last - 1]) < 300 and _is_farewell(paragraphs[last - 1]):
        last -= 1
    return "\n\n".join(paragraphs[first:last])


def _without_markup(story: str) -> str:
    if "\\" in story:  # escaped once too often
        story = _ESCAPED_LETTER.sub(lambda match: chr(int(match.group(1), 16)), story)
        story = story.replace("\\r", "").replace("\\n", "\n").replace("\\t", " ").replace('\\"', '"').replace("\\'", "'")
    story = joined_pairs(story)
    if "&" in story:
        story = html.unescape(story)
    story = story.replace("\u2028", "\n").replace("\u2029", "\n\n").replace("\r", "")
    story = re.sub(r"<br\s*/?>|</p>", "\n", story)
    story = _INVISIBLE.sub("", _TAG.sub("", story))
    lines = story.strip().split("\n")
    while len(lines) > 1 and (not lines[0].strip() or _HEADING.match(lines[0].strip())):
        del lines[0]
    story = _LINE_MARKS.sub("", "\n".join(lines))
    return _ITALIC.sub(r"\2", _BOLD.sub(r"\2", story)).replace("**", "").replace("`", "")


def _is_preamble(paragraph: str) -> bool:
    """Whether a first paragraph announces the story, or is its title."""
    if _HEADING.match(paragraph) and len(paragraph.split()) <= 15:
        return True
    return paragraph.endswith((":", "：")) and len(paragraph.split()) <= 20 and bool(_SAYS_STORY.search(paragraph))


def _is_farewell(paragraph: str) -> bool:
    """Whether a last paragraph speaks to who asked."""
    lowered = paragraph.lower()
    return any(words in lowered for words in _FAREWELL)
