"""Sentences and words of any language under languages/, with the standard library alone."""

import functools
import re
import unicodedata
from collections import Counter
from itertools import islice

from backend.errors import UserError
from backend.languages import Language, language_names, load_language, read_table

# Python's \w does not hold Indic vowel signs, so a word is what stands between spaces, digits and punctuation.
_PUNCTUATION = r"\s\d_!-&(-/:-@\[-^`{-~¡-¿‐-‘‚-⁞।॥०-९০-৯"
_WORD = re.compile(rf"[^{_PUNCTUATION}'’]+(?:['’][^{_PUNCTUATION}'’]+)*")
_TEMPLATE = re.compile(r"\{[^}]*\}|\[[^\]]*\]|^\w+\*?:.*$|^[@#].*$|[()|]", re.MULTILINE)
_CLOSING = "\"'”’»)]}*"
_FORMS_ASIDE = {"line", "kind", "gender", "key"}
FUNCTION_WORDS = 70


def words(text: str) -> list[str]:
    """The words of a text in NFC and lower case, without punctuation and digits."""
    found = _WORD.findall(unicodedata.normalize("NFC", text).lower())
    return [word for word in found if word.isalpha() or any(map(str.isalpha, word))]


def sentences(text: str, ends: str) -> list[str]:
    """The sentences of a text; a line break ends one too. `ends` are the language's sentence-end marks."""
    marks = re.escape(ends + "…")
    parts = re.findall(rf"[^{marks}\n]+(?:[{marks}]+[{re.escape(_CLOSING)}]*|\n|$)", text)
    return [part.strip() for part in parts if words(part)]


def ends_a_sentence(text: str, ends: str) -> bool:
    """Whether the last character, closing quotes aside, is one of the sentence-end marks."""
    return text.rstrip().rstrip(_CLOSING)[-1:] in tuple(ends)


def stem(word: str) -> str:
    """The beginning of a word that its inflected forms mostly share: three quarters of it, at least three letters."""
    return word[: max(3, -(-len(word) * 3 // 4))]


def without_ending(word: str, language: Language) -> str:
    """A name without the case ending that the language writes onto it: थियोने → थियो; at least two letters are left."""
    fitting = (end for end in language.name_suffixes if word.endswith(end) and len(word) - len(end) > 1)
    return word[: len(word) - len(max(fitting, key=len, default=""))]


@functools.cache
def word_counts(language: Language) -> Counter[str]:
    """How often each word stands in the plots, phrases, openings and whole stories of the language's own folder."""
    folder, counts = language.folder, Counter()
    for path in (*sorted(folder.glob("plots/*.txt")), folder / "phrases.txt", folder / "openings.txt"):
        if path.exists():
            counts.update(words(_TEMPLATE.sub(" ", path.read_text("utf-8"))))
    for row in language.stories():
        counts.update(words(row["story"]))
    return counts


@functools.cache
def function_words(language: Language) -> frozenset[str]:
    """The most frequent words of the language's own folder, which carry grammar rather than content.

    Taken by frequency from plots, whole stories and openings, so that a new language needs no list of its own.
    """
    # The script filter drops what templates hold of their own, such as the names of groups.
    frequent = (word for word, _ in word_counts(language).most_common() if language.in_script(word[0]))
    return frozenset(islice(frequent, FUNCTION_WORDS))


@functools.cache
def forms_of_things(language: Language) -> dict[str, frozenset[str]]:
    """Every form of the language's nouns and characters, the words that can introduce somebody, with the others of its row."""
    found: dict[str, set[str]] = {}
    beside: Counter[str] = Counter()
    for name in ("nouns.tsv", "characters.tsv"):
        if not (language.folder / name).exists():
            continue
        for row in read_table(language.folder / name):
            head = words(row["word"])[-1:] or [""]
            forms = {word for column, cell in row.items() if column not in _FORMS_ASIDE for word in words(cell)}
            # A form may bring a postposition or an article along: only words that begin like the noun are its own.
            own = {word for word in forms if len(word) > 2 and word[:2] == head[0][:2]}
            for word in own:
                found.setdefault(word, set()).update(own)
            beside.update(forms - set(words(row["word"])))
    # What stands beside several nouns only happens to begin like one of them: the, beside thief.
    return {word: frozenset(own) for word, own in found.items() if beside[word] < 3}


@functools.cache
def names_of_things(language: Language) -> frozenset[str]:
    """The words that can introduce somebody, in every form."""
    return frozenset(forms_of_things(language))


def as_language(language: str | Language) -> Language:
    """A language by folder name, English or native name or ISO code, in any case."""
    if isinstance(language, Language):
        return language
    for name in language_names():
        known = load_language(name)
        if language.strip().lower() in {name, known.code.lower(), known.english_name.lower(), known.native_name}:
            return known
    raise UserError(f"There is no language '{language}' under languages/; choose one of {', '.join(language_names())}.")
