"""First sentences as strangers write them, and which words of the lists stand in them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from backend.errors import UserError
from backend.languages import Language
from datagen.renaming import LETTER, last_kind, name_stem
from datagen.words import Word, WordLists

_LEAST = 3  # letters of a form by which a noun is found
PLURAL = "plural"  # the form of several, in lists that have it
_PERSON = re.compile(r"(.+)=(\w+)")


@dataclass(frozen=True)
class Beginning:
    """A first sentence with its end, and the people whom it names, with their gender."""

    text: str
    names: dict[str, str]
    line: int  # in its file


@dataclass(frozen=True)
class Found:
    """A word of a list in a sentence, and which of its forms stands where."""

    word: Word
    form: str
    start: int
    end: int

    def exchanged(self, text: str, other: Word) -> str:
        """The sentence with another word in the same form, and with its article where one stands before it."""
        form, start = self.form, self.start
        brought_in = self.word["a"]
        if form == "word" and text[: self.end].lower().endswith(f" {brought_in}".lower()):
            form, start = "a", self.end - len(brought_in)
        new = other[form]
        if text[start].isupper():
            new = new[0].upper() + new[1:]
        return text[:start] + new + text[self.end :]


def read_beginnings(language: Language) -> list[Beginning]:
    """The lines of `beginnings.tsv`: a sentence and, after a tab, `NAME=gender, …`. None where there is no such file.

    Raises UserError with file and line for what is no name of its sentence.
    """
    path = language.folder / "beginnings.tsv"
    lines = unicodedata.normalize("NFC", path.read_text("utf-8")).splitlines() if path.exists() else []
    read = []
    for number, line in enumerate(lines, start=1):
        text, _, people = (part.strip() for part in line.partition("\t"))
        if not text or text.startswith("#"):
            continue
        names = {}
        for person in filter(None, (part.strip() for part in people.split(","))):
            match = _PERSON.fullmatch(person)
            if not match or match[1] not in text:
                raise UserError(f"{path}:{number}: '{person}' is not NAME=gender with a name of that sentence; mend it.")
            names[match[1]] = match[2]
        if text.rstrip("\"'”’»")[-1] not in language.sentence_ends:
            text += language.sentence_ends[0]
        read.append(Beginning(text, names, number))
    return read


class Finder:
    """Finds words of a list in a sentence, by any of their forms."""

    def __init__(self, rows: Iterable[Word], words: WordLists):
        """What is a verb or an adjective, too, is not looked for."""
        aside = {form.lower() for row in (*words.verbs, *words.adjectives) for form in row.values()}
        self._forms: dict[str, tuple[Word, str]] = {}
        for row in rows:
            for form, text in row.items():
                # Where a form brings an article or a postposition along, the bare word is looked for.
                if text[:2] == row["word"][:2] and len(text) >= _LEAST and text.lower() not in aside:
                    self._forms.setdefault(text.lower(), (row, form))
        either = "|".join(map(re.escape, sorted(self._forms, key=len, reverse=True)))
        suffixes = "|".join(map(re.escape, sorted(words.language.name_suffixes, key=len, reverse=True)))
        self._pattern = re.compile(rf"(?<!{LETTER})({either})(?=(?:{suffixes})?(?!{LETTER}))", re.IGNORECASE)

    def found(self, sentence: str) -> list[Found]:
        """The words in the order in which they stand there, each once."""
        found: dict[str, Found] = {}
        for match in self._pattern.finditer(sentence):
            word, form = self._forms[match[1].lower()]
            if form == "word" and "obl" in word and re.match(LETTER, sentence[match.end() :]):
                form = "obl"  # the same here, but not of every word that may be put in its place
            found.setdefault(word["word"], Found(word, form, *match.span(1)))
        return list(found.values())


class Children:
    """Rows for children whom no list has, after the rows of those whose names inflect alike."""

    def __init__(self, words: WordLists):
        self._rows = [row for row in words.characters if row.kind == "child" and row["a"] == row["word"]]

    def row(self, name: str, gender: str) -> Word | None:
        """The row of a child of this name; None where no listed name of that gender ends so."""
        for row in self._rows:
            listed = row["word"]
            if row.gender in (gender, "") and " " not in listed and last_kind(listed) == last_kind(name):
                return row.with_forms({form: text.replace(name_stem(listed), name_stem(name)) for form, text in row.items()})
        return None

