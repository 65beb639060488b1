"""Named checks of a cleaned story. Some reject it, so that it is asked for again; the others leave their name beside it."""

import contextlib
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backend.errors import UserError
from backend.languages import Language, language_names, load_language
from backend.llm.engine import Item, Reading, Rejected
from backend.llm.provider import Completion
from datagen import language_identification
from datagen.cleaning import story_in
from datagen.words import load_words

MIN_WORDS, MAX_WORDS = 60, 1200
MIN_IN_SCRIPT = 0.9  # share of the letters
_LID_CHARACTERS = 80  # of a story; where these say something else, the whole is asked
_APOLOGY = re.compile(
    r"\b(?:i(?:'m| am) sorry|i can(?:'t|not) (?:help|assist|write|create|generate|fulfill)|as an ai\b|i am unable|i'm unable)"
)
_APOLOGIES = ("sorry", "i can", "as an ai", "unable")  # one of them is in each
_SIGNS = "\"'।॥,.?!;:()[]“”‘’«»—–-…*\n"
_ADDRESS = re.compile(r"https?://|\w+@\w+")
_CLOSING = "\"'”’»)]*_ \n"
_LISTS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}


@dataclass
class Told:
    """A story under check, with what the checks share."""

    text: str
    record: dict
    completion: Completion
    language: Language | None = field(init=False)

    def __post_init__(self):
        name = self.record.get("language")
        self.language = _language(name)

    @functools.cached_property
    def words(self) -> int:
        """How many; a cleaned text has one space between two words, or an empty line."""
        return self.text.count(" ") + self.text.count("\n\n") + 1

    @functools.cached_property
    def padded(self) -> str:
        """Its words with a space before and after each, in lower case."""
        return _padded(self.text)

    @functools.cached_property
    def sentences(self) -> list[str]:
        """Its sentences, without their ends."""
        parts = _ends_of(self.language).split(self.text)
        return [sentence for part in parts if (sentence := part.strip())]


def empty(told: Told, bounds) -> str | None:
    """Nothing, or nothing but signs."""
    return None if any(character.isalpha() for character in told.text[:200]) else told.text[:40]


def refusal(told: Told, bounds) -> str | None:
    """An apology in place of a story."""
    beginning = told.text[:200].lower()
    found = _refusals().match(beginning)
    if found is None and any(word in beginning for word in _APOLOGIES):
        found = _APOLOGY.search(beginning)
    return found.group(0) if found and told.words < 150 else None


def broken_text(told: Told, bounds) -> str | None:
    """U+FFFD, or a sign that belongs to a letter and has none."""
    if "\ufffd" in told.text:
        return "U+FFFD"
    return "begins with a mark" if unicodedata.category(told.text[0])[0] == "M" else None


def too_short(told: Told, bounds) -> str | None:
    """Fewer words than a story has."""
    return f"{told.words} words" if told.words < bounds[0] else None


def too_long(told: Told, bounds) -> str | None:
    """More words than any story asked for."""
    return f"{told.words} words" if told.words > bounds[1] else None


def wrong_script(told: Told, bounds) -> str | None:
    """Too many letters of other scripts."""
    if told.language is None:
        return None
    codes = np.frombuffer(told.text.encode("utf-16-le", "replace"), np.uint16)
    _, own, others = np.bincount(_letters(told.language)[codes], minlength=3)
    share = own / max(1, own + others)
    return f"{share:.0%} in {told.language.script}" if share < MIN_IN_SCRIPT else None


def wrong_language(told: Told, bounds) -> str | None:
    """Another language, by py3langid."""
    if told.language is None or not language_identification.is_known(told.language.code):
        return None
    for part in (told.text[:_LID_CHARACTERS], told.text):
        if (found := language_identification.language_of(part)) == told.language.code:
            return None
    return found


def truncated(told: Told, bounds) -> str | None:
    """Cut off by a limit, or without the end of a sentence at its end."""
    if told.completion.finish_reason == "length":
        return "the limit of tokens"
    ends = told.language.sentence_ends if told.language else ".?!।"
    last = told.text.rstrip(_CLOSING)[-1:]
    return f"ends with “{told.text[-20:]}”" if last not in f"{ends}…~" else None


def repetitive(told: Told, bounds) -> str | None:
    """One sentence again and again."""
    repeated = len(told.sentences) - len(set(told.sentences))
    if not repeated or len(told.sentences) < 4:
        return None
    sentence, times = Counter(told.sentences).most_common(1)[0]
    if (times >= 4 and len(sentence.split()) >= 3) or repeated > 0.3 * len(told.sentences):
        return f"“{sentence[:40]}” {times} times"
    return None


def markup(told: Told, bounds) -> str | None:
    """Signs that a child's story does not have, left over after cleaning."""
    text = told.text
    found = next((sign for sign in "{}<>\\|" if sign in text), None)
    if found is None and ("://" in text or "@" in text):
        address = _ADDRESS.search(text)
        found = address.group(0) if address else None
    return found


def words_missing(told: Told, bounds) -> str | None:
    """Two or three of the noun, verb and adjective of the prompt appear in no form."""
    missing = missing_words(told)
    return ", ".join(missing) if len(missing) >= 2 else None


def word_missing(told: Told, bounds) -> str | None:
    """One of them."""
    missing = missing_words(told)
    return missing[0] if len(missing) == 1 else None


def names_the_tone(told: Told, bounds) -> str | None:
    """The feature that was to be shown and not named."""
    feature = told.record.get("feature")
    return feature if feature and f" {feature.lower()} " in told.padded else None


def length_off(told: Told, bounds) -> str | None:
    """Far from the length that the prompt asks for."""
    from datagen.templates import COMPLEXITIES, words_asked

    if told.record.get("complexity") not in COMPLEXITIES:
        return None
    asked = words_asked(told.record["complexity"])
    return f"{told.words} words" if not 0.4 * asked <= told.words <= 1.8 * asked else None


REJECTING: tuple[Callable, ...] = (
    empty, refusal, broken_text, too_short, too_long, wrong_script, wrong_language, truncated, repetitive, markup, words_missing,
)  # fmt: skip
FLAGGING: tuple[Callable, ...] = (word_missing, names_the_tone, length_off)
CHECKS = {check.__name__.replace("_", " "): check for check in (*REJECTING, *FLAGGING)}


class StoryReader:
    """`read` of the engine for stories: cleans an answer, rejects a bad story, and notes what else a check saw."""

    def __init__(self, min_words: int = MIN_WORDS, max_words: int = MAX_WORDS, reject: tuple[str, ...] = (), allow: tuple[str, ...] = ()):
        """Checks named in `reject` reject too, those in `allow` only note. Raises UserError for an unknown name."""
        self.options = {"min_words": min_words, "max_words": max_words, "reject": reject, "allow": allow}
        for name in (*reject, *allow):
            if name not in CHECKS:
                raise UserError(f"There is no check '{name}'; there are {', '.join(CHECKS)}.")
        if min_words > max_words:
            raise UserError(f"--min-words {min_words} is more than --max-words {max_words}, and no story has both; mend one of them.")
        rejecting = {check.__name__.replace("_", " ") for check in REJECTING} - set(allow) | set(reject)
        # Those that reject go first: a bad story is not looked at any further.
        self._checks = sorted(((name not in rejecting, name, check) for name, check in CHECKS.items()), key=lambda row: row[0])
        self._bounds = (min_words, max_words)
        language_identification.load()

    def __call__(self, item: Item, completion: Completion) -> Reading:
        """The story of an answer. Raises Rejected with the name of the check that it fails."""
        return self.read(item.record, completion)

    def read(self, record: dict, completion: Completion) -> Reading:
        """The same for the record of an item."""
        text = story_in(completion)
        if not text:
            raise Rejected("empty")
        told, notes = Told(text, record, completion), []
        for only_notes, name, check in self._checks:
            if (detail := check(told, self._bounds)) is None:
                continue
            if not only_notes:
                raise Rejected(name, detail)
            notes.append(name)
        return Reading(text, {"checks": notes} if notes else None, key=told.padded)


def missing_words(told: Told) -> list[str]:
    """Which of noun, verb and adjective appear in no form; a word that is in no list counts by its beginning."""
    if told.language is None:
        return []
    asked = {kind: told.record[kind] for kind in _LISTS if told.record.get(kind)}
    return [word for kind, word in asked.items() if not any(stem in told.padded for stem in _stems(told.language.name, kind, word))]


@functools.lru_cache(maxsize=8192)
def _stems(language: str, kind: str, word: str) -> tuple[str, ...]:
    """Beginnings of words, a space before each, by which a word is recognised in whatever form it stands."""
    forms = [word]
    with contextlib.suppress(UserError):
        forms += load_words(language).find(_LISTS[kind], word).values()
    stems = {_padded(form).rstrip() for form in forms}
    whole = _padded(word).strip()
    for part in (whole, whole.split()[-1]) if kind == "verb" else (whole,):
        stem = _stem(part)
        if stem:
            stems.add(f" {stem}")
    return tuple(stems)


def _stem(word: str) -> str:
    """A word without its last letter and the vowel signs before it: बच्चा and बच्चे, carry and carried; '' if too short."""
    stem = word
    for suffix in ("ना", "णे", "नें", "ing"):
        if stem.endswith(suffix) and len(stem) - len(suffix) >= 2:
            stem = stem[: -len(suffix)]
            break
    else:
        if len(stem) >= 4:
            stem = stem[:-1]
    while stem and unicodedata.category(stem[-1])[0] == "M":
        stem = stem[:-1]
    return stem if len(stem) >= 2 else ""


def _padded(text: str) -> str:
    text = text.lower()
    for sign in _SIGNS:
        text = text.replace(sign, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return f" {text.strip()} "


@functools.cache
def _language(name: str | None) -> Language | None:
    return load_language(name) if name in language_names() else None


@functools.cache
def _refusals() -> re.Pattern:
    """How an LLM declines in any of the languages: it may do so in another than it was asked in."""
    return re.compile("|".join(f"(?:{known})" for name in language_names() for known in load_language(name).refusals))


@functools.cache
def _ends_of(language: Language | None) -> re.Pattern:
    """What ends a sentence of the language."""
    return re.compile(f"[{re.escape(language.sentence_ends if language else '.?!।')}\n]")


@functools.cache
def _letters(language: Language) -> np.ndarray:
    """For each UTF-16 unit: 1 a letter or mark of the language's script, 2 a letter of another, 0 neither."""
    kinds = np.zeros(1 << 16, np.uint8)
    for code in range(1 << 16):
        character = chr(code)
        if language.in_script(character):
            kinds[code] = 1 if unicodedata.category(character)[0] in "LM" else 0
        elif character.isalpha():
            kinds[code] = 2
    return kinds
