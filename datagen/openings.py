"""Makes the first sentence of a training story as rich in words as those that people write.

The plots' own openings know few words. Beside a stranger's, a model trained on them takes any word that it has not met
for somebody in the story. So things and places get an epithet, and words that nobody knows stand beside them, which
never come again.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random

from backend.errors import UserError
from backend.languages import Language, read_table
from datagen.coining import other_beginning
from datagen.renaming import WORD, syllables
from datagen.words import Word

EPITHET_KINDS = ("thing", "place")
FAMILIAR = 3  # times that a word stands in the language's whole stories, from which on it is never made strange


def familiar_words(language: Language) -> frozenset[str]:
    """The words that the whole stories of a language use again and again, in lower case."""
    counts = Counter(word for row in language.stories() for word in words_of(row["story"]))
    return frozenset(word for word, count in counts.items() if count >= FAMILIAR)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, vowel signs with them."""
    return WORD.findall(text.lower())


def read_epithets(language: Language) -> dict[str, list[str]]:
    """The words of `epithets.tsv` by what they are said of, `thing` or `place`; none where the language has no such file."""
    path = language.folder / "epithets.tsv"
    rows = read_table(path) if path.exists() else []
    for row in rows:
        if row.get("kind") not in EPITHET_KINDS or not row.get("word"):
            raise UserError(f"{path}:{row['line']} is not a word and its kind, one of {', '.join(EPITHET_KINDS)}.")
    return {kind: [row["word"] for row in rows if row["kind"] == kind] for kind in EPITHET_KINDS}


def described(word: Word, epithet: str, language: Language) -> Word:
    """The word with an epithet wherever it is brought in (`a`, `a_obl` …), and a place's wherever it is said where.

    The epithet must stay the same beside any noun. A form that begins with no article stays as it is.
    """
    made = {}
    for form, said in word.items():
        if form in ("a", "A") or form.startswith("a_"):
            article = language.defaults.get(form, language.defaults["a"]).partition("{")[0]
            if said.startswith(article) and article:
                made[form] = f"{_article(article, epithet)}{epithet} {said[len(article) :]}"
        elif form == "loc" and word.kind == "place":
            made[form] = said.replace("the ", f"the {epithet} ", 1) if "the" in word else f"{epithet} {said}"
    return word.with_forms(made)


def _article(article: str, epithet: str) -> str:
    """`an ` for the English `a ` before a vowel; any other article as it is."""
    return f"{article[0]}n " if article in ("a ", "A ") and epithet[0] in "aeiou" else article


def made_strange(sentence: str, kept: Collection[str], stems: Iterable[str], others: Sequence[Word], dice: Random) -> str:
    """The sentence with half of its long words begun otherwise, save those of `kept` and those that begin as a stem does.

    `kept` and `stems` in lower case; `others` are the words whose beginnings are taken.
    """
    stems = tuple(stems)

    def other(match: re.Match) -> str:
        word = match.group()
        if word != word.lower() or word in kept or word.startswith(stems) or dice.random() < 0.5:
            return word
        new = other_beginning(word, others[int(dice.random() * len(others))]["word"], dice)
        return new + word[len(syllables(word)[0]) :] if new else word

    return WORD.sub(other, sentence)


def otherwise_written(sentence: str, spellings: Iterable[Mapping[str, str]], dice: Random) -> str:
    """The sentence as others write it: each of a language's `spellings` stands in half of the sentences, throughout."""
    taken = {ours: others for pairs in spellings if dice.random() < 0.5 for ours, others in pairs.items()}

    def other(match: re.Match) -> str:
        word = match.group()
        for ours, others in taken.items():
            ending = ours.removeprefix("-")
            if word == ours or (ours != ending and word.endswith(ending) and word != ending):
                return word.removesuffix(ending) + others.removeprefix("-")
        return word

    return WORD.sub(other, sentence)
