"""What is asked of a large model that translates, and what is accepted of its answer."""

from backend.errors import UserError
from backend.languages import Language
from backend.llm.engine import Item, Reading, Rejected
from backend.llm.provider import Completion
from datagen.checks import StoryReader
from datagen.translate_source import Row

TRANSLATION_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "translation",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"translation": {"type": "string"}},
            "required": ["translation"],
            "additionalProperties": False,
        },
    },
}
SHORTEST, LONGEST = 0.4, 2.5  # characters of a translation for each of its source
_ANY = (1, 1_000_000)  # words
_ASK = """Translate the following story from <source> to <target>.
Keep its meaning, its names and its paragraphs, leave nothing out and add nothing. Use simple words that 5-to-7-year-old children understand.

Return the output as a JSON dictionary in the following format:
{
    "translation": "your_translation"
}

The story:
<text>"""


def question(text: str, source: Language, target: Language) -> str:
    """The prompt for one text."""
    asked = f"{target.english_name} {target.script_instruction}".strip()
    return _ASK.replace("<source>", source.english_name).replace("<target>", asked).replace("<text>", text)


def record_of(row: Row, source: Language, target: Language) -> dict:
    """What the journal keeps beside a translation; the source text stays where it is, under the same id."""
    return {"language": target.name, "source_language": source.name, "source_characters": len(row.text), "source_paragraphs": _paragraphs(row.text)}


class TranslationReader:
    """`read` of the engine for translations: the checks of a story that need no prompt, and those against the source."""

    def __init__(self, shortest: float = SHORTEST, longest: float = LONGEST, reject: tuple[str, ...] = (), allow: tuple[str, ...] = ()):
        """The bounds are characters for each character of the source. Raises UserError for an unknown check."""
        if shortest > longest:
            raise UserError(f"--min-ratio {shortest:g} is more than --max-ratio {longest:g}, and no translation has both; mend one of them.")
        self._stories, self._bounds = StoryReader(*_ANY, reject, allow), (shortest, longest)

    def __call__(self, item: Item, completion: Completion) -> Reading:
        """The translation of an answer. Raises Rejected with the name of the check that it fails."""
        return self.read(item.record, completion)

    def read(self, record: dict, completion: Completion) -> Reading:
        """The same for the record of an item. Equal translations are no duplicates: each has a source of its own."""
        reading = self._stories.read(record, completion)
        ratio = len(reading.text) / record["source_characters"]
        if not self._bounds[0] <= ratio <= self._bounds[1]:
            raise Rejected("length ratio", f"{ratio:.2f} characters for each of the source")
        notes = list((reading.facts or {}).get("checks", []))
        if _paragraphs(reading.text) != record["source_paragraphs"]:
            notes.append("paragraphs differ")
        return Reading(reading.text, {**(reading.facts or {}), "checks": notes} if notes else reading.facts)


def _paragraphs(text: str) -> int:
    return sum(bool(line.strip()) for line in text.split("\n"))
