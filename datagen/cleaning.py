"""From a raw answer to a story: the JSON contract, Unicode and whitespace."""

import json
import re
import unicodedata

from backend.llm.engine import Item, Reading, Rejected
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
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n\s*\n\s*")


def read_story(item: Item, completion: Completion) -> Reading:
    """The story in an answer. Raises Rejected with the name of the check that it fails."""
    try:
        value = json.loads(completion.text)
        story = value["story"]
    except (ValueError, KeyError, TypeError):
        raise Rejected("not JSON", completion.text[:80]) from None
    story = tidy(story)
    if not story:
        raise Rejected("empty")
    return Reading(story, key=story)


def tidy(text: str) -> str:
    """NFC, single spaces, paragraphs apart by one empty line."""
    text = unicodedata.normalize("NFC", text)
    return _BREAKS.sub("\n\n", _SPACES.sub(" ", text)).strip()
