"""The word lists of a language, with every inflected form at hand."""

import functools
from dataclasses import dataclass
from pathlib import Path

from backend.errors import UserError
from backend.languages import Language, load_language, read_table

NOUN_KINDS = ("person", "animal", "food", "plant", "toy", "object", "clothes", "place", "nature", "idea", "vehicle")
VERB_KINDS = ("play", "work", "care", "mishap", "mind", "move")
ADJECTIVE_KINDS = ("look", "mood", "both")
CHARACTER_KINDS = ("child", "creature", "elder")
LISTS = ("nouns", "verbs", "adjectives", "features", "characters")
_NOT_FORMS = {"kind", "gender", "key", "line"}


class Word(dict):
    """One row of a word list: a mapping from the name of a form to the form, `word` where there is none."""

    __slots__ = ("gender", "kind", "line", "path")

    def __init__(self, row: dict[str, str], language: Language, path: Path):
        super().__init__((name, text) for name, text in row.items() if text and name not in _NOT_FORMS)
        for name, pattern in language.defaults.items():
            if name not in self:
                self[name] = pattern.format_map(self)
        self.kind = row.get("kind") or row.get("key", "")
        self.gender = row.get("gender", "")
        self.path, self.line = path, int(row["line"])

    def __missing__(self, form: str) -> str:
        return self["word"] if form != "word" else ""

    def __hash__(self) -> int:
        return hash(self["word"])

    def with_forms(self, forms: dict[str, str]) -> "Word":
        """The same word with some of its forms said otherwise."""
        other = Word.__new__(Word)
        other.update(self)
        other.update(forms)
        other.kind, other.gender, other.path, other.line = self.kind, self.gender, self.path, self.line
        return other

    def introduced(self) -> "Word":
        """The word as it goes on being called: a form that brings it in for the first time is that of one already known."""
        known = {form: self[form[2:]] for form in self if form.startswith("a_")}
        known |= {form: self[the] for form, the in (("a", "the"), ("A", "The")) if form in self}
        return self.with_forms(known)

    def agree(self, form: str, gender: str) -> str:
        """The form of an adjective beside a noun of this gender: `form_gender`, else `form`, else the gender's own."""
        for name in (f"{form}_{gender}", form, gender):
            if name in self and name != "word":
                return self[name]
        return self["word"]


@dataclass(frozen=True)
class WordLists:
    """All words of one language, in the order of their files."""

    language: Language
    nouns: tuple[Word, ...]
    verbs: tuple[Word, ...]
    adjectives: tuple[Word, ...]
    features: tuple[Word, ...]
    characters: tuple[Word, ...]

    def find(self, list_name: str, text: str) -> Word:
        """The row whose `word` is `text`. Raises UserError when the list has none."""
        word = self._index(list_name).get(text)
        if word is None:
            path = self.language.folder / f"{list_name}.tsv"
            raise UserError(f"'{text}' is not in {path}; choose a word of that list, or add it there.")
        return word

    @functools.cache  # noqa: B019 (one instance a language lives as long as the process)
    def _index(self, list_name: str) -> dict[str, Word]:
        return {word["word"]: word for word in getattr(self, list_name)}

    def __hash__(self) -> int:
        return hash(self.language.name)


@functools.cache
def load_words(language_name: str) -> WordLists:
    """Read the five lists of a language. Raises UserError for a missing list or a row without a word."""
    language = load_language(language_name)
    lists = {}
    for name in LISTS:
        path = language.folder / f"{name}.tsv"
        if not path.exists():
            raise UserError(f"{path} is missing; languages/README.md says what it holds.")
        rows = read_table(path)
        for row in rows:
            if not row.get("word"):
                raise UserError(f"{path}:{row['line']} has no word in its column 'word'.")
        lists[name] = tuple(Word(row, language, path) for row in rows)
    return WordLists(language, **lists)
