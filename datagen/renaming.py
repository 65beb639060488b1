"""Gives the people of a finished story other names, so that a model learns to carry any name and not a few by heart."""

import re
import unicodedata
from collections.abc import Mapping
from random import Random

import regex

from backend.languages import Language
from datagen.words import WordLists

_GRAPHEME = regex.compile(r"\X")
LETTER = r"[\w\u0900-\u0963\u0971-\u0DFF]"  # \w leaves out vowel signs, which go on with a word as letters do
WORD = re.compile(rf"{LETTER}+")
_ASCII_SYLLABLE = re.compile(r"[^aeiouy]*[aeiouy]+(?:[^aeiouy]+$)?|[^aeiouy]+$", re.IGNORECASE)
_VIRAMAS = "\u094D\u09CD\u0ACD\u0BCD\u0C4D\u0CCD"  # what a last consonant bears, and loses before an ending: கண்ணன், கண்ணனை
_INDIC_VOWEL = re.compile(r"VOWEL SIGN|LETTER (?:VOCALIC )?(?:A|AA|I|II|U|UU|R|E|AI|O|AU)$")


class Names:
    """Names of children by gender, from the language's characters, and made-up ones joined from their halves.

    A name that is also a word of the language's plots (दिया, a lamp or "gave") is never replaced.
    """

    def __init__(self, words: WordLists):
        self.language: Language = words.language
        self.by_gender: dict[str, list[str]] = {}
        for row in words.characters:
            if row.kind == "child" and " " not in row["word"]:
                self.by_gender.setdefault(row.gender, []).append(row["word"])
        folder = self.language.folder
        texts = [path.read_text("utf-8") for path in (folder / "phrases.txt", *sorted((folder / "plots").glob("*.txt")))]
        spoken = set(WORD.findall(unicodedata.normalize("NFC", "\n".join(texts))))
        spoken |= {row["word"] for rows in (words.nouns, words.verbs, words.adjectives) for row in rows}
        self._gender = {name: gender for gender, names in self.by_gender.items() for name in names if name not in spoken}
        self._pattern = self._looking_for(self._gender)

    def found(self, story: str) -> dict[str, str]:
        """The children's names of the language's list that stand in a story, with their gender."""
        named = {name_stem(name): name for name in self._gender}
        return {named[stem]: self._gender[named[stem]] for stem in dict.fromkeys(self._pattern.findall(story))}

    def draw(self, like: str, gender: str, dice: Random, made_up: float = 0.3) -> str:
        """A name of this gender whose last letter is of the same kind as that of `like`, so that its endings fit."""
        pool = [name for name in self.by_gender.get(gender, ()) if last_kind(name) == last_kind(like)]
        if not pool:
            return like
        name = dice.choice(pool)
        return _join(dice.choice(self.by_gender[gender]), name, dice) if dice.random() < made_up else name

    def rename(self, story: str, names: Mapping[str, str], dice: Random, made_up: float = 0.3) -> str:
        """The story with every name of `names` (name: gender) replaced, each by another, everywhere."""
        new: dict[str, str] = {}
        for name, gender in names.items():
            drawn = self.draw(name, gender, dice, made_up)
            # Two people of a story must not come out alike, nor like a word that it uses.
            if drawn not in new.values() and drawn not in story:
                new[name] = drawn
        if not new:
            return story
        stems = {name_stem(name): name_stem(drawn) for name, drawn in new.items()}
        return self._looking_for(new).sub(lambda match: stems[match.group()], story)

    def _looking_for(self, names: Mapping[str, str]) -> re.Pattern:
        either = "|".join(map(re.escape, sorted(map(name_stem, names), key=len, reverse=True)))
        suffixes = "|".join(map(re.escape, sorted((*self.language.name_suffixes, *_VIRAMAS), key=len, reverse=True)))
        return re.compile(rf"(?<!{LETTER})(?:{either})(?=(?:{suffixes})?(?!{LETTER}))")


def name_stem(name: str) -> str:
    """The name as it stands before an ending."""
    return name.rstrip(_VIRAMAS)


def last_kind(name: str) -> str:
    """The last letter where it is a vowel or a virama, 'c' for a name that ends in another consonant."""
    last = name[-1].lower()
    if last in _VIRAMAS:
        return last
    if last.isascii():
        return last if last in "aeiouy" else "c"
    return last if _INDIC_VOWEL.search(unicodedata.name(last, "")) else "c"


def syllables(name: str) -> list[str]:
    """The syllables of a name: by its vowels in Latin letters, its grapheme clusters in an Indic script."""
    return _ASCII_SYLLABLE.findall(name) if name.isascii() else _GRAPHEME.findall(name)


def _join(first: str, second: str, dice: Random) -> str:
    """The beginning of one name and the end of another, cut between syllables."""
    head, tail = syllables(first), syllables(second)
    begin = head[: dice.randint(1, max(1, len(head) - 1))]
    return "".join(begin + [part.lower() for part in tail[min(1, len(tail) - 1) :]])
